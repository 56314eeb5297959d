package http

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

const (
	// flushDelay is the default of Limits.FlushDelay.
	flushDelay = time.Millisecond
	// emitAt is how many bytes of a response are collected before they are written without a flush.
	emitAt = 32 << 10
	// unblocked is how much of a response net/http takes at once: it holds it back until there is more, or the end.
	unblocked = 2 << 10
)

// responseSink writes a response to the client. Before the response is set it holds maxEarly bytes of the body.
type responseSink struct {
	mu sync.Mutex // held while the client is written to
	// x is nil until the response is set.
	x       *exchange
	status  int
	fields  *fields
	pending []byte
	// noBody: HTTP has no content in this response, whatever the guest writes.
	noBody bool
	// head tells that the answer's header is with net/http; flushed that something of the response is on its way.
	head, flushed bool
	whole, noMore bool // finish, written were called
	err           error
	trailers      http.Header
	// armed tells that the flusher has the sink, or will do as it has it tick.
	armed, ended   bool
	flusher        *flusher
	writing        atomic.Bool // the client is being written to
	declaredLength bool

	// What follows belongs to the flusher.
	next, prev *responseSink
	due        time.Time
	waiting    bool
}

var _ bodySink = (*responseSink)(nil)

var errOver = errors.New("the response is over")

// attach sets the response: from now on it goes to the client.
func (s *responseSink) attach(x *exchange, f *flusher, r *outgoingResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.x, s.flusher, s.status, s.fields = x, f, int(r.status), r.fields
	s.noBody = x.r.Method == http.MethodHead || s.status == http.StatusNoContent || s.status == http.StatusNotModified
	if r.body == nil {
		s.whole, s.noMore = true, true
	}
	s.arm()
}

// Write collects content and writes it to the client when it is much.
func (s *responseSink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return 0, s.err
	case s.ended:
		return 0, inStream(nil, errOver)
	case s.x == nil && len(s.pending)+len(p) > maxEarly:
		return 0, inStream(code(abihttp.ErrorCodeHTTPResponseBodySize), errEarly)
	case s.noBody && s.x != nil:
		return len(p), nil
	}
	s.pending = append(s.pending, p...)
	if s.x != nil && len(s.pending) >= emitAt {
		s.emit()
	}
	return len(p), s.err
}

// Flush has the content sent within the flush delay.
func (s *responseSink) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arm()
	return s.err
}

// arm has what there is sent within the flush delay. mu is held.
func (s *responseSink) arm() {
	if s.x != nil && !s.ended && !s.armed {
		s.armed = true
		s.flusher.add(s, s.x.limits.FlushDelay)
	}
}

// tick sends what there is.
func (s *responseSink) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = false
	if s.ended || s.err != nil {
		return
	}
	s.emit()
	s.flush()
}

// emit writes the header, if it is not written, and what was collected. mu is held.
func (s *responseSink) emit() {
	s.begin(s.flushed || len(s.pending) > unblocked)
	defer s.writing.Store(false)
	if !s.head {
		s.head = true
		s.header()
		s.x.begin()
		s.x.w.WriteHeader(s.status)
	}
	if len(s.pending) == 0 || s.noBody {
		return
	}
	s.flushed = true // as far as anybody can tell
	_, err := s.x.w.Write(s.pending)
	s.pending = s.pending[:0]
	s.failed(err)
}

// flush has net/http send what was written. mu is held.
func (s *responseSink) flush() {
	if s.err != nil {
		return
	}
	s.begin(true)
	defer s.writing.Store(false)
	s.flushed = true
	if err := s.x.rc.Flush(); !errors.Is(err, http.ErrNotSupported) {
		s.failed(err)
	}
}

// begin gives the client its time to read, and lets Interrupt know. blocks tells that the client may have to be waited for.
func (s *responseSink) begin(blocks bool) {
	s.writing.Store(true)
	if blocks {
		s.x.watch()
	}
	if d := s.x.limits.WriteTimeout; d > 0 {
		_ = s.x.rc.SetWriteDeadline(time.Now().Add(d)) // not supported by recorders of tests
	}
	if s.x.ctx.Err() != nil {
		s.Interrupt() // it may have looked before writing was set
	}
}

func (s *responseSink) failed(err error) {
	if err != nil && s.err == nil {
		s.err = inStream(code(abihttp.ErrorCodeConnectionTerminated), err)
	}
}

// header puts the fields into net/http's header.
func (s *responseSink) header() {
	h := s.x.w.Header()
	s.fields.copyTo(h)
	if v := h["Content-Type"]; len(v) == 0 || v[0] == "" {
		h["Content-Type"] = nil // net/http is not to guess
	}
	length, valid := s.fields.contentLength()
	whole := s.whole && s.noMore
	switch {
	case !valid, whole && length > 0 && len(s.pending) == 0 && !s.noBody:
		h.Del("Content-Length") // nothing of this length follows
	case length < 0 && whole && len(s.trailers) == 0 && (!s.noBody || len(s.pending) > 0) && s.status != http.StatusNoContent:
		h["Content-Length"] = []string{strconv.Itoa(len(s.pending))}
	}
	s.declaredLength = len(h["Content-Length"]) > 0 && h["Content-Length"][0] != ""
}

// Interrupt ends a write to the client, if there is one.
func (s *responseSink) Interrupt() {
	if s.writing.Load() {
		_ = s.x.rc.SetWriteDeadline(time.Unix(1, 0)) // not supported by recorders of tests, which do not block
	}
}

func (s *responseSink) written() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noMore = true
}

func (s *responseSink) finish(trailers http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole, s.trailers = true, trailers
	s.arm()
}

func (s *responseSink) abort(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && !s.whole {
		s.err = err
	}
}

func (s *responseSink) lengthOnly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.x != nil && s.noBody
}

// end sends the rest of a whole response. It gives what went wrong, and whether the client got something. No goroutine
// touches the client after it.
func (s *responseSink) end() (sent bool, err error) {
	s.flusher.remove(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.ended = true }()
	if s.err == nil && (!s.whole || !s.noMore) {
		s.err = inStream(code(abihttp.ErrorCodeHTTPResponseIncomplete), errBody)
	}
	if s.err != nil {
		return s.flushed, s.err
	}
	s.emit()
	if len(s.trailers) > 0 && !s.declaredLength && s.err == nil {
		s.sendTrailers()
	}
	return true, s.err
}

// sendTrailers gives net/http the trailers: those that the header announces under their names, others with a prefix.
func (s *responseSink) sendTrailers() {
	h := s.x.w.Header()
	announced := announcedTrailers(h)
	s.flush() // else net/http sends the length instead of chunks, which trailers need
	for name, values := range s.trailers {
		if _, ok := announced[name]; !ok {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
}
