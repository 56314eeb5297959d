// Package middleware makes an HTTP middleware of a wasm module, for a component of type middleware.http.wasm, which stands
// in front of the apps or of the API:
//
//	func init() {
//		middleware.Handle(func(r *middleware.Request) (*middleware.Response, error) {
//			if r.Header.Get("X-Key") == "" {
//				return middleware.Error(401, "send the header X-Key"), nil
//			}
//			r.Header.Set("X-Checked", "yes")
//			return nil, nil // the request goes on, as it is now
//		})
//	}
//
// Package middleware/response adds looking at answers. Calls come one after the other (but see package plugin), so what
// stands in memory counts for all requests.
//
// Importing this package makes the module a middleware: it exports mrt:http/middleware. main does not run.
package middleware

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/message"
)

// Header is a list of header fields; names compare without case.
type Header = message.Header

// Field is one header field.
type Field = message.Field

// Response is an answer.
type Response = message.Response

// Request is a request with its whole body.
type Request struct {
	// Method is the verb in upper case.
	Method string
	// Scheme is "http" or "https"; Authority is host and port as the client named them.
	Scheme, Authority string
	// Path starts with "/" and is still percent-encoded; Query has no "?".
	Path, Query string
	// Remote is the peer's address, host:port.
	Remote string
	Header Header
	Body   []byte
}

// Text is a plain-text answer.
func Text(status int, text string) *Response { return message.Text(status, text) }

// JSON is an answer with v as JSON.
func JSON(status int, v any) *Response { return message.JSON(status, v) }

// Error is an answer {"error": text} as JSON.
func Error(status int, format string, args ...any) *Response {
	return message.Errorf(status, format, args...)
}

// Handler looks at one request. With a nil response the request goes on, with what the handler changed of it; a response
// ends it. After an error, and a panic, the client gets 500 and the log the text; a panic costs the module its memory.
type Handler func(*Request) (*Response, error)

var (
	handler Handler
	start   func(metadata map[string]string) error
)

// Handle makes h look at every request. Call it in an init function. It panics when there is a handler already.
func Handle(h Handler) {
	if handler != nil {
		panic("middleware.Handle: the module has a handler already")
	}
	handler = h
}

// Init makes f get the component's metadata, before anything else. An error ends the start of the component. Call it in an
// init function.
func Init(f func(metadata map[string]string) error) { start = f }

// Start passes metadata to what Init was given: what the host does, and tests of the component.
func Start(metadata map[string]string) error {
	if start == nil {
		return nil
	}
	return start(metadata)
}

// Do passes a request to the handler: what the host does, and tests of the component. A nil response means that r goes on.
func Do(r *Request) (*Response, error) {
	if handler == nil {
		return nil, errors.New("the middleware has no handler: call middleware.Handle in an init function")
	}
	if r.Method == "" {
		r.Method = "GET"
	}
	resp, err := handler(r)
	if err == nil && resp != nil && resp.Status == 0 {
		resp.Status = 200
	}
	return resp, err
}
