// Package http serves HTTP requests of the host's front door with light types: net/http adds megabytes to a guest
// (package nethttp has it for those who want it).
//
//	func init() {
//		http.Route("GET /orders/{id}", func(r *http.Request) *http.Response {
//			return http.JSON(200, find(r.Param("id")))
//		})
//	}
//
// Importing this package makes the app an HTTP app: it exports mrt:http/handler. Handlers are registered in init
// functions; main does not run. A guest works on one request at a time.
package http

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/message"
)

// Header is a list of header fields; names compare without case.
type Header = message.Header

// Field is one header field.
type Field = message.Field

// Response answers a request.
type Response = message.Response

// Request is a request with its whole body.
type Request struct {
	// Method is the verb in upper case.
	Method string
	// Scheme is "http" or "https"; Authority is host and port as the client named them.
	Scheme, Authority string
	// Path starts with "/" and is still percent-encoded; Query has no "?".
	Path, Query string
	// Remote is the peer's address.
	Remote string
	Header Header
	Body   []byte

	params map[string]string
}

// Param gives a {name} of the route's pattern, percent-decoded; "" if the pattern has none of this name.
func (r *Request) Param(name string) string { return r.params[name] }

// QueryValue gives the first value of a query parameter, or "".
func (r *Request) QueryValue(name string) string {
	values, err := url.ParseQuery(r.Query)
	if err != nil && values == nil {
		return ""
	}
	return values.Get(name)
}

// Decode reads the body as JSON into v.
func (r *Request) Decode(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return fmt.Errorf("request body is not the JSON of a %T: %w", v, err)
	}
	return nil
}

// Text is a plain-text response.
func Text(status int, text string) *Response { return message.Text(status, text) }

// JSON is a response with v as JSON.
func JSON(status int, v any) *Response { return message.JSON(status, v) }

// Error is a response {"error": text} as JSON.
func Error(status int, format string, args ...any) *Response {
	return message.Errorf(status, format, args...)
}

// Handler answers one request. A nil response is a 204; a panic is answered with 500 and costs the instance.
type Handler func(*Request) *Response

// handler is what the exported function calls: the routes, or what Handle put in their place.
var (
	routes  mux
	handler Handler = routes.serve
)

// Handle makes h answer every request of the app, in place of all routes.
func Handle(h Handler) { handler = h }

// Route makes h answer requests that match pattern: "[METHOD ]/path", where a {name} segment matches any one
// segment and a last {name...} segment the rest. The most specific pattern wins. An unknown path is answered with
// 404, a known one with another verb with 405; GET serves HEAD. It panics on a bad or doubled pattern.
func Route(pattern string, h Handler) { routes.add(pattern, h) }

// Do passes a request to the app's handler: what the host does, and tests of the app.
func Do(r *Request) *Response {
	if r.Method == "" {
		r.Method = "GET"
	}
	resp := handler(r)
	if resp == nil {
		resp = &Response{Status: 204}
	}
	if resp.Status == 0 {
		resp.Status = 200
	}
	return resp
}
