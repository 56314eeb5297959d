package http

import (
	"testing"
	"time"
)

// waiting makes a response of which only whether it was told to be sent is of interest.
func waiting() *responseSink { return &responseSink{ended: true, armed: true} }

// told waits until the response is told to be sent.
func told(t *testing.T, s *responseSink) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		armed := s.armed
		s.mu.Unlock()
		if !armed {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the response was not told to be sent within 20 s")
		}
	}
}

// TestFlusher has responses with different delays wait together, some of which are whole before.
func TestFlusher(t *testing.T) {
	var f flusher
	never, late, early, gone, next := waiting(), waiting(), waiting(), waiting(), waiting()
	f.add(never, time.Hour)
	f.add(late, 50*time.Millisecond)
	f.add(early, time.Millisecond)
	f.add(gone, time.Millisecond)
	f.remove(gone)
	f.remove(gone)
	told(t, early)
	told(t, late)
	f.add(next, time.Millisecond) // the timer waits for never
	told(t, next)
	for _, s := range []*responseSink{never, gone} {
		s.mu.Lock()
		if !s.armed {
			t.Error("a response was told to be sent that is not due")
		}
		s.mu.Unlock()
	}
	f.mu.Lock()
	if f.first != never || f.last != never {
		t.Error("want the response that is not due to be the only one that waits")
	}
	f.mu.Unlock()
	f.remove(never)
	f.mu.Lock()
	if f.first != nil || f.last != nil {
		t.Error("want no response to wait")
	}
	f.mu.Unlock()
}
