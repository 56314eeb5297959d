// Package faulttest is the one suite of what a networked driver does when its server goes and comes back under load: no
// acknowledged write is lost, no call hangs, errors are clear and hold no credentials, and all goes on by itself.
package faulttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server can be stopped, and started again at the same address with what it has kept.
type Server interface {
	Stop()
	Start()
}

// Target is an open driver.
type Target struct {
	// Write does write number n: it sets key n, publishes message n, or reads if there is nothing to write. No error is
	// an acknowledgement. It is called from several goroutines.
	Write func(ctx context.Context, n int) error
	// Arrived gives the writes that are there: read back from a store, or delivered to a consumer until now. nil if
	// nothing is written.
	Arrived func(ctx context.Context) (map[int]bool, error)
	// Unavailable tells whether an error of Write is the one that says that the server does not answer.
	Unavailable func(err error) bool
	// Credentials are those with which the driver was opened; no error may have them.
	Credentials []string
	// Bound is how long one Write may take at the most while the server is away; 0 is 20 s.
	Bound time.Duration
}

const (
	rounds   = 3
	writers  = 4
	enough   = 20 // writes between two faults
	patience = 90 * time.Second
)

// Run stops and starts the server several times while the driver is under load.
func Run(t *testing.T, server Server, target Target) {
	t.Helper()
	if target.Bound == 0 {
		target.Bound = 20 * time.Second
	}
	l := &load{target: target, acked: map[int]bool{}, found: map[string]bool{}, stop: make(chan struct{})}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() { l.write(t.Context()) })
	}
	defer wg.Wait()
	end := sync.OnceFunc(func() { close(l.stop) })
	defer end()
	for range rounds {
		l.until(t, "writes are acknowledged", func() int { return len(l.acked) }, enough)
		server.Stop()
		l.until(t, "writes fail while the server is away", func() int { return l.failed }, writers)
		server.Start()
	}
	l.until(t, "writes are acknowledged after the last start", func() int { return len(l.acked) }, enough)
	end()
	wg.Wait()
	for text := range l.found {
		t.Error(text)
	}
	l.arrived(t)
}

// load is what the writers did.
type load struct {
	target Target
	stop   chan struct{}

	mu     sync.Mutex
	next   int
	failed int
	acked  map[int]bool
	found  map[string]bool // what is wrong, each text once
	last   error
}

func (l *load) write(ctx context.Context) {
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		l.mu.Lock()
		n := l.next
		l.next++
		l.mu.Unlock()
		begun := time.Now()
		err := l.bounded(ctx, n)
		l.note(n, err, time.Since(begun))
		if err != nil {
			time.Sleep(10 * time.Millisecond) // a caller that tries again does not spin
		}
	}
}

// bounded ends a write that hangs well after it should have ended by itself.
func (l *load) bounded(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*l.target.Bound)
	defer cancel()
	return l.target.Write(ctx, n)
}

func (l *load) note(n int, err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if took > l.target.Bound {
		l.found[fmt.Sprintf("a write took more than %s (error %v): its retries are to be bounded", l.target.Bound, err)] = true
	}
	if err == nil {
		l.acked[n] = true
		return
	}
	l.failed++
	l.last = err
	if !l.target.Unavailable(err) {
		l.found[fmt.Sprintf("error %q does not say that the server is unavailable", err)] = true
	}
	for _, c := range l.target.Credentials {
		if c != "" && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), c) {
			l.found["an error has a credential: "+err.Error()] = true
		}
	}
}

// until waits until count has grown by n.
func (l *load) until(t *testing.T, what string, count func() int, n int) {
	t.Helper()
	value := func() (int, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return count(), l.last
	}
	begin, _ := value()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		now, last := value()
		if now >= begin+n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s; the last error was: %v", what, patience, last)
		}
	}
}

// arrived waits until all acknowledged writes are there.
func (l *load) arrived(t *testing.T) {
	t.Helper()
	if l.target.Arrived == nil {
		return
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		got, err := l.target.Arrived(t.Context())
		var missing []int
		for n := range l.acked {
			if !got[n] {
				missing = append(missing, n)
			}
		}
		if err == nil && len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			slices.Sort(missing)
			t.Fatalf("%d of %d acknowledged writes are lost (error %v): %v", len(missing), len(l.acked), err, missing[:min(len(missing), 20)])
		}
	}
}
