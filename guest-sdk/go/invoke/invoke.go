// Package invoke calls other apps by name. Package service, below this one, is the side that is called.
//
//	stock, err := invoke.JSON[Stock]("inventory", "reserve", Order{Item: "book", Qty: 2})
package invoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/message"
)

// Header is a list of header fields; names compare without case.
type Header = message.Header

// Field is one header field.
type Field = message.Field

// Response is the service's answer; a status of 400 and above is an answer too.
type Response = message.Response

// Request is a call.
type Request struct {
	// Verb is the HTTP verb; POST if empty.
	Verb string
	// Path is the service's method without a leading slash; Query has no "?".
	Path, Query string
	Header      Header
	Body        []byte
}

// The errors of this package; test with errors.Is. The text says what to do.
var (
	// ErrAppNotFound: no app of this name is known.
	ErrAppNotFound = errors.New("app not found")
	// ErrNotInvocable: the app takes no calls.
	ErrNotInvocable = errors.New("app takes no calls")
	// ErrDenied: the caller may not call this method.
	ErrDenied = errors.New("denied")
	// ErrOverloaded: the app's queue is full; try again later.
	ErrOverloaded = errors.New("app is overloaded")
	// ErrTimeout: no answer within the time limit.
	ErrTimeout = errors.New("timeout")
	// ErrFailed: the app broke down while it handled the call.
	ErrFailed = errors.New("app failed")
)

// StatusError is a JSON call's answer with a status of 400 or above.
type StatusError struct {
	App, Path string
	Response  *Response
}

// Error gives status and body.
func (e *StatusError) Error() string {
	return fmt.Sprintf("invoke %s %s: status %d: %s", e.App, e.Path, e.Response.Status, e.Response.Body)
}

// Call calls an app and waits for its answer.
func Call(app string, req Request) (*Response, error) {
	if req.Verb == "" {
		req.Verb = "POST"
	}
	req.Path = strings.TrimPrefix(req.Path, "/")
	resp, err := backendCall(app, req)
	if err != nil {
		return nil, fmt.Errorf("invoke %s %s: %w", app, req.Path, err)
	}
	return resp, nil
}

// JSON posts body as JSON and reads the answer as JSON. A status of 400 or above is a *StatusError; an empty
// answer is the zero T.
func JSON[T any](app, path string, body any) (T, error) {
	var out T
	text, err := json.Marshal(body)
	if err != nil {
		return out, fmt.Errorf("invoke %s %s: %w", app, path, err)
	}
	resp, err := Call(app, Request{Path: path, Header: Header{{Name: "Content-Type", Value: "application/json"}}, Body: text})
	if err != nil {
		return out, err
	}
	if resp.Status >= 400 {
		return out, &StatusError{App: app, Path: path, Response: resp}
	}
	if len(resp.Body) == 0 {
		return out, nil
	}
	if err := resp.Decode(&out); err != nil {
		return out, fmt.Errorf("invoke %s %s: %w", app, path, err)
	}
	return out, nil
}
