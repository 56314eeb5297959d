// Command hello is the app behind the middleware: it greets whom the middleware let pass.
package main

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"

func init() {
	http.Route("GET /hello", func(r *http.Request) *http.Response {
		return http.Text(200, "hello, "+r.Header.Get("X-Client")+"\n")
	})
}

func main() {}
