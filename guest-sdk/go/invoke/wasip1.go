//go:build wasip1

package invoke

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/invoke/client"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/invoke/types"
)

func backendCall(app string, r Request) (*Response, error) {
	req := types.Request{Verb: r.Verb, Path: r.Path, Query: r.Query, Body: r.Body, Headers: make([]types.Header, len(r.Header))}
	for i, f := range r.Header {
		req.Headers[i] = types.Header{Name: f.Name, Value: f.Value}
	}
	got, err := client.Invoke(app, req)
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
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	switch e.Tag {
	case types.ErrorAppNotFound:
		return fmt.Errorf("%w: %s", ErrAppNotFound, e.AppNotFound)
	case types.ErrorNotInvocable:
		return fmt.Errorf("%w: %s", ErrNotInvocable, e.NotInvocable)
	case types.ErrorDenied:
		return fmt.Errorf("%w: %s", ErrDenied, e.Denied)
	case types.ErrorOverloaded:
		return fmt.Errorf("%w: try again in %d ms", ErrOverloaded, e.Overloaded)
	case types.ErrorTimeout:
		return fmt.Errorf("%w after %d ms", ErrTimeout, e.Timeout)
	default:
		return fmt.Errorf("%w: %s", ErrFailed, e.Failed)
	}
}
