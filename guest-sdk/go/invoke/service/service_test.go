//go:build !wasip1

package service

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke"
)

type stock struct {
	Item string `json:"item"`
	Left int    `json:"left"`
}

func init() {
	JSON("take", func(s stock) (stock, error) {
		switch s.Item {
		case "gone":
			return s, &Error{Status: 409, Message: "none left"}
		case "broken":
			return s, errors.New("shelf fell down")
		}
		s.Left--
		return s, nil
	})
	Handle("/nothing/", func(string, *Request) *Response { return nil })
	Handle("who", func(caller string, _ *Request) *Response { return &Response{Body: []byte(caller)} })
}

// TestBothSides calls the service through the client's fake, so that both sides agree.
func TestBothSides(t *testing.T) {
	invoke.FakeApp("shop", func(r invoke.Request) (*invoke.Response, error) { return Do("tester", &r), nil })
	defer invoke.FakeApp("shop", nil)
	got, err := invoke.JSON[stock]("shop", "/take", stock{"book", 3})
	if err != nil || got != (stock{"book", 2}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for item, want := range map[string]string{
		"gone":   `invoke shop take: status 409: {"error":"none left"}`,
		"broken": `invoke shop take: status 500: {"error":"shelf fell down"}`,
	} {
		if _, err := invoke.JSON[stock]("shop", "take", stock{Item: item}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", item, err, want)
		}
	}
	if _, err := invoke.JSON[stock]("nobody", "take", nil); !errors.Is(err, invoke.ErrAppNotFound) {
		t.Errorf("unknown app: got %v", err)
	}
}

func TestDo(t *testing.T) {
	tests := []struct{ path, body, want string }{
		{"nothing", "", "204 "},
		{"who", "", "200 me"},
		{"take", "no json", `400 {"error":"body of take: invalid character 'o' in literal null (expecting 'u')"}`},
		{"missing", "", `404 {"error":"no method \"missing\""}`},
	}
	for _, tt := range tests {
		resp := Do("me", &Request{Path: tt.path, Body: []byte(tt.body)})
		if got := fmt.Sprintf("%d %s", resp.Status, resp.Body); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.path, got, tt.want)
		}
	}
}
