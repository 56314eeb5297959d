package binding_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// deadline is how long anything may take that has to happen.
const deadline = 30 * time.Second

// call is what an app was called with.
type call struct {
	binding, route, contentType, data string
	metadata                          map[string]string
}

// fakeApp is an app in native code: its guests speak the real ABI.
type fakeApp struct {
	name   string
	deaf   bool // exports no trigger
	handle func(call) ([]byte, error)
	admit  func() error
	got    chan call
}

func newApp(name string, handle func(call) ([]byte, error)) *fakeApp {
	return &fakeApp{name: name, handle: handle, got: make(chan call, 1000)}
}

var _ block.App = (*fakeApp)(nil)

func (a *fakeApp) Name() string { return a.name }

func (a *fakeApp) Handles(iface string) bool { return iface == abibinding.TriggerModule && !a.deaf }

func (a *fakeApp) Do(ctx context.Context, fn func(context.Context, abi.Guest) error) error {
	if a.admit != nil {
		if err := a.admit(); err != nil {
			return err
		}
	}
	return fn(ctx, &fakeGuest{app: a, memory: make([]byte, 1<<16), free: 8})
}

// next waits for a call.
func (a *fakeApp) next(t *testing.T) call {
	t.Helper()
	select {
	case c := <-a.got:
		return c
	case <-time.After(deadline):
		t.Fatalf("app %s: no event within %s", a.name, deadline)
		return call{}
	}
}

// fakeGuest is one instance: it decodes what the host's glue writes, field by field as the Canonical ABI says.
type fakeGuest struct {
	app    *fakeApp
	memory []byte
	free   uint32
}

func (g *fakeGuest) Memory() []byte { return g.memory }

func (g *fakeGuest) Has(string) bool { return false }

func (g *fakeGuest) Realloc(_ context.Context, _, _, align, size uint32) uint32 {
	at := (g.free + align - 1) / align * align
	g.free = at + size
	return at
}

func (g *fakeGuest) Call(ctx context.Context, name string, stack []uint64) error {
	if name != abibinding.TriggerModule+"#handle" {
		return &abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable: " + name}
	}
	text := func(i int) string { return string(g.bytes(uint32(stack[i]), uint32(stack[i+1]))) }
	c := call{binding: text(0), route: text(2), data: text(4), contentType: text(6), metadata: map[string]string{}}
	for i := range uint32(stack[9]) {
		at := uint32(stack[8]) + 16*i
		c.metadata[string(g.bytes(g.u32(at), g.u32(at+4)))] = string(g.bytes(g.u32(at+8), g.u32(at+12)))
	}
	g.app.got <- c
	var answer []byte
	var err error
	if g.app.handle != nil {
		answer, err = g.app.handle(c)
	}
	if trap, ok := errors.AsType[*abi.Trap](err); ok {
		return trap
	}
	// result<option<list<u8>>, string>: 4 bytes of tag, then the option or the text.
	at := g.Realloc(ctx, 0, 0, 4, 16)
	stack[0] = uint64(at)
	switch {
	case err != nil:
		g.memory[at] = 1
		g.put(ctx, at+4, []byte(err.Error()))
	case answer != nil:
		g.memory[at+4] = 1
		g.put(ctx, at+8, answer)
	}
	return nil
}

func (g *fakeGuest) u32(at uint32) uint32 { return binary.LittleEndian.Uint32(g.memory[at:]) }

func (g *fakeGuest) bytes(ptr, n uint32) []byte { return slices.Clone(g.memory[ptr : ptr+n]) }

func (g *fakeGuest) put(ctx context.Context, at uint32, data []byte) {
	ptr := g.Realloc(ctx, 0, 0, 1, uint32(len(data)))
	copy(g.memory[ptr:], data)
	binary.LittleEndian.PutUint32(g.memory[at:], ptr)
	binary.LittleEndian.PutUint32(g.memory[at+4:], uint32(len(data)))
}

// source is an input binding whose events the test makes.
type source struct {
	mu      sync.Mutex
	readers map[string]binding.Handler
	stopped []string
	closed  bool
	fail    error
}

func (s *source) Read(_ context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	s.readers[consumer] = h
	return &sourceReader{s, consumer}, nil
}

func (s *source) Close(context.Context) error {
	s.closed = true
	return nil
}

// emit gives an event to one consumer.
func (s *source) emit(t *testing.T, consumer string, ev *binding.Event) ([]byte, error) {
	t.Helper()
	s.mu.Lock()
	h := s.readers[consumer]
	s.mu.Unlock()
	if h == nil {
		t.Fatalf("nobody reads as %s", consumer)
	}
	return h(t.Context(), ev)
}

type sourceReader struct {
	s        *source
	consumer string
}

func (r *sourceReader) Stop(context.Context) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.stopped = append(r.s.stopped, r.consumer)
	return nil
}

// sink is an output binding that answers with what it got.
type sink struct{ last *binding.Request }

func (s *sink) Operations() []string { return []string{"create", "echo", "nothing", "fail"} }

func (s *sink) Invoke(_ context.Context, req *binding.Request) (*binding.Reply, error) {
	s.last = req
	switch req.Operation {
	case "create":
		return &binding.Reply{Metadata: map[string]string{"made": "yes"}}, nil
	case "echo":
		return &binding.Reply{Data: req.Data, ContentType: "text/plain", Metadata: map[string]string{"json": fmt.Sprint(req.JSON)}}, nil
	case "fail":
		return nil, map[string]error{
			"": errors.New("it failed"), "invalid": fmt.Errorf("%w: data", binding.ErrInvalid),
			"missing": fmt.Errorf("%w: x", binding.ErrNotFound), "away": fmt.Errorf("%w: net", binding.ErrUnavailable),
		}[req.Metadata["kind"]]
	default:
		return nil, nil
	}
}

func (s *sink) Close(context.Context) error { return nil }

// duplex is both, and has a server that can be asked.
type duplex struct {
	*source
	*sink
	down error
}

func (d *duplex) Close(ctx context.Context) error { return d.source.Close(ctx) }

func (d *duplex) Ping(context.Context) error { return d.down }

// fixture is a block under test with its apps and drivers.
type fixture struct {
	*binding.Block
	host   map[string]abibinding.OutputHost // by app
	trig   []trigger.Trigger
	source *source
	sink   *sink
	duplex *duplex
	logs   *logs
	mounts map[string]http.Handler
}

// config gives a configuration with the drivers of the fixture, and the components in, out and both.
func (f *fixture) config(t *testing.T, decls ...component.Decl) binding.Config {
	t.Helper()
	f.source = &source{readers: map[string]binding.Handler{}}
	f.sink = &sink{}
	f.duplex = &duplex{source: &source{readers: map[string]binding.Handler{}}, sink: &sink{}}
	f.mounts = map[string]http.Handler{}
	f.logs = &logs{}
	spec := func(name string, b binding.Binding) component.Spec[binding.Binding] {
		return component.Spec[binding.Binding]{Type: "bindings." + name, Doc: "A driver of this test.", New: func(context.Context, component.Config) (binding.Binding, error) { return b, nil }}
	}
	broken := component.Spec[binding.Binding]{Type: "bindings.broken", Doc: "A driver of this test.", New: func(context.Context, component.Config) (binding.Binding, error) {
		return nil, component.Permanent(errors.New("out of order"))
	}}
	set, err := component.NewSet(binding.Kind, spec("source", f.source), spec("sink", f.sink), spec("duplex", f.duplex), spec("door", &door{source: f.source}), broken)
	if err != nil {
		t.Fatal(err)
	}
	if len(decls) == 0 {
		decls = []component.Decl{{Name: "in", Type: "bindings.source"}, {Name: "out", Type: "bindings.sink"}, {Name: "both", Type: "bindings.duplex"}}
	}
	for i := range decls {
		decls[i].Where = "manifest.yaml:7"
	}
	return binding.Config{
		Drivers: set, Decls: decls, Log: slog.New(slog.NewTextHandler(f.logs, nil)),
		Mount: func(path string, h http.Handler) error {
			if f.mounts[path] != nil {
				return errors.New("it is taken")
			}
			f.mounts[path] = h
			return nil
		},
	}
}

// door is an input binding on the front door.
type door struct{ *source }

func (d *door) Path() string { return "/hook" }

func (d *door) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }

// open makes the block and opens the apps.
func (f *fixture) open(t *testing.T, cfg binding.Config, apps ...*fakeApp) error {
	t.Helper()
	f.host = map[string]abibinding.OutputHost{}
	for _, a := range apps {
		cfg.Apps = append(cfg.Apps, a.name)
	}
	var err error
	if f.Block, err = binding.New(t.Context(), cfg); err != nil {
		return err
	}
	t.Cleanup(func() {
		for _, tr := range f.trig {
			if err := tr.Stop(context.Background()); err != nil {
				t.Errorf("stop of %s: %v", tr.Name(), err)
			}
		}
		if err := f.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for _, a := range apps {
		s, err := f.Open(t.Context(), a)
		if err != nil {
			return err
		}
		f.host[a.name] = s.(abibinding.OutputHost)
	}
	f.trig, err = f.Triggers(t.Context())
	return err
}

// start is open that also starts the triggers.
func start(t *testing.T, apps ...*fakeApp) *fixture {
	t.Helper()
	f := &fixture{}
	f.start(t, f.config(t), apps...)
	return f
}

func (f *fixture) start(t *testing.T, cfg binding.Config, apps ...*fakeApp) {
	t.Helper()
	if err := f.open(t, cfg, apps...); err != nil {
		t.Fatal(err)
	}
	for _, tr := range f.trig {
		if err := tr.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func pairs(kv ...string) (out abibinding.Metadata) {
	for i := 0; i < len(kv); i += 2 {
		out = append(out, canon.Tuple2[string, string]{F0: kv[i], F1: kv[i+1]})
	}
	return out
}

// logs keeps what the block logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}
