package random

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// from gives a source of the bytes of s.
func from(s string) source {
	r := strings.NewReader(s)
	return func(context.Context) io.Reader { return r }
}

func TestSources(t *testing.T) {
	ctx := t.Context()
	if got := (secure{from("abcdef")}).GetRandomBytes(ctx, 3); string(got) != "abc" {
		t.Errorf("got %q, want abc", got)
	}
	if got := (insecure{from("abcdef")}).GetInsecureRandomBytes(ctx, 0); len(got) != 0 {
		t.Errorf("got %q, want nothing", got)
	}
	const eight, value = "\x01\x00\x00\x00\x00\x00\x00\x80", 1<<63 | 1
	if got := (secure{from(eight)}).GetRandomU64(ctx); got != value {
		t.Errorf("got %x, want %x", got, uint64(value))
	}
	if got := (insecure{from(eight)}).GetInsecureRandomU64(ctx); got != value {
		t.Errorf("got %x, want %x", got, uint64(value))
	}
	if got := (seed{from(eight + "\x02\x00\x00\x00\x00\x00\x00\x00")}).InsecureSeed(ctx); got.F0 != value || got.F1 != 2 {
		t.Errorf("got %x, want %x and 2", got, uint64(value))
	}
}

func TestTraps(t *testing.T) {
	broken := source(func(context.Context) io.Reader { return io.MultiReader(strings.NewReader("ab"), failing{}) })
	for name, c := range map[string]struct {
		do   func(ctx context.Context)
		kind abi.TrapKind
	}{
		"too much":          {func(ctx context.Context) { secure{from("")}.GetRandomBytes(ctx, abi.MaxBytes+1) }, abi.TrapABI},
		"far too much":      {func(ctx context.Context) { insecure{from("")}.GetInsecureRandomBytes(ctx, 1<<64-1) }, abi.TrapABI},
		"broken source":     {func(ctx context.Context) { secure{broken}.GetRandomBytes(ctx, 5) }, abi.TrapHost},
		"broken source u64": {func(ctx context.Context) { secure{broken}.GetRandomU64(ctx) }, abi.TrapHost},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if trap, ok := recover().(*abi.Trap); !ok || trap.Kind != c.kind {
					t.Errorf("got %v, want a trap of kind %v", trap, c.kind)
				}
			}()
			c.do(t.Context())
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

func TestDefaultIsFresh(t *testing.T) {
	for _, f := range Funcs(Config{}) {
		if f.Name != "get-random-u64" {
			continue
		}
		seen := map[uint64]bool{}
		for range 100 {
			stack := []uint64{0}
			f.Call(t.Context(), nil, stack)
			seen[stack[0]] = true
		}
		if len(seen) != 100 {
			t.Errorf("got %d different numbers of 100", len(seen))
		}
		return
	}
	t.Error("got no get-random-u64")
}
