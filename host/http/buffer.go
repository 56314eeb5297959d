package http

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// buffer takes an answer that middleware is to look at.
type buffer struct {
	header http.Header
	sent   http.Header // as it was at WriteHeader
	status int
	body   bytes.Buffer
	limit  int
	over   bool
}

var _ http.ResponseWriter = (*buffer)(nil)

// errTooLong is told to whoever writes more than the limit.
var errTooLong = errors.New("the answer is too long for the middleware")

// Header collects fields.
func (b *buffer) Header() http.Header { return b.header }

// WriteHeader notes the status; the first one counts, interim ones do not.
func (b *buffer) WriteHeader(status int) {
	if b.status == 0 && status >= 200 {
		b.status, b.sent = status, b.header.Clone()
	}
}

// Write collects the body.
func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	if b.over || b.body.Len()+len(p) > b.limit {
		b.over = true
		return 0, errTooLong
	}
	return b.body.Write(p)
}

// response gives what was collected, in the contract's form.
func (b *buffer) response() abihttp.Response {
	b.WriteHeader(http.StatusOK)
	body := b.body.Bytes()
	if b.sent.Get("Content-Type") == "" && len(body) > 0 { // as net/http does
		b.sent.Set("Content-Type", http.DetectContentType(body))
	}
	res := abihttp.Response{Status: uint16(b.status), Body: body} //nolint:gosec // three digits
	wire.Fields(b.sent, func(name, value string) { res.Headers = append(res.Headers, abihttp.Header{Name: name, Value: value}) })
	return res
}

// setBody gives a request a body that is in memory.
func setBody(r *http.Request, body []byte) {
	r.ContentLength, r.TransferEncoding = int64(len(body)), nil
	r.Body = http.NoBody
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
}

// writeBodyError answers for a body that could not be read, or is too long.
func writeBodyError(ctx context.Context, w http.ResponseWriter, err error, log *slog.Logger) {
	api, ok := errors.AsType[*block.APIError](err)
	if !ok {
		api = &block.APIError{Status: http.StatusBadRequest, Code: "ERR_MALFORMED_REQUEST", Message: "the request's body could not be read"}
	}
	log.DebugContext(ctx, "request's body was refused", "error", err)
	writeError(ctx, w, api.Status, api.Code, api.Message)
}
