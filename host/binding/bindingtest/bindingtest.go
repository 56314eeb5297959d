// Package bindingtest is the conformance suite of binding drivers: what every output and every input binding promises,
// each property in a test of its own. Drivers run it against the real thing.
package bindingtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// deadline is how long anything may take that has to happen.
const deadline = 60 * time.Second

// Open makes a new binding on the system under test. The suite closes it.
type Open func(t testing.TB) binding.Binding

// Caps say what there is to test. A driver that is an Output needs Operations and Key, one that is an Input needs Emit.
type Caps struct {
	// Operations are those that the output binding has to have, in any order.
	Operations []string
	// Key gives metadata that names one object for create, get and delete.
	Key func(name string) map[string]string
	// Invalid are requests that fail with ErrInvalid, Missing those that fail with ErrNotFound.
	Invalid, Missing []binding.Request
	// Works are requests that have to succeed; nil if create and get say enough.
	Works []binding.Request
	// Large is the size of the largest data to test, in bytes.
	Large int
	// Stop makes the server go away and Start brings it back; nil if there is none.
	Stop, Start func(t testing.TB)
	// Lossy tells that what was stored or sent before Stop is gone after Start.
	Lossy bool

	// Emit makes the source bring an event whose data contain the text, or one event more if Unmarked.
	Emit func(t testing.TB, b binding.Binding, text string)
	// Unmarked tells that events are all alike.
	Unmarked bool
	// Redelivers tells that the source delivers an event again when its handler failed.
	Redelivers bool
	// Keeps tells that the source keeps events while nobody reads.
	Keeps bool
	// Groups tells that two readers of the same consumer share the events.
	Groups bool
}

// Run tests a driver.
func Run(t *testing.T, open Open, caps Caps) {
	s := &suite{open: open, caps: caps}
	b := open(t)
	_, out := b.(binding.Output)
	_, in := b.(binding.Input)
	if err := b.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
	if !out && !in {
		t.Fatalf("a %T is neither an Output nor an Input", b)
	}
	objects := out && slices.Contains(caps.Operations, "create") && slices.Contains(caps.Operations, "get") && caps.Key != nil
	down := caps.Stop != nil
	for _, test := range []struct {
		name string
		run  func(*testing.T, *suite)
		when bool
	}{
		{"Operations", testOperations, out},
		{"UnknownOperation", testUnknownOperation, out},
		{"InvalidRequests", testInvalid, out && len(caps.Invalid) > 0},
		{"MissingObjects", testMissing, out && len(caps.Missing) > 0},
		{"Works", testWorks, out && len(caps.Works) > 0},
		{"CancelledCall", testCancelled, out},
		{"CreateGetDelete", testObjects, objects},
		{"ManyAtOnce", testManyAtOnce, objects},
		{"ServerAway", testServerAway, out && down && (objects || len(caps.Works) > 0)},
		{"Ping", testPing, true},
		{"Event", testEvent, in},
		{"EveryConsumerGetsEveryEvent", testConsumers, in},
		{"ConsumersShare", testGroups, in && caps.Groups},
		{"RedeliveryAfterError", testRedelivery, in && caps.Redelivers},
		{"RedeliveryAfterOverload", testOverload, in},
		{"StopWaitsForHandlers", testStopWaits, in},
		{"StopGivesUp", testStopGivesUp, in},
		{"NothingAfterStop", testNothingAfterStop, in},
		{"StopTwice", testStopTwice, in},
		{"ShutdownLosesNothing", testShutdown, in && caps.Keeps && !caps.Unmarked},
		{"ReaderSurvivesServer", testReaderSurvives, in && down},
	} {
		if test.when {
			t.Run(test.name, func(t *testing.T) { test.run(t, s) })
		}
	}
}

type suite struct {
	open Open
	caps Caps
}

// binding opens a binding that the test closes in the end.
func (s *suite) binding(t testing.TB) binding.Binding {
	t.Helper()
	b := s.open(t)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// output opens a binding that can be called.
func (s *suite) output(t testing.TB) binding.Output {
	t.Helper()
	out, ok := s.binding(t).(binding.Output)
	if !ok {
		t.Fatal("it is no Output any more")
	}
	return out
}

var errRefused = errors.New("refused by the test")

// running is a reader whose events the test sees.
type running struct {
	binding.Reader
	got chan *binding.Event
}

// read starts a reader; what handle says goes to the driver, nil acknowledges everything.
func read(t testing.TB, b binding.Binding, consumer string, handle binding.Handler) *running {
	t.Helper()
	in, ok := b.(binding.Input)
	if !ok {
		t.Fatal("it is no Input any more")
	}
	r := &running{got: make(chan *binding.Event, 1<<16)}
	var err error
	r.Reader, err = in.Read(t.Context(), consumer, func(ctx context.Context, ev *binding.Event) ([]byte, error) {
		r.got <- ev
		if handle == nil {
			return nil, nil
		}
		return handle(ctx, ev)
	})
	if err != nil {
		t.Fatalf("read as %s: %v", consumer, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = r.Stop(ctx) // a test that wants to know has stopped it itself
	})
	return r
}

func (r *running) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

// next waits for an event.
func (r *running) next(t testing.TB) *binding.Event {
	t.Helper()
	select {
	case ev := <-r.got:
		return ev
	case <-time.After(deadline):
		t.Fatalf("no event within %s", deadline)
		return nil
	}
}

// wait waits for something to happen.
func wait(t testing.TB, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(deadline):
		t.Fatalf("%s: not within %s", what, deadline)
	}
}

// gate lets handlers wait for the test.
type gate struct {
	entered, open chan struct{}
	once          sync.Once
}

func newGate() *gate { return &gate{entered: make(chan struct{}), open: make(chan struct{})} }

// handle waits in the first event until the gate opens or ctx ends.
func (g *gate) handle(ctx context.Context, _ *binding.Event) ([]byte, error) {
	first := false
	g.once.Do(func() { first = true; close(g.entered) })
	if !first {
		return nil, nil
	}
	select {
	case <-g.open:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
