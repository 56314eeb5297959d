//go:build !wasip1

package middleware

import (
	"errors"
	"testing"
)

func TestDo(t *testing.T) {
	if _, err := Do(&Request{}); err == nil {
		t.Error("without a handler: got no error; the request must not go on")
	}
	if err := Start(nil); err != nil {
		t.Errorf("without Init: %v", err)
	}
	Init(func(metadata map[string]string) error { return errors.New(metadata["a"]) })
	if err := Start(map[string]string{"a": "b"}); err == nil || err.Error() != "b" {
		t.Errorf("got %v, want b", err)
	}
	Handle(func(r *Request) (*Response, error) {
		r.Header.Set("X-Seen", r.Method)
		if r.Path == "/no" {
			return &Response{}, nil
		}
		return nil, nil //nolint:nilnil // the request goes on
	})
	r := &Request{Path: "/yes"}
	if resp, err := Do(r); resp != nil || err != nil || r.Header.Get("x-seen") != "GET" {
		t.Errorf("got %v, %v and %v", resp, err, r.Header)
	}
	if resp, err := Do(&Request{Path: "/no"}); err != nil || resp == nil || resp.Status != 200 {
		t.Errorf("got %+v, %v, want 200", resp, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a second handler: got no panic")
		}
	}()
	Handle(nil)
}
