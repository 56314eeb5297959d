package schedule

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A locked file is waited for; nothing is lost and nothing spins.
func TestStoreFails(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	other, err := pool("file:"+s.path+"?_pragma=busy_timeout(10000)", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := s.conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 100, time.Now())
	if _, err := lock.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), Entry{Key: "k"}, true); err == nil || !strings.Contains(err.Error(), s.path) {
		t.Errorf("put while the file is locked: got %v, want an error that names the file", err)
	}
	var log lockedBuffer
	var fired atomic.Int64
	start(t, s, Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, func(context.Context, Entry) Result {
		fired.Add(1)
		return Result{}
	})
	eventually(t, "it has tried three times", func() bool { return strings.Count(log.String(), "trying again") >= 3 })
	if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all results are written", func() bool { return count(t, s, "") == 0 })
	if got := fired.Load(); got != 100 {
		t.Errorf("fired: got %d, want 100: each once, also when its result waits", got)
	}
	if got := strings.Count(log.String(), "trying again"); got > 100 {
		t.Errorf("tries: got %d; want few, with growing waits", got)
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Sleeping entries cost neither goroutines nor heap.
func TestSleepersCostTheirStorage(t *testing.T) {
	s := openStore(t, t.TempDir())
	start(t, s, Options{}, func(context.Context, Entry) Result { return Result{} })
	put(t, s, "warm", time.Now(), "")
	eventually(t, "it is warm", func() bool { return count(t, s, "") == 0 })
	usage := func() (goroutines int, objects uint64) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapObjects
	}
	goroutines, objects := usage()
	const sleepers = 20_000
	fill(t, s, sleepers, time.Now().Add(time.Hour))
	g, o := usage()
	if g > goroutines+5 {
		t.Errorf("goroutines: %d before, %d with %d sleeping entries", goroutines, g, sleepers)
	}
	if o > objects+sleepers/10 {
		t.Errorf("heap objects: %d before, %d with %d sleeping entries", objects, o, sleepers)
	}
}
