// Command talker asks for what is not there, and gives what it is told, by path.
package main

import (
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/client"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/log"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func init() {
	report := func(path string, try func(*http.Request) error) {
		http.Route(path, func(r *http.Request) *http.Response { return http.Text(200, fmt.Sprint(try(r))) })
	}
	report("/talker/app", func(*http.Request) error { _, err := invoke.Call("nobody", invoke.Request{}); return err })
	report("/talker/store", func(*http.Request) error { _, err := state.Open("nowhere").Get("k"); return err })
	report("/talker/key", func(*http.Request) error { _, err := state.Default.Get("a||b"); return err })
	report("/talker/missing", func(*http.Request) error { _, err := state.Default.Get("missing"); return err })
	report("/talker/pubsub", func(*http.Request) error { return pubsub.Publish("nowhere", "t", "", nil) })
	report("/talker/topic", func(*http.Request) error { return pubsub.Publish("", "", "", nil) })
	report("/talker/host", func(*http.Request) error { _, err := client.Get("http://127.0.0.1:1/"); return err })
	report("/talker/log", func(*http.Request) error { log.Info("a line", "key", "value"); return nil })
	report("/talker/state", func(*http.Request) error {
		etagged := state.Open("statestore")
		if err := etagged.Set("k", []byte("v"), state.WithMetadata("a", "b")); err != nil {
			return err
		}
		e, err := etagged.Get("k")
		if err != nil {
			return err
		}
		return fmt.Errorf("%s, stale etag: %w", e.Value, etagged.Set("k", nil, state.IfMatch(e.ETag+"9")))
	})
	// Two apps that call each other without end.
	http.Route("/talker/again", func(r *http.Request) *http.Response {
		resp, err := invoke.Call("talker", invoke.Request{Verb: "GET", Path: "talker/again"})
		if err != nil {
			return http.Text(508, err.Error())
		}
		return resp
	})
}

func main() {}
