package canon

import (
	"slices"
	"testing"
)

// TestSavedIsWritten writes tables down and reads them again.
func TestSavedIsWritten(t *testing.T) {
	host, hostLog := logged("wasi:io/streams@0.2/output-stream", true)
	list := []SharedObject{{host, &shared{"stdout"}}, {host, &shared{"stderr"}}, {host, &shared{"unused"}}}
	objects, err := NewObjects(list)
	if err != nil {
		t.Fatal(err)
	}
	var h Handles
	for _, n := range []int{0, 1, 0, 1, 1, 0, 0} {
		h.Add(host, Rep{Obj: list[n].Object})
	}
	for _, i := range []uint32{2, 7, 3} {
		h.Take(host, i)
	}
	saved, _ := h.Save()
	written, held := saved.Append([]byte("before"), objects)
	if held != nil {
		t.Fatal(held)
	}
	read, rest, err := ReadSaved(append(written, "after"...)[len("before"):], objects, 7)
	if err != nil || string(rest) != "after" || !read.Equal(saved) {
		t.Fatalf("got %+v, %q, %v; want %+v", read, rest, err, saved)
	}
	var other Handles
	other.Add(host, num(9))
	other.Restore(t.Context(), read)
	if want := []Rep{num(9)}; !slices.Equal(*hostLog, want) {
		t.Errorf("got %v dropped, want %v", *hostLog, want)
	}
	for _, table := range []*Handles{&h, &other} {
		if got := table.Get(host, 4).Obj; got != list[1].Object || table.Len() != 4 {
			t.Errorf("got %v in a table of %d, want stderr in one of 4", got, table.Len())
		}
		for _, want := range []uint32{3, 7, 2, 8} {
			if got := table.Add(host, num(1)); got != want {
				t.Errorf("got the next handle %d, want %d", got, want)
			}
		}
	}
	for n := range len(written) - len("before") {
		if s, _, err := ReadSaved(written[len("before"):len(written)-1-n], objects, 7); err == nil {
			t.Errorf("cut off by %d: got %+v, want an error", n+1, s)
		}
	}
	if _, _, err := ReadSaved(written[len("before"):], objects, 6); err == nil {
		t.Error("got more entries than there may be, want an error")
	}
}

func TestSavedEmpty(t *testing.T) {
	var h Handles
	saved, held := h.Save()
	written, missing := saved.Append(nil, nil)
	read, rest, err := ReadSaved(written, nil, 0)
	if saved != nil || held != nil || missing != nil || read != nil || len(rest) != 0 || err != nil {
		t.Errorf("got %v, %v, %v, %v, %v, %v", saved, held, missing, read, rest, err)
	}
}

func TestSavedEqual(t *testing.T) {
	res := &Resource{Name: "r", Host: true}
	table := func(names ...string) *Saved {
		var h Handles
		for _, n := range names {
			h.Add(&Resource{Name: "r", Host: true}, Rep{Obj: &shared{n}})
		}
		h.Take(res, 1)
		s, _ := h.Save()
		return s
	}
	a := table("x", "a", "b")
	for want, others := range map[bool][]*Saved{true: {a, table("y", "a", "b")}, false: {nil, table("x", "a"), table("x", "a", "c")}} {
		for _, o := range others {
			if a.Equal(o) != want || o.Equal(a) != want {
				t.Errorf("%+v and %+v: want equal %t", a, o, want)
			}
		}
	}
}

// TestResetGivesMemoryBack: a table that was large once does not stay so.
func TestResetGivesMemoryBack(t *testing.T) {
	res, log := logged("r", true)
	for n, keeps := range map[int]bool{spareHandles / 2: true, 50 * spareHandles: false} {
		var h Handles
		*log = nil
		for range n {
			h.Add(res, num(1))
		}
		h.Reset(t.Context())
		if len(*log) != n || h.Len() != 0 || cap(h.entries) > 0 != keeps {
			t.Errorf("%d handles: got %d dropped, room for %d", n, len(*log), cap(h.entries))
		}
		if got := h.Add(res, num(1)); got != 1 {
			t.Errorf("got handle %d, want 1", got)
		}
	}
}
