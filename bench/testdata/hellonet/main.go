// Command hellonet is hello with net/http, to compare the sizes of both.
package main

import (
	"io"
	"net/http"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/nethttp"
)

func init() {
	nethttp.Handle(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if _, err := io.WriteString(w, "hello, world\n"); err != nil {
			panic(err)
		}
	}))
}

func main() {}
