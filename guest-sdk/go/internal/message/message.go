// Package message has the HTTP-like messages that several packages of the SDK share under their own names. It
// keeps clear of net/http, which adds megabytes to a guest.
package message

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Field is one header field.
type Field struct{ Name, Value string }

// Header is a list of fields; names compare without case.
type Header []Field

// Get gives the first value of a name, or "".
func (h Header) Get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Values gives all values of a name.
func (h Header) Values(name string) []string {
	var out []string
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			out = append(out, f.Value)
		}
	}
	return out
}

// Add adds a field.
func (h *Header) Add(name, value string) { *h = append(*h, Field{name, value}) }

// Set replaces all fields of a name by one.
func (h *Header) Set(name, value string) {
	kept := (*h)[:0:0]
	for _, f := range *h {
		if !strings.EqualFold(f.Name, name) {
			kept = append(kept, f)
		}
	}
	*h = append(kept, Field{name, value})
}

// Response answers a request.
type Response struct {
	// Status is 100 to 599.
	Status int
	Header Header
	Body   []byte
}

// Decode reads the body as JSON into v.
func (r *Response) Decode(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return fmt.Errorf("response body is not the JSON of a %T: %w", v, err)
	}
	return nil
}

// Text is a plain-text response.
func Text(status int, text string) *Response {
	return &Response{Status: status, Header: Header{{"Content-Type", "text/plain; charset=utf-8"}}, Body: []byte(text)}
}

// JSON is a response with v as JSON; if v cannot be written as JSON, a 500 that says so.
func JSON(status int, v any) *Response {
	body, err := json.Marshal(v)
	if err != nil {
		return Text(500, fmt.Sprintf("the response cannot be written as JSON: %v", err))
	}
	return &Response{Status: status, Header: Header{{"Content-Type", "application/json"}}, Body: body}
}

// Errorf is a response {"error": text} as JSON.
func Errorf(status int, format string, args ...any) *Response {
	return JSON(status, map[string]string{"error": fmt.Sprintf(format, args...)})
}
