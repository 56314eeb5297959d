package cabi

import "testing"

// panics tells whether f panics.
func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

func TestHandle(t *testing.T) {
	h := HandleOf(7)
	if h.Index() != 7 || h.Give() != 7 {
		t.Error("want the handle 7, got another")
	}
	if !panics(func() { h.Index() }) || !panics(func() { h.Give() }) {
		t.Error("want a panic for a handle that was given away, got none")
	}
	if got := h.Drop(); got != 0 {
		t.Errorf("want nothing to drop, got %d", got)
	}
	h = HandleOf(8)
	if first, second := h.Drop(), h.Drop(); first != 8 || second != 0 {
		t.Errorf("want 8 and then nothing, got %d and %d", first, second)
	}
}

// counted counts its drops.
type counted struct{ drops *int }

func (c counted) Drop() { *c.drops++ }

func TestTable(t *testing.T) {
	var table Table[counted]
	drops := 0
	a, b := table.Add(counted{&drops}), table.Add(counted{&drops})
	if a == 0 || b == 0 || a == b {
		t.Fatalf("want two representations that are not 0, got %d and %d", a, b)
	}
	if table.Get(a).drops != &drops {
		t.Error("want the value, got another")
	}
	if table.Destroy(a); drops != 1 {
		t.Errorf("want one drop, got %d", drops)
	}
	if c := table.Add(counted{&drops}); c != a {
		t.Errorf("want the representation %d again, got %d", a, c)
	}
	table.Take(b)
	if !panics(func() { table.Get(b) }) || !panics(func() { table.Take(b) }) {
		t.Error("want a panic for a value that was taken, got none")
	}
	if table.Destroy(b); drops != 1 {
		t.Errorf("want no drop of what was taken, got %d", drops-1)
	}
	if c := table.Add(counted{&drops}); c != b {
		t.Errorf("want the representation %d again, got %d", b, c)
	}
}
