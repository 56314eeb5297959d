package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// maxEarly bounds what a guest may write of a body before the request or response is sent, in bytes.
const maxEarly = 1 << 20

var (
	errEarly = fmt.Errorf("expected at most %d bytes of a body before its request or response is sent, found more", maxEarly)
	errBody  = errors.New("the body was dropped without outgoing-body.finish")
)

// bodySink is where the content of an outgoing body goes. All methods may be called by any goroutine.
type bodySink interface {
	io.Writer
	// Flush has what was written sent soon.
	Flush() error
	// Interrupt unblocks a Write.
	Interrupt()
	// written is called when there will be no Write any more.
	written()
	// finish says that the body is whole once written was called.
	finish(trailers http.Header)
	// abort says that it will never be whole.
	abort(err error)
}

// outgoingBody is the resource outgoing-body.
type outgoingBody struct {
	sink bodySink
	// expect is the declared length, -1 for none, and count is what was written.
	expect, count int64
	request       bool
	stream        *outStream // nil until it is taken
	alive         bool       // the stream is not dropped
	finished      bool       // whole
}

var _ abihttp.OutgoingBody = (*outgoingBody)(nil)

// Write gives the stream, once.
func (b *outgoingBody) Write(context.Context) (abiio.OutputStream, bool) {
	if b.stream != nil {
		return nil, false
	}
	b.alive = true
	b.stream = &outStream{body: b, Output: wasiio.NewOutput(b.sink, wasiio.OutputOptions{
		Flush: b.sink.Flush, Interrupt: b.sink.Interrupt, Close: b.sink.written, Bounded: !b.request,
	})}
	return b.stream, true
}

// Drop makes a body that is not finished a broken one.
func (b *outgoingBody) Drop(context.Context) {
	if !b.finished {
		b.sink.abort(inStream(code(abihttp.ErrorCodeHTTPProtocolError), errBody))
	}
}

// lengthOnly tells that the declared length is not that of the content, as in answers to HEAD.
func (b *outgoingBody) lengthOnly() bool {
	s, ok := b.sink.(*responseSink)
	return ok && s.lengthOnly()
}

// wrongLength is the error of a body of another length than was declared.
func (b *outgoingBody) wrongLength(count int64) *abihttp.ErrorCode {
	n := uint64(count) //nolint:gosec // a count
	if b.request {
		return &abihttp.ErrorCode{Tag: abihttp.ErrorCodeHTTPRequestBodySize, HTTPRequestBodySize: &n}
	}
	return &abihttp.ErrorCode{Tag: abihttp.ErrorCodeHTTPResponseBodySize, HTTPResponseBodySize: &n}
}

// OutgoingBodyFinish says that a body is whole. It traps if the stream is not dropped.
func (h *Host) OutgoingBodyFinish(_ context.Context, this abihttp.OutgoingBody, trailers abihttp.Fields) *abihttp.ErrorCode {
	b := own[*outgoingBody](this)
	if b.alive {
		abi.Trapf("outgoing-body.finish: expected the body's output-stream to be dropped before, found it alive")
	}
	if b.expect >= 0 && b.count != b.expect && (b.count > 0 || !b.lengthOnly()) {
		c := b.wrongLength(b.count)
		b.sink.abort(inStream(c, fmt.Errorf("expected a body of %d bytes as its content-length says, found %d", b.expect, b.count)))
		return c
	}
	var t http.Header
	if trailers != nil {
		t = http.Header{}
		own[*fields](trailers).copyTo(t)
	}
	if b.stream == nil {
		b.sink.written()
	}
	b.finished = true
	b.sink.finish(t)
	return nil
}

// outStream is the stream of an outgoing body: it holds the guest to the declared length.
type outStream struct {
	*wasiio.Output
	body *outgoingBody
}

var _ abiio.OutputStream = (*outStream)(nil)

// take counts n bytes that are about to be written.
func (s *outStream) take(n uint64) *abiio.StreamError {
	b := s.body
	left := uint64(b.expect - b.count) //nolint:gosec // not negative if expect is not
	if b.expect >= 0 && n > left {
		b.count = b.expect + 1 // whatever follows, finish is to fail
		s.Fail(nil)
		c := b.wrongLength(b.count)
		return wasiio.Failed(inStream(c, fmt.Errorf("expected at most the %d bytes that the content-length says, found more", b.expect)))
	}
	b.count += int64(n) //nolint:gosec // what memory holds
	return nil
}

// Write writes as far as the declared length goes.
func (s *outStream) Write(ctx context.Context, contents []byte) *abiio.StreamError {
	if err := s.take(uint64(len(contents))); err != nil {
		return err
	}
	return s.Output.Write(ctx, contents)
}

// BlockingWriteAndFlush writes as far as the declared length goes.
func (s *outStream) BlockingWriteAndFlush(ctx context.Context, contents []byte) *abiio.StreamError {
	if err := s.take(uint64(len(contents))); err != nil {
		return err
	}
	return s.Output.BlockingWriteAndFlush(ctx, contents)
}

// WriteZeroes writes as far as the declared length goes.
func (s *outStream) WriteZeroes(ctx context.Context, n uint64) *abiio.StreamError {
	if err := s.take(n); err != nil {
		return err
	}
	return s.Output.WriteZeroes(ctx, n)
}

// BlockingWriteZeroesAndFlush writes as far as the declared length goes.
func (s *outStream) BlockingWriteZeroesAndFlush(ctx context.Context, n uint64) *abiio.StreamError {
	if err := s.take(n); err != nil {
		return err
	}
	return s.Output.BlockingWriteZeroesAndFlush(ctx, n)
}

// Splice moves as much as the declared length leaves.
func (s *outStream) Splice(ctx context.Context, src abiio.InputStream, n uint64) (uint64, *abiio.StreamError) {
	n, err := s.Output.Splice(ctx, src, s.left(n))
	s.body.count += int64(n) //nolint:gosec // what memory holds
	return n, err
}

// BlockingSplice moves as much as the declared length leaves.
func (s *outStream) BlockingSplice(ctx context.Context, src abiio.InputStream, n uint64) (uint64, *abiio.StreamError) {
	n, err := s.Output.BlockingSplice(ctx, src, s.left(n))
	s.body.count += int64(n) //nolint:gosec // what memory holds
	return n, err
}

// left bounds n by what the declared length leaves. Nothing left lets one byte more through, so that what is too much
// is seen and not waited for.
func (s *outStream) left(n uint64) uint64 {
	b := s.body
	if b.expect < 0 {
		return n
	}
	return min(n, uint64(max(b.expect-b.count, 0))) //nolint:gosec // not negative
}

// Drop lets the body be finished.
func (s *outStream) Drop(ctx context.Context) {
	s.body.alive = false
	s.Output.Drop(ctx)
}
