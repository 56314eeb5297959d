package http

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// pipeBuffer is how far a guest may be ahead of the connection, in bytes.
const pipeBuffer = 64 << 10

var (
	errGone        = errors.New("the connection takes no more of the request's body")
	errInterrupted = errors.New("the call ended while a request's body was written")
)

// pipe brings the body of an outgoing request from the guest to whoever sends it. Before it is sent it holds maxEarly
// bytes, then pipeBuffer.
type pipe struct {
	expect int64

	mu                   sync.Mutex
	buf                  []byte
	sent                 bool // somebody reads
	whole, noMore, close bool // finish, written, Close were called
	err                  error
	trailers             http.Header
	// announced gets the trailers at the end; nil if they cannot be sent.
	announced http.Header
	changed   chan struct{} // closed at the next change; nil if nobody waits
}

var (
	_ bodySink      = (*pipe)(nil)
	_ io.ReadCloser = (*pipe)(nil)
)

func newPipe(expect int64) *pipe { return &pipe{expect: expect} }

// wake is called with mu held after every change.
func (p *pipe) wake() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// wait is called with mu held and gives it back for a while.
func (p *pipe) wait() {
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	changed := p.changed
	p.mu.Unlock()
	<-changed
	p.mu.Lock()
}

// Write waits until all is in the buffer.
func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for {
		switch {
		case p.err != nil:
			return n, p.err
		case p.close:
			return n, inStream(code(abihttp.ErrorCodeConnectionTerminated), errGone)
		}
		room := pipeBuffer
		if !p.sent {
			room = maxEarly
		}
		if room = min(room-len(p.buf), len(b)-n); room > 0 {
			p.buf = append(p.buf, b[n:n+room]...)
			n += room
			p.wake()
		}
		if n == len(b) {
			return n, nil
		}
		if !p.sent {
			return n, inStream(code(abihttp.ErrorCodeHTTPRequestBodySize), errEarly)
		}
		p.wait()
	}
}

// Flush does nothing: a reader gets at once what there is.
func (p *pipe) Flush() error { return nil }

// Interrupt breaks the body: the call is over.
func (p *pipe) Interrupt() { p.abort(inStream(nil, errInterrupted)) }

func (p *pipe) written() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noMore = true
	p.wake()
}

func (p *pipe) finish(trailers http.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.whole, p.trailers = true, trailers
	p.wake()
}

func (p *pipe) abort(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.wake()
}

// Read waits for content; its io.EOF comes after the trailers were given to announced.
func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.err != nil:
			return 0, p.err
		case p.close:
			return 0, errGone
		case len(p.buf) > 0:
			n := copy(b, p.buf)
			p.buf = p.buf[:copy(p.buf, p.buf[n:])]
			p.wake()
			return n, nil
		case p.whole && p.noMore:
			if p.announced != nil {
				maps.Copy(p.announced, p.trailers)
			}
			return 0, io.EOF
		case len(b) == 0:
			return 0, nil
		}
		p.wait()
	}
}

// Close is the reader's: it wants no more.
func (p *pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close = true
	p.wake()
	return nil
}

// send begins the sending: it gives the length of the body, -1 if it is not known.
func (p *pipe) send(announced http.Header) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent, p.announced = true, announced
	switch {
	case p.expect >= 0:
		return p.expect
	case p.whole && p.noMore && len(p.trailers) == 0:
		return int64(len(p.buf))
	default:
		return -1
	}
}
