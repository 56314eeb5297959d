// An app that answers with what it got.
package main

import (
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
)

func init() {
	http.Handle(func(r *http.Request) *http.Response {
		resp := http.Text(200, strings.Join([]string{r.Method, r.Path, r.Query, "seen=" + r.Header.Get("X-Seen"), "for=" + r.Header.Get("X-Forwarded-For"), string(r.Body)}, " "))
		resp.Header.Set("X-App", "app")
		return resp
	})
}

func main() {}
