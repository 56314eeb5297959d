package http

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// errEnded is what a body that came from outside gives after its exchange.
var errEnded = errors.New("the request that the body belongs to is over")

// origin is what a body belongs to.
type origin interface {
	// watch is called before r is read.
	watch()
	// trailers gives the trailers after the end.
	trailers() http.Header
	// interrupt unblocks a Read in flight; it gives false if that cannot be done.
	interrupt() bool
	// explain gives the code of an error of r.
	explain(err error) *abihttp.ErrorCode
}

// source is the content of a body that comes from outside. One reads at a time.
type source struct {
	r io.Reader
	// limit bounds the content in bytes; negative for no limit.
	limit int64
	origin

	ended atomic.Bool
	mu    sync.Mutex // held while r is read
	n     int64
	err   error // sticky; io.EOF after the end
}

// Read gives content; its errors, but io.EOF, are *streamError.
func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Load() && s.err == nil {
		s.err = inStream(nil, errEnded)
	}
	if s.err != nil || len(p) == 0 {
		return 0, s.err
	}
	if left := s.limit - s.n; s.limit >= 0 && int64(len(p)) > left {
		p = p[:left+1] // a byte more, to see whether there is one
	}
	s.watch()
	n, err := s.r.Read(p)
	if s.n += int64(n); s.limit >= 0 && s.n > s.limit {
		over := tooLarge(s.limit)
		s.err = inStream(over, over)
		return n - int(s.n-s.limit), s.err
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		s.err = io.EOF
	default:
		s.err = inStream(s.explain(err), err)
	}
	return n, s.err
}

// stop unblocks a Read in flight.
func (s *source) stop() { s.interrupt() }

// end has all later Reads fail, and waits for one in flight.
func (s *source) end() {
	s.ended.Store(true)
	if s.mu.TryLock() || s.interrupt() && s.lock() {
		s.mu.Unlock()
	}
}

func (s *source) lock() bool {
	s.mu.Lock()
	return true
}

// over tells whether the content was read to its end, or has failed.
func (s *source) done() bool {
	if !s.mu.TryLock() {
		return false // it is being read
	}
	defer s.mu.Unlock()
	return s.err != nil
}

// atEnd tells whether the content was read to its end. It is called after end.
func (s *source) atEnd() bool {
	if !s.mu.TryLock() {
		return false // a Read that cannot be interrupted
	}
	defer s.mu.Unlock()
	return errors.Is(s.err, io.EOF)
}

// incomingBody is the resource incoming-body.
type incomingBody struct {
	src *source
	// release ends what the body is of; nil if that does not depend on the body.
	release func()
	taken   bool
	alive   bool // the stream is not dropped
}

var _ abihttp.IncomingBody = (*incomingBody)(nil)

// bodyStream is the stream of a body.
type bodyStream struct {
	*wasiio.Input
	body *incomingBody
}

// Drop lets the body be finished.
func (s *bodyStream) Drop(ctx context.Context) {
	s.body.alive = false
	s.Input.Drop(ctx)
}

// Stream gives the content, once.
func (b *incomingBody) Stream(context.Context) (abiio.InputStream, bool) {
	if b.taken {
		return nil, false
	}
	b.taken, b.alive = true, true
	return &bodyStream{Input: wasiio.NewInput(b.src, wasiio.InputOptions{Interrupt: b.src.stop}), body: b}, true
}

// Drop ends what the body is of.
func (b *incomingBody) Drop(context.Context) { release(b.release) }

func release(f func()) {
	if f != nil {
		f()
	}
}

// IncomingBodyFinish gives the trailers' future. It traps if the stream is not dropped.
func (h *Host) IncomingBodyFinish(_ context.Context, this abihttp.IncomingBody) abihttp.FutureTrailers {
	b := own[*incomingBody](this)
	if b.alive {
		abi.Trapf("incoming-body.finish: expected the body's input-stream to be dropped before, found it alive")
	}
	return &futureTrailers{src: b.src, release: b.release}
}

// futureTrailers is the resource future-trailers. What the guest did not read of the body is read and thrown away as
// soon as the guest asks for the trailers.
type futureTrailers struct {
	src     *source
	release func()
	done    chan struct{} // nil until it is asked for
	taken   bool
}

var _ abihttp.FutureTrailers = (*futureTrailers)(nil)

// ready gives the channel that is closed when the body is read.
func (f *futureTrailers) ready() <-chan struct{} {
	if f.done != nil {
		return f.done
	}
	done := make(chan struct{})
	f.done = done
	if f.src.done() {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, f.src) // the source keeps its error
	}()
	return done
}

// Subscribe is ready when Get gives something.
func (f *futureTrailers) Subscribe(context.Context) abiio.Pollable {
	return wasiio.NewPollable(wasiio.Channel(f.ready))
}

// Get gives the trailers or what went wrong, once.
func (f *futureTrailers) Get(context.Context) *canon.Result[canon.Result[abihttp.Fields, abihttp.ErrorCode], struct{}] {
	select {
	case <-f.ready():
	default:
		return nil
	}
	var out canon.Result[canon.Result[abihttp.Fields, abihttp.ErrorCode], struct{}]
	if f.taken {
		out.Err = &struct{}{}
		return &out
	}
	f.taken = true
	if err := f.src.err; !errors.Is(err, io.EOF) { // read after done was closed
		out.OK.Err = codeOf(err)
		return &out
	}
	if t := fromHeader(f.src.trailers()); len(t.lines) > 0 {
		out.OK.OK = t
	}
	return &out
}

// Drop ends the reading.
func (f *futureTrailers) Drop(context.Context) {
	if f.done != nil {
		select {
		case <-f.done:
		default:
			f.src.stop()
		}
	}
	release(f.release)
}
