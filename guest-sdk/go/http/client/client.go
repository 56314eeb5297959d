// Package client sends HTTP requests to the hosts that the app's manifest allows (spec.allow.hosts).
//
//	resp, err := client.Get("https://api.example.com/rates")
package client

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/message"
)

// Header is a list of header fields; names compare without case.
type Header = message.Header

// Field is one header field.
type Field = message.Field

// Response is the whole response.
type Response = message.Response

// Request is a request with its whole body.
type Request struct {
	// Method is the verb; GET if empty.
	Method string
	// URL is absolute, http or https.
	URL    string
	Header Header
	Body   []byte
	// Timeout bounds the whole exchange; 0 means the host's default, 30 s.
	Timeout time.Duration
}

// The errors of this package; test with errors.Is. The text says what to do.
var (
	// ErrDenied: the manifest does not allow this host.
	ErrDenied = errors.New("denied")
	// ErrInvalidRequest: bad URL, verb or header.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrTimeout: no response in time.
	ErrTimeout = errors.New("timeout")
	// ErrTooLarge: the response is longer than the host allows.
	ErrTooLarge = errors.New("response is too large")
	// ErrConnection: the host cannot be reached or broke the connection.
	ErrConnection = errors.New("connection failed")
)

// Get sends a GET request.
func Get(rawURL string) (*Response, error) { return Send(Request{URL: rawURL}) }

// Post sends a POST request.
func Post(rawURL, contentType string, body []byte) (*Response, error) {
	return Send(Request{Method: "POST", URL: rawURL, Header: Header{{Name: "Content-Type", Value: contentType}}, Body: body})
}

// Send sends a request and reads the whole response. A status of 400 and above is a response too.
func Send(r Request) (*Response, error) {
	if r.Method == "" {
		r.Method = "GET"
	}
	u, err := url.Parse(r.URL)
	if err == nil && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		err = errors.New("want an absolute http or https URL")
	}
	if err != nil {
		return nil, fmt.Errorf("http client: %s %q: %w: %w", r.Method, r.URL, ErrInvalidRequest, err)
	}
	resp, err := backendSend(strings.ToUpper(r.Method), u, r)
	if err != nil {
		return nil, fmt.Errorf("http client: %s %s: %w", r.Method, u.Redacted(), err)
	}
	return resp, nil
}
