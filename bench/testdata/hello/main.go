// Command hello answers every request with the same bytes, with the SDK's light HTTP types.
package main

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"

func init() {
	http.Handle(func(*http.Request) *http.Response { return http.Text(200, "hello, world\n") })
}

func main() {}
