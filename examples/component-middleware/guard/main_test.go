package main

import (
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	g := &guard{}
	if err := g.start(map[string]string{"header": "X-Key", "clients": "k1=ada, k2=bob", "rate": "2", "burst": "3"}); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	for i := range 3 {
		if wait := g.take("ada", now); wait != 0 {
			t.Errorf("request %d: got a wait of %s, want none", i, wait)
		}
	}
	if wait := g.take("ada", now); wait != 500*time.Millisecond {
		t.Errorf("over the burst: got a wait of %s, want 500ms", wait)
	}
	if wait := g.take("bob", now); wait != 0 {
		t.Errorf("another client: got a wait of %s, want none", wait)
	}
	if wait := g.take("ada", now.Add(500*time.Millisecond)); wait != 0 {
		t.Errorf("after the wait: got a wait of %s, want none", wait)
	}
	if wait := g.take("ada", now.Add(time.Hour)); wait != 0 || g.buckets["ada"].tokens != 2 {
		t.Errorf("after an hour: got %s and %v tokens left, want none and 2", wait, g.buckets["ada"].tokens)
	}
}

func TestStart(t *testing.T) {
	for _, wrong := range []map[string]string{
		{"clients": "k=a", "rate": "1", "burst": "1"},
		{"header": "X", "clients": "", "rate": "1", "burst": "1"},
		{"header": "X", "clients": "=a", "rate": "1", "burst": "1"},
		{"header": "X", "clients": "k=a", "rate": "NaN", "burst": "1"},
		{"header": "X", "clients": "k=a", "rate": "1", "burst": "0.5"},
	} {
		if err := new(guard).start(wrong); err == nil {
			t.Errorf("%v: got no error", wrong)
		}
	}
}
