package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/configuration"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/secret"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// setUp gives the app empty stores, a secret, and a folder, whose files it gives by name.
func setUp(t *testing.T) map[string]string {
	t.Helper()
	state.ResetFake()
	configuration.ResetFake()
	secret.ResetFake()
	secret.SetFake("", "receipts", map[string]string{"key": "k"})
	files := map[string]string{}
	binding.ResetFake()
	binding.SetFake("receipts", binding.Fake{
		"create": func(c binding.Call) (*binding.Reply, error) {
			files[c.Metadata["fileName"]] = string(c.Data)
			return nil, nil
		},
		"get": func(c binding.Call) (*binding.Reply, error) {
			name := c.Metadata["fileName"]
			if strings.Contains(name, "..") {
				return nil, fmt.Errorf("%w: %s", binding.ErrInvalidRequest, name)
			}
			text, ok := files[name]
			if !ok {
				return nil, fmt.Errorf("%w: %s", binding.ErrNotFound, name)
			}
			return &binding.Reply{Data: []byte(text)}, nil
		},
	})
	return files
}

func event(route, id, item string, qty int) *subscriber.Event {
	return &subscriber.Event{ID: "event of " + id, Route: route, Data: fmt.Appendf(nil, `{"id":%q,"item":%q,"qty":%d}`, id, item, qty)}
}

func TestReceipts(t *testing.T) {
	files := setUp(t)
	for _, e := range []*subscriber.Event{event("/single", "a", "book", 1), event("/bulk", "b", "book", 12)} {
		if err := subscriber.Do(e); err != nil {
			t.Fatal(err)
		}
	}
	signed := `{"order":"b","item":"book","qty":12,"kind":"bulk","greeting":"Thank you"}`
	mac := hmac.New(sha256.New, []byte("k"))
	mac.Write([]byte(signed))
	want := strings.TrimSuffix(signed, "}") + `,"signature":"` + hex.EncodeToString(mac.Sum(nil)) + `"}`
	if got := files["b.json"]; got != want {
		t.Errorf("file: got %s; want %s", got, want)
	}
	if got := http.Do(&http.Request{Path: "/receipts/b"}); string(got.Body) != want || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %v %s; want %s", got.Header, got.Body, want)
	}
	for path, want := range map[string]int{"/receipts/c": 404, "/receipts/..%2Fa": 400} {
		if got := http.Do(&http.Request{Path: path}); got.Status != want {
			t.Errorf("%s: got %d %s; want %d", path, got.Status, got.Body, want)
		}
	}
}

// TestGreeting changes the greeting between two receipts; an order that comes again keeps its receipt.
func TestGreeting(t *testing.T) {
	files := setUp(t)
	for _, greeting := range []string{"Hello", "Moin"} {
		configuration.SetFake("", "greeting", greeting)
		for _, id := range []string{"first", "of " + greeting} {
			if err := subscriber.Do(event("/single", id, "book", 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, want := range map[string]string{"first.json": "Hello", "of Hello.json": "Hello", "of Moin.json": "Moin"} {
		var got Receipt
		if err := json.Unmarshal([]byte(files[name]), &got); err != nil || got.Greeting != want {
			t.Errorf("%s: got %+v, %v; want greeting %s", name, got, err, want)
		}
	}
}

// TestTryAgain makes each service fail: the order has to come again, and no receipt may be written.
func TestTryAgain(t *testing.T) {
	down := errors.New("down")
	for name, fail := range map[string]func(){
		"binding":       func() { binding.FailFake(down) },
		"configuration": func() { configuration.FailFake(down) },
		"secret":        func() { secret.FailFake(down) },
		"empty key":     func() { secret.SetFake("", "receipts", map[string]string{"key": ""}) },
	} {
		files := setUp(t)
		fail()
		if err := subscriber.Do(event("/single", "a", "book", 1)); err == nil || subscriber.IsDrop(err) || len(files) != 0 {
			t.Errorf("%s: got error %v and files %v; want an error that is not a drop", name, err, files)
		}
	}
}

func TestPoison(t *testing.T) {
	setUp(t)
	if err := subscriber.Do(event("/single", "../x", "book", 1)); !subscriber.IsDrop(err) {
		t.Errorf("a name out of the folder: got %v; want it dropped", err)
	}
	bad := event("/single", "c", "poison", 1)
	if err := subscriber.Do(bad); !subscriber.IsDrop(err) {
		t.Errorf("got %v; want it dropped", err)
	}
	for range 2 { // the same dead letter twice counts once
		bad.Route = "/dead"
		if err := subscriber.Do(bad); err != nil {
			t.Fatal(err)
		}
	}
	if got := http.Do(&http.Request{Path: "/receipts/dead"}); string(got.Body) != `{"count":1}` {
		t.Errorf("got %s; want a count of 1", got.Body)
	}
}
