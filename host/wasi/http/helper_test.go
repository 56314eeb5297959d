package http

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
)

// handler is what a guest's incoming-handler does.
type handler func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam)

// guest is an instance whose code is Go's: its handles are a real table, which is emptied at the end of a call as the
// engine does.
type guest struct {
	host    *Host
	handle  handler
	handles canon.Handles
}

func (g *guest) Memory() []byte                                                 { return nil }
func (g *guest) Realloc(context.Context, uint32, uint32, uint32, uint32) uint32 { panic("no memory") }
func (g *guest) Has(string) bool                                                { return true }
func (g *guest) Handles() *canon.Handles                                        { return &g.handles }
func (g *guest) Encoding() canon.Encoding                                       { return canon.UTF8 }
func (g *guest) Resource(_, _ string) *canon.Resource                           { return nil }

func (g *guest) Call(ctx context.Context, _ string, stack []uint64) (err error) {
	defer func() {
		if t, ok := recover().(*abi.Trap); ok {
			err = t
		}
	}()
	req := g.handles.Take(abihttp.IncomingRequestResource, uint32(stack[0]))
	out := g.handles.Take(abihttp.ResponseOutparamResource, uint32(stack[1]))
	g.handle(ctx, g.host, req.Obj.(abihttp.IncomingRequest), out.Obj.(abihttp.ResponseOutparam))
	return nil
}

// served is what Serve gave for one request.
type served chan error

// serve starts a server whose every request is answered by handle.
func serve(t *testing.T, limits Limits, handle handler) (*httptest.Server, served) {
	t.Helper()
	host := New(Config{Send: http.DefaultTransport.RoundTrip})
	results := make(served, 100)
	mux := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := &guest{host: host, handle: handle}
		err := Serve(r.Context(), g, w, r, limits)
		g.handles.Reset(r.Context())
		results <- err
		var f *Failure
		if !errors.As(err, &f) {
			return
		}
		if f.Sent {
			panic(http.ErrAbortHandler)
		}
		if f.Status != 0 {
			http.Error(w, f.Error(), f.Status)
		}
	})
	s := httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = log.New(noPanic{t}, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s, results
}

// noPanic is a log of a server that may not panic.
type noPanic struct{ t *testing.T }

func (l noPanic) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "panic") {
		l.t.Errorf("the server says %s", p)
	}
	return len(p), nil
}

// leakCheck fails the test if goroutines are left behind that were not there before.
func leakCheck(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if n := runtime.NumGoroutine(); n <= before {
				return
			}
			if time.Now().After(end) {
				buf := make([]byte, 1<<20)
				t.Errorf("goroutines: got %d, want at most %d:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
}

// respond sets a response and gives its body.
func respond(ctx context.Context, h *Host, out abihttp.ResponseOutparam, status uint16, fields ...string) abihttp.OutgoingBody {
	res := h.NewOutgoingResponse(ctx, newFields(ctx, h, fields...))
	res.SetStatusCode(ctx, status)
	body, ok := res.Body(ctx)
	if !ok {
		panic("no body")
	}
	h.ResponseOutparamSet(ctx, out, canon.Result[abihttp.OutgoingResponse, abihttp.ErrorCode]{OK: res})
	return body
}

func newFields(ctx context.Context, h *Host, pairs ...string) abihttp.Fields {
	f := h.NewFields(ctx)
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := f.Append(ctx, pairs[i], []byte(pairs[i+1])); err != nil {
			panic(err)
		}
	}
	return f
}

// write writes text with blocking writes, and does not end the body.
func write(ctx context.Context, out abiio.OutputStream, text string) error {
	for text != "" {
		n := min(4096, len(text))
		if err := out.BlockingWriteAndFlush(ctx, []byte(text[:n])); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// writeAsync is write by check-write, write, flush and poll.
func writeAsync(ctx context.Context, out abiio.OutputStream, text string) error {
	for text != "" {
		n, err := out.CheckWrite(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			out.Subscribe(ctx).Block(ctx)
			continue
		}
		n = min(n, uint64(len(text)))
		if err := out.Write(ctx, []byte(text[:n])); err != nil {
			return err
		}
		text = text[n:]
	}
	if err := out.Flush(ctx); err != nil {
		return err
	}
	out.Subscribe(ctx).Block(ctx)
	_, err := out.CheckWrite(ctx)
	if err != nil {
		return err
	}
	return nil
}

// finish writes text and ends the body.
func finish(ctx context.Context, h *Host, body abihttp.OutgoingBody, text string, trailers abihttp.Fields) error {
	out, ok := body.Write(ctx)
	if !ok {
		return errors.New("no stream")
	}
	err := write(ctx, out, text)
	out.Drop(ctx)
	if err != nil {
		return err
	}
	if c := h.OutgoingBodyFinish(ctx, body, trailers); c != nil {
		return c
	}
	return nil
}

// readAll reads a body's stream to its end.
func readAll(ctx context.Context, in abiio.InputStream, blocking bool) (string, *abiio.StreamError) {
	var b strings.Builder
	for {
		read := in.Read
		if blocking {
			read = in.BlockingRead
		}
		p, err := read(ctx, 1<<20)
		b.Write(p)
		if err != nil && err.Tag == abiio.StreamErrorClosed {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		if len(p) == 0 && !blocking {
			in.Subscribe(ctx).Block(ctx)
		}
	}
}

// answer is what a client got.
type answer struct {
	StatusCode    int
	ContentLength int64
	Header        http.Header
}

func get(t *testing.T, url string) (answer, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.ContentLength, res.Header}, string(b)
}

// next waits for the result of a Serve.
func (s served) next(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("Serve has not returned")
		return nil
	}
}
