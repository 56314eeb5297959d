package bulk

import (
	"errors"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
)

var errBad = errors.New("bad")

func init() {
	subscriber.Handle("/single", func(e *subscriber.Event) error {
		var n int
		if err := e.Decode(&n); err != nil {
			return subscriber.Drop(err)
		}
		return nil
	})
	Handle("/many", func(events []*Event) []error {
		out := make([]error, len(events))
		for i, e := range events {
			if e.ID == "bad" {
				out[i] = errBad
			}
		}
		return out
	})
	Handle("/all", func([]*Event) []error { return nil })
}

func TestDo(t *testing.T) {
	got := Do([]*Event{
		{ID: "a", Route: "/many"},
		{ID: "b", Route: "/single", Data: []byte("1")},
		{ID: "bad", Route: "/many"},
		{ID: "c", Route: "/single", Data: []byte("x")},
		{ID: "d", Route: "/all"},
		{ID: "e", Route: "/nowhere"},
	})
	for i, want := range []string{"", "", "bad", "drop", "", "drop"} {
		switch err := got[i]; want {
		case "":
			if err != nil {
				t.Errorf("event %d: got %v, want it acknowledged", i, err)
			}
		case "drop":
			if !subscriber.IsDrop(err) {
				t.Errorf("event %d: got %v, want it dropped", i, err)
			}
		default:
			if !errors.Is(err, errBad) || subscriber.IsDrop(err) {
				t.Errorf("event %d: got %v, want it delivered again", i, err)
			}
		}
	}
}
