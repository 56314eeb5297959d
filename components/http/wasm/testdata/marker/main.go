// A middleware that leaves its mark on all that passes, and does what the path says.
package main

import (
	"errors"
	"os"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/middleware"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/middleware/response"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/plugin"
)

var name string

func init() {
	plugin.Stateless()
	middleware.Init(func(metadata map[string]string) error {
		if name = metadata["mark"]; name == "" {
			return errors.New("metadata field mark: want a name")
		}
		return nil
	})
	middleware.Handle(request)
	response.Handle(answer)
}

func main() {}

func request(r *middleware.Request) (*middleware.Response, error) {
	what := "pass"
	if who, do, ok := strings.Cut(r.Header.Get("X-Do"), ":"); ok && who == name {
		what = do
	}
	switch what {
	case "refuse":
		resp := middleware.Text(418, "refused by "+name)
		resp.Header.Set("X-Refused", name)
		return resp, nil
	case "fail":
		return nil, errors.New(name + " cannot say")
	case "trap":
		panic(name + " traps")
	case "exit":
		os.Exit(3)
	case "grow":
		r.Body = make([]byte, 5<<20)
	case "dots":
		r.Path = "/app/../secret"
	case "field":
		r.Header.Add("X-Bad", "a\r\nX-Smuggled: 1")
	case "status":
		return &middleware.Response{Status: 99}, nil
	case "rewrite":
		r.Path, r.Query, r.Method, r.Body = "/app/a%2Fb", "x=%20", "PUT", []byte("other")
	}
	r.Header.Set("X-Seen", strings.TrimPrefix(r.Header.Get("X-Seen")+" "+name, " "))
	return nil, nil
}

func answer(r *middleware.Request, resp *middleware.Response) error {
	switch r.Header.Get("X-Answer") {
	case name + ":fail":
		return errors.New(name + " cannot look at it")
	case name + ":trap":
		panic(name + " traps")
	}
	resp.Header.Add("X-Passed", name)
	resp.Body = append(resp.Body, (" <" + name)...)
	return nil
}
