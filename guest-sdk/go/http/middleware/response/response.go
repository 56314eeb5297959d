// Package response adds looking at answers to a middleware: see package middleware. Importing it makes the module export
// mrt:http/response-middleware.
package response

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/middleware"
)

// Handler looks at the answer to one request, and changes it. The request is as the middleware let it go on, without its
// body. After an error, and a panic, the client gets 500 and nothing of the answer.
type Handler func(*middleware.Request, *middleware.Response) error

var handler Handler

// Handle makes h look at every answer. Call it in an init function. It panics when there is a handler already.
func Handle(h Handler) {
	if handler != nil {
		panic("response.Handle: the module has a handler already")
	}
	handler = h
}

// Do passes an answer to the handler: what the host does, and tests of the component.
func Do(req *middleware.Request, resp *middleware.Response) error {
	if handler == nil {
		return errors.New("the middleware has no handler of answers: call response.Handle in an init function")
	}
	return handler(req, resp)
}
