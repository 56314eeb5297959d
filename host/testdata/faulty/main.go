// Command faulty breaks down in every way that a guest can, by path.
package main

import (
	"os"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
)

var kept [][]byte

func init() {
	http.Route("/faulty/ok", func(*http.Request) *http.Response { return http.Text(200, "fine") })
	http.Route("/faulty/panic", func(*http.Request) *http.Response { panic("on purpose") })
	http.Route("/faulty/exit", func(*http.Request) *http.Response { os.Exit(3); return nil })
	http.Route("/faulty/loop", func(*http.Request) *http.Response {
		for n := 0; ; n++ {
			kept = kept[:0]
		}
	})
	http.Route("/faulty/alloc", func(*http.Request) *http.Response {
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	})
	http.Route("/faulty/sleep", func(*http.Request) *http.Response {
		time.Sleep(300 * time.Millisecond)
		return http.Text(200, "rested")
	})
	http.Route("/faulty/echo", func(r *http.Request) *http.Response { return &http.Response{Status: 200, Body: r.Body} })
	http.Route("/faulty/status", func(*http.Request) *http.Response { return &http.Response{Status: 7} })
}

func main() {}
