package engine_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// Every instance has randomness of its own, in math/rand and in crypto/rand; and in package initialisation, if that
// runs in each instance.
func TestRandomness(t *testing.T) {
	h := newHost()
	p := start(t, h, engine.PoolConfig{})
	seen := map[uint64]bool{}
	draws := 0
	// Three instances at a time.
	hold := func(n int) {}
	for range 3 {
		next := hold
		hold = func(n int) {
			err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
				for source := range uint64(3) {
					stack := []uint64{source}
					if err := g.Call(ctx, export("random"), stack); err != nil {
						return err
					}
					seen[stack[0]] = true
					draws++
				}
				next(n)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	hold(0)
	want := 9
	if images != engine.ImagesOff {
		want = 7 // what the package drew when it was initialised is in the image
	}
	if draws != 9 || len(seen) != want {
		t.Errorf("want %d different numbers, got %d of %d draws: %v", want, len(seen), draws, seen)
	}
}

func TestClocks(t *testing.T) {
	p := start(t, newHost(), engine.PoolConfig{Limits: engine.Limits{MaxInstances: 1}})
	read := func(monotonic uint64) int64 {
		t.Helper()
		got, err := enginetest.Call(t.Context(), p, export("clock"), monotonic)
		if err != nil {
			t.Fatal(err)
		}
		return int64(got)
	}
	before := time.Now().Add(-time.Second).UnixNano()
	if got := read(0); got < before || got > time.Now().Add(time.Second).UnixNano() {
		t.Errorf("want the wall clock to be %d, got %d", before, got)
	}
	first := read(1)
	if _, err := enginetest.Call(t.Context(), p, export("sleep"), 20); err != nil {
		t.Fatal(err)
	}
	if d := time.Duration(read(1) - first); d < 20*time.Millisecond {
		t.Errorf("want a sleep of 20ms to take as long, got %s", d)
	}
}

func TestNoFiles(t *testing.T) {
	p := start(t, newHost(), engine.PoolConfig{})
	if got, err := enginetest.Call(t.Context(), p, export("file")); err != nil || got != 0 {
		t.Errorf("want no file reached, got %d, %v", got, err)
	}
}

func TestOutput(t *testing.T) {
	l := newLogs()
	type traceKey struct{}
	h := newHost()
	e := newEngine(t, func(c *engine.Config) {
		c.TraceID = func(ctx context.Context) string { id, _ := ctx.Value(traceKey{}).(string); return id }
	})
	p := enginetest.Pool(t, e, guest(t), engine.PoolConfig{
		Funcs: h.funcs(), Log: slog.New(l), Env: map[string]string{"GREETING": "hi", "B": "2"},
		Limits: engine.Limits{MaxInstances: 1},
	})
	long := strings.Repeat("x", 64<<10)
	tests := []struct {
		what   uint64
		stream string
		want   []string
	}{
		{0, "stdout", []string{"hello"}},
		{1, "stderr", []string{"complaint"}},
		{2, "stdout", []string{"no newline"}},
		{3, "stdout", []string{long, long[:36<<10]}},
		{4, "stdout", []string{"one", "two", "", "three"}},
		{5, "stdout", []string{"hi 2 [test]"}},
		{6, "stderr", []string{"panic: only text"}},
	}
	for _, tt := range tests {
		before := len(l.stream(tt.stream))
		ctx := context.WithValue(t.Context(), traceKey{}, "4bf92f3577b34da6a3ce929d0e0e4736")
		if _, err := enginetest.Call(ctx, p, export("print"), tt.what); err != nil {
			t.Fatal(err)
		}
		got := l.stream(tt.stream)[before:]
		if len(got) != len(tt.want) {
			t.Errorf("print %d: want %d records, got %d", tt.what, len(tt.want), len(got))
			continue
		}
		for i, r := range got {
			if r.text != tt.want[i] {
				t.Errorf("print %d: want %.80q, got %.80q", tt.what, tt.want[i], r.text)
			}
			if r.attrs["app"] != "test" || r.attrs["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" {
				t.Errorf("print %d: want the app and the trace id, got %v", tt.what, r.attrs)
			}
		}
	}
	if _, err := enginetest.Call(t.Context(), p, export("print"), 0); err != nil {
		t.Fatal(err)
	}
	lines := l.stream("stdout")
	if id, ok := lines[len(lines)-1].attrs["trace_id"]; ok {
		t.Errorf("want no trace id outside of a trace, got %q", id)
	}
}

// A guest's panic is one record and the reason of the trap.
func TestPanicIsOneRecord(t *testing.T) {
	l := newLogs()
	p := start(t, newHost(), engine.PoolConfig{Log: slog.New(l)})
	for range 2 {
		before := len(l.stream("stderr"))
		_, err := enginetest.Call(t.Context(), p, export("panic"))
		wantTrap(t, err, abi.TrapGuest, "#panic: panic: boom")
		got := l.stream("stderr")[before:]
		if len(got) != 1 {
			t.Fatalf("want one record, got %d: %v", len(got), got)
		}
		if got[0].level != slog.LevelError || !strings.HasPrefix(got[0].text, "panic: boom\n") ||
			!strings.Contains(got[0].text, "main.panics") {
			t.Errorf("want the whole report as an error, got %v", got[0])
		}
	}
}
