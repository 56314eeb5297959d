package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// MaxBody is how long a request's body may be by default, in bytes: 4 MiB as in Dapr.
const MaxBody = 4 << 20

// ReadBody reads a request's whole body. A body longer than limit gives 413, one that cannot be read 400, both as
// *block.APIError. w may be nil; with it the connection of a body that is too long is closed, and the server's limit
// on reading time ends: it is for the client, not for what the request takes to be answered.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if w != nil {
		// net/http takes a read deadline that passes later for a client that went away. Recorders of tests have none.
		defer func() { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) }()
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil, nil
	}
	body, err := ReadAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, &block.APIError{
			Status: http.StatusBadRequest, Code: "ERR_MALFORMED_REQUEST",
			Message: fmt.Sprintf("the request's body could not be read to its end: %v", err),
		}
	}
	return body, nil
}

func tooLarge(limit int64) error {
	return &block.APIError{
		Status: http.StatusRequestEntityTooLarge, Code: "ERR_REQUEST_TOO_LARGE",
		Message: fmt.Sprintf("the request's body is longer than the limit of %d bytes", limit),
	}
}

// ReadAll reads r to its end; expect is how long HTTP says it is, or -1.
func ReadAll(r io.Reader, expect int64) ([]byte, error) {
	if expect <= 0 || expect > 64<<20 {
		return io.ReadAll(r)
	}
	body := make([]byte, expect)
	n, err := io.ReadFull(r, body)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return body[:n], io.ErrUnexpectedEOF
	}
	return body[:n], err
}

// RetryAfter sets the field in whole seconds, at least one.
func RetryAfter(h http.Header, d time.Duration) {
	h.Set("Retry-After", strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10))
}
