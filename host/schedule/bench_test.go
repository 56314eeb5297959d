package schedule

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const perSecond = "/s"

// BenchmarkRegister is of 64 callers at a time.
func BenchmarkRegister(b *testing.B) {
	s := openStore(b, b.TempDir())
	data := make([]byte, 128)
	due := time.Now().Add(time.Hour)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				key := "Account||" + strconv.FormatInt(n*7919%1000003, 10) + "||" + strconv.FormatInt(n, 10)
				if err := s.Put(b.Context(), Entry{Key: key, Due: due.Add(time.Duration(n) * time.Millisecond), Data: data}, true); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "registrations"+perSecond)
}

func fill(b testing.TB, s *Store, n int, due time.Time) {
	b.Helper()
	const callers = 64
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := c; i < n; i += callers {
				if err := s.Put(b.Context(), Entry{Key: fmt.Sprintf("k%07d", i), Due: due, Data: make([]byte, 128)}, true); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkFire fires entries that are all due, once each; half of them are due again later.
func BenchmarkFire(b *testing.B) {
	s := openStore(b, b.TempDir())
	fill(b, s, b.N, time.Now().Add(-time.Minute))
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	b.ResetTimer()
	sch := New(s, func(_ context.Context, e Entry) Result {
		n := left.Add(-1)
		if n == 0 {
			close(done)
		}
		if n%2 == 0 {
			return Result{Due: time.Now().Add(time.Hour), Data: e.Data}
		}
		return Result{}
	}, Options{})
	sch.Start()
	<-done
	if err := sch.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fires"+perSecond)
}

// BenchmarkTimers sets and removes timers while a million others are set.
func BenchmarkTimers(b *testing.B) {
	ts := NewTimers(func(context.Context, Timer[string]) {}, 0)
	const others = 1_000_000
	owners := make([]string, others)
	for i := range others {
		owners[i] = strconv.Itoa(i)
		ts.Set(Timer[string]{Owner: owners[i], Name: "n", In: time.Hour + time.Duration(i*7919%others)*time.Millisecond})
	}
	i := 0
	for b.Loop() {
		ts.Set(Timer[string]{Owner: owners[i%others], Name: "m", In: time.Hour + time.Duration(i)})
		ts.Remove(owners[i%others], "m")
		i += 7919
	}
	if got := ts.Len(); got != others {
		b.Errorf("timers: got %d, want %d", got, others)
	}
	_ = ts.Stop(b.Context())
}
