package pubsub_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	"github.com/mrt-wasm/mrt-wasm/components/pubsub/memory"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// deadline is how long anything may take that has to happen.
const deadline = 30 * time.Second

type (
	event   = abipubsub.Event
	outcome = abipubsub.Outcome
)

// The outcomes of handlers.
var (
	success = outcome{}
	retry   = outcome{Tag: abipubsub.OutcomeRetry, Value: "not now"}
	drop    = outcome{Tag: abipubsub.OutcomeDrop, Value: "no good"}
)

// fakeApp is an app in native code: its guests speak the real ABI.
type fakeApp struct {
	name   string
	handle func(event) outcome
	bulk   func([]event) []outcome
	// admit may refuse a call before it reaches the guest.
	admit func() error
	got   chan event
	logs  *logs
	idle  sync.Pool // of *fakeGuest
}

// newApp makes an app whose handler says what it got; a nil handle is success.
func newApp(name string, handle func(event) outcome) *fakeApp {
	a := &fakeApp{name: name, got: make(chan event, 10_000)}
	a.handle = func(e event) outcome {
		a.got <- e
		if handle == nil {
			return success
		}
		return handle(e)
	}
	return a
}

func (a *fakeApp) Name() string { return a.name }

func (a *fakeApp) Handles(iface string) bool {
	return iface == abipubsub.SubscriberModule && a.handle != nil || iface == abipubsub.BulkSubscriberModule && a.bulk != nil
}

func (a *fakeApp) Do(ctx context.Context, fn func(context.Context, abi.Guest) error) error {
	if a.admit != nil {
		if err := a.admit(); err != nil {
			return err
		}
	}
	g, ok := a.idle.Get().(*fakeGuest)
	if !ok {
		g = &fakeGuest{app: a, memory: make([]byte, 1<<20)}
	}
	defer a.idle.Put(g)
	g.free = 8
	return fn(ctx, g)
}

// next waits for a message.
func (a *fakeApp) next(t *testing.T) event {
	t.Helper()
	select {
	case e := <-a.got:
		return e
	case <-time.After(deadline):
		t.Fatalf("app %s: no message within %s\n%s", a.name, deadline, a.logs)
		return event{}
	}
}

// nothing fails if a message has come.
func (a *fakeApp) nothing(t *testing.T) {
	t.Helper()
	select {
	case e := <-a.got:
		t.Errorf("app %s: got an unexpected message: %+v", a.name, e)
	default:
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
	const size = 12
	switch name {
	case abipubsub.SubscriberModule + "#handle":
		at := g.Realloc(ctx, 0, 0, 4, size)
		g.putOutcome(ctx, at, g.app.handle(g.event(uint32(stack[0]))))
		stack[0] = uint64(at)
	case abipubsub.BulkSubscriberModule + "#handle":
		events := make([]event, stack[1])
		for i := range events {
			events[i] = g.event(uint32(stack[0]) + uint32(i)*96)
		}
		outs := g.app.bulk(events)
		list := g.Realloc(ctx, 0, 0, 4, size*uint32(len(outs)))
		for i, o := range outs {
			g.putOutcome(ctx, list+uint32(i)*size, o)
		}
		at := g.Realloc(ctx, 0, 0, 4, 8)
		g.put(at, list)
		g.put(at+4, uint32(len(outs)))
		stack[0] = uint64(at)
	default:
		return &abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable: " + name}
	}
	return nil
}

func (g *fakeGuest) u32(at uint32) uint32 { return binary.LittleEndian.Uint32(g.memory[at:]) }

func (g *fakeGuest) put(at, v uint32) { binary.LittleEndian.PutUint32(g.memory[at:], v) }

func (g *fakeGuest) bytes(at uint32) []byte {
	ptr, n := g.u32(at), g.u32(at+4)
	return slices.Clone(g.memory[ptr : ptr+n])
}

func (g *fakeGuest) pairs(at uint32) (out abipubsub.Metadata) {
	ptr, n := g.u32(at), g.u32(at+4)
	for i := range n {
		out = append(out, canon.Tuple2[string, string]{F0: string(g.bytes(ptr + 16*i)), F1: string(g.bytes(ptr + 16*i + 8))})
	}
	return out
}

func (g *fakeGuest) event(at uint32) event {
	s := func(i uint32) string { return string(g.bytes(at + 8*i)) }
	return event{
		ID: s(0), Source: s(1), EventType: s(2), Subject: s(3), Time: s(4), Pubsub: s(5), Topic: s(6), Route: s(7),
		ContentType: s(8), Data: g.bytes(at + 72), Extensions: g.pairs(at + 80), Metadata: g.pairs(at + 88),
	}
}

func (g *fakeGuest) putOutcome(ctx context.Context, at uint32, o outcome) {
	g.memory[at] = byte(o.Tag)
	ptr := g.Realloc(ctx, 0, 0, 1, uint32(len(o.Value)))
	copy(g.memory[ptr:], o.Value)
	g.put(at+4, ptr)
	g.put(at+8, uint32(len(o.Value)))
}

// extension gives an extension attribute of an event.
func extension(e event, name string) string {
	for _, kv := range e.Extensions {
		if kv.F0 == name {
			return kv.F1
		}
	}
	return ""
}

// fixture is a block under test with its apps.
type fixture struct {
	*pubsub.Block
	host map[string]abipubsub.PublisherHost // by app
	trig []trigger.Trigger
	logs *logs
}

// config gives a configuration with one in-memory component called bus.
func config(metadata component.Metadata, subs ...pubsub.SubscriptionDecl) pubsub.Config {
	set, err := component.NewSet("pubsub", memory.Spec)
	if err != nil {
		panic(err)
	}
	for i := range subs {
		s := &subs[i]
		if s.Name == "" {
			s.Name = "sub-" + s.Topic
		}
		if s.PubSub == "" {
			s.PubSub = "bus"
		}
		s.Where = "manifest.yaml:7"
	}
	return pubsub.Config{
		Drivers: set, Subscriptions: subs,
		Decls: []component.Decl{{Name: "bus", Type: "pubsub.in-memory", Where: "manifest.yaml:1", Metadata: metadata}},
	}
}

// start makes a block, opens the apps and starts the triggers; all is stopped in the end.
func start(t *testing.T, cfg pubsub.Config, apps ...*fakeApp) *fixture {
	t.Helper()
	f := &fixture{host: map[string]abipubsub.PublisherHost{}, logs: &logs{}}
	for _, a := range apps {
		cfg.Apps = append(cfg.Apps, a.name)
	}
	cfg.Log = slog.New(slog.NewTextHandler(f.logs, nil))
	var err error
	if f.Block, err = pubsub.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
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
		a.logs = f.logs
		s, err := f.Open(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		f.host[a.name] = s.(abipubsub.PublisherHost)
	}
	if f.trig, err = f.Triggers(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tr := range f.trig {
		if err := tr.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// publish publishes as an app.
func (f *fixture) publish(t *testing.T, app, topic, contentType, data string, metadata ...string) {
	t.Helper()
	var meta abipubsub.Metadata
	for i := 0; i < len(metadata); i += 2 {
		meta = append(meta, canon.Tuple2[string, string]{F0: metadata[i], F1: metadata[i+1]})
	}
	if err := f.host[app].Publish(t.Context(), "bus", topic, contentType, []byte(data), meta); err != nil {
		t.Fatalf("publish to %s: %v", topic, err)
	}
}

var _ block.App = (*fakeApp)(nil)

// logs keeps what the block logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, deadline)
		}
	}
}
