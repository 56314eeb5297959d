// Package service answers calls from other apps and from the invoke API.
//
//	func init() {
//		service.JSON("reserve", func(o Order) (Reservation, error) { … })
//	}
//
// Importing this package makes the app a service: it exports mrt:invoke/service. Handlers are registered in init
// functions; main does not run.
package service

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/message"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke"
)

// Request is a call.
type Request = invoke.Request

// Response answers a call.
type Response = invoke.Response

// Handler answers one call; caller is the calling app's name, empty for a call from outside. A nil response is a 204.
type Handler func(caller string, r *Request) *Response

var (
	methods  = map[string]Handler{}
	fallback Handler
)

// Handle makes h answer calls of the method path, for example "reserve" or "orders/list". It panics on a path that
// is handled already.
func Handle(path string, h Handler) {
	path = strings.Trim(path, "/")
	if methods[path] != nil {
		panic("service.Handle: " + path + " is handled already")
	}
	methods[path] = h
}

// HandleAll makes h answer the calls of every path that has no handler of its own.
func HandleAll(h Handler) { fallback = h }

// Error is an error with a status, for JSON handlers. Other errors are answered with 500.
type Error struct {
	Status  int
	Message string
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// JSON makes fn answer calls of the method path with JSON on both sides. An error is answered as
// {"error": text}, with 500 or the status of an *Error; a body that is not the JSON of a Req with 400.
func JSON[Req, Res any](path string, fn func(Req) (Res, error)) {
	Handle(path, func(_ string, r *Request) *Response {
		var req Req
		if len(r.Body) > 0 {
			if err := json.Unmarshal(r.Body, &req); err != nil {
				return message.Errorf(400, "body of %s: %v", path, err)
			}
		}
		res, err := fn(req)
		if err != nil {
			status := 500
			if e, ok := errors.AsType[*Error](err); ok {
				status = e.Status
			}
			return message.Errorf(status, "%s", err.Error())
		}
		return message.JSON(200, res)
	})
}

// Do passes a call to the app's handlers: what the host does, and tests of the app.
func Do(caller string, r *Request) *Response {
	path, _, _ := strings.Cut(strings.Trim(r.Path, "/"), "?")
	h := methods[path]
	if h == nil {
		h = fallback
	}
	if h == nil {
		return message.Errorf(404, "no method %q", path)
	}
	resp := h(caller, r)
	if resp == nil {
		resp = &Response{Status: 204}
	}
	if resp.Status == 0 {
		resp.Status = 200
	}
	return resp
}
