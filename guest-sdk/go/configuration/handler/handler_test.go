//go:build !wasip1

package handler

import (
	"errors"
	"testing"
)

func TestDo(t *testing.T) {
	handlers = nil
	change := &Change{Store: "s", ID: "i", Items: []Item{{Key: "a", Value: "1"}, {Key: "b", Deleted: true}}}
	if err := Do(change); !errors.Is(err, errNone) {
		t.Errorf("without a handler: got error %v", err)
	}
	wrong, calls := errors.New("wrong"), 0
	Handle(func(*Change) error { calls++; return wrong })
	Handle(func(c *Change) error {
		calls++
		if item, ok := c.Get("b"); !ok || !item.Deleted {
			t.Errorf("b: got %v, %t", item, ok)
		}
		if _, ok := c.Get("c"); ok {
			t.Error("c is in a change that does not have it")
		}
		return nil
	})
	if err := Do(change); !errors.Is(err, wrong) || calls != 2 {
		t.Errorf("got error %v after %d calls, want the first handler's and two calls", err, calls)
	}
}
