//go:build wasip1

package client

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	wit "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/http/client"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/http/types"
)

func backendSend(method string, u *url.URL, r Request) (*Response, error) {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	req := types.Request{
		Method: method, Scheme: u.Scheme, Authority: u.Host, Path: path, Query: u.RawQuery, Body: r.Body,
		Headers: make([]types.Header, len(r.Header)),
	}
	for i, f := range r.Header {
		req.Headers[i] = types.Header{Name: f.Name, Value: f.Value}
	}
	got, err := wit.Send(req, uint32((r.Timeout+time.Millisecond-1)/time.Millisecond))
	if err != nil {
		return nil, convert(err)
	}
	resp := &Response{Status: int(got.Status), Body: got.Body, Header: make(Header, len(got.Headers))}
	for i, h := range got.Headers {
		resp.Header[i] = Field{Name: h.Name, Value: h.Value}
	}
	return resp, nil
}

func convert(err error) error {
	e, ok := errors.AsType[*wit.Error](err)
	if !ok {
		return err
	}
	switch e.Tag {
	case wit.ErrorDenied:
		return fmt.Errorf("%w: %s", ErrDenied, e.Denied)
	case wit.ErrorInvalidRequest:
		return fmt.Errorf("%w: %s", ErrInvalidRequest, e.InvalidRequest)
	case wit.ErrorTimeout:
		return fmt.Errorf("%w after %d ms", ErrTimeout, e.Timeout)
	case wit.ErrorTooLarge:
		return fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, e.TooLarge)
	default:
		return fmt.Errorf("%w: %s", ErrConnection, e.Connection)
	}
}
