package http

import (
	"sync"
	"time"
)

// flusher has responses sent whose time to wait for more is over. One timer serves all of them: most are whole, and gone
// from here, long before they are due, and a timer of its own would cost each a good part of what it takes.
type flusher struct {
	mu sync.Mutex
	// first and last are the responses that wait, in the order in which they are due.
	first, last *responseSink
	timer       *time.Timer
	// armed tells that the timer will fire, at fires or before.
	armed bool
	fires time.Time
}

// add has s.tick called after the delay, in a goroutine of its own. s is not waiting.
func (f *flusher) add(s *responseSink, delay time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.due, s.waiting = time.Now().Add(delay), true
	before := f.last // it has the same delay as a rule
	for before != nil && before.due.After(s.due) {
		before = before.prev
	}
	if s.prev = before; before != nil {
		s.next, before.next = before.next, s
	} else {
		s.next, f.first = f.first, s
	}
	if s.next != nil {
		s.next.prev = s
	} else {
		f.last = s
	}
	if !f.armed || f.fires.After(s.due) {
		f.armLocked(s.due, delay)
	}
}

func (f *flusher) armLocked(at time.Time, delay time.Duration) {
	f.armed, f.fires = true, at
	if f.timer == nil {
		f.timer = time.AfterFunc(delay, f.fire)
	} else {
		f.timer.Reset(delay)
	}
}

// remove has s wait no more.
func (f *flusher) remove(s *responseSink) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removeLocked(s)
}

func (f *flusher) removeLocked(s *responseSink) {
	if !s.waiting {
		return
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		f.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		f.last = s.prev
	}
	s.next, s.prev, s.waiting = nil, nil, false
}

// fire sends what is due. If nothing waits any more the timer rests.
func (f *flusher) fire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = false
	now := time.Now()
	for s := f.first; s != nil && !now.Before(s.due); s = f.first {
		f.removeLocked(s)
		go s.tick() // it may have to wait for its client
	}
	if f.first != nil {
		f.armLocked(f.first.due, f.first.due.Sub(now))
	}
}
