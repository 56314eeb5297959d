package trigger

import (
	"errors"
	"strings"
	"testing"
)

var errBad = errors.New("bad")

func init() {
	Handle("/reports", func(e *Event) ([]byte, error) { return []byte("route " + e.Binding), nil })
	Handle("tick", func(e *Event) ([]byte, error) {
		var n int
		if err := e.Decode(&n); err != nil {
			return nil, err
		}
		return nil, errBad
	})
}

func TestDo(t *testing.T) {
	for _, test := range []struct {
		event  Event
		answer string
		err    string
	}{
		{Event{Binding: "any", Route: "/reports"}, "route any", ""},
		{Event{Binding: "tick", Route: "/reports"}, "route tick", ""},
		{Event{Binding: "tick", Route: "/tick", Data: []byte("1")}, "", "bad"},
		{Event{Binding: "tick", Route: "/tick", Data: []byte("x")}, "", "data of an event of tick is not the JSON of a *int"},
		{Event{Binding: "other", Route: "/other"}, "", `no handler for binding "other", route "/other"`},
	} {
		answer, err := Do(&test.event)
		if string(answer) != test.answer || test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%+v: got %q, %v; want %q, %q", test.event, answer, err, test.answer, test.err)
		}
	}
	t.Cleanup(func() { fallback = nil })
	HandleAll(func(e *Event) ([]byte, error) { return []byte("all " + e.Binding), nil })
	if answer, err := Do(&Event{Binding: "other", Route: "/other"}); err != nil || string(answer) != "all other" {
		t.Errorf("got %q, %v", answer, err)
	}
}

func TestHandleTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second handler was taken")
		}
	}()
	Handle("tick", func(*Event) ([]byte, error) { return nil, nil })
}
