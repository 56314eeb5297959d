package binding_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func TestInvoke(t *testing.T) {
	f := start(t, newApp("orders", nil))
	host := f.host["orders"]
	reply, err := host.Invoke(t.Context(), "out", "echo", []byte("hi"), pairs("k", "1", "k", "2"))
	if err != nil || reply.Data == nil || string(*reply.Data) != "hi" || reply.ContentType != "text/plain" || fmt.Sprint(reply.Metadata) != "[{json false}]" {
		t.Errorf("echo: got %+v, %v", reply, err)
	}
	if f.sink.last.Metadata["k"] != "2" {
		t.Errorf("the driver got metadata %v, want the last of equal keys", f.sink.last.Metadata)
	}
	if reply, err = host.Invoke(t.Context(), "out", "create", nil, nil); err != nil || reply.Data != nil || fmt.Sprint(reply.Metadata) != "[{made yes}]" {
		t.Errorf("create: got %+v, %v", reply, err)
	}
	if reply, err = host.Invoke(t.Context(), "both", "nothing", nil, nil); err != nil || reply.Data != nil || reply.Metadata != nil {
		t.Errorf("nothing: got %+v, %v", reply, err)
	}
	ops, err := host.Operations(t.Context(), "out")
	if err != nil || !slices.Equal(ops, []string{"create", "echo", "nothing", "fail"}) {
		t.Errorf("operations: got %v, %v", ops, err)
	}
}

func TestInvokeErrors(t *testing.T) {
	f := &fixture{}
	f.start(t, f.config(t,
		component.Decl{Name: "in", Type: "bindings.source"}, component.Decl{Name: "out", Type: "bindings.sink"},
		component.Decl{Name: "hidden", Type: "bindings.sink", Scopes: []string{"other"}},
		component.Decl{Name: "broken", Type: "bindings.broken", IgnoreErrors: true},
		component.Decl{Name: "one-way", Type: "bindings.duplex", Metadata: component.Metadata{"direction": "input"}},
	), newApp("orders", nil))
	for _, test := range []struct {
		binding, op, kind string
		want              abibinding.ErrorTag
		text              string
	}{
		{"nope", "create", "", abibinding.ErrorBindingNotFound, "it sees in, out"},
		{"", "create", "", abibinding.ErrorBindingNotFound, "it sees in, out"},
		{"hidden", "create", "", abibinding.ErrorBindingNotFound, "hidden"},
		{"in", "create", "", abibinding.ErrorBindingNotFound, "is an input binding"},
		{"one-way", "create", "", abibinding.ErrorBindingNotFound, "is an input binding"},
		{"out", "explode", "", abibinding.ErrorUnknownOperation, "it has create, echo, nothing, fail"},
		{"out", "", "", abibinding.ErrorUnknownOperation, "it has create"},
		{"out", "fail", "", abibinding.ErrorOther, "binding out: fail: it failed"},
		{"out", "fail", "invalid", abibinding.ErrorInvalidRequest, "data"},
		{"out", "fail", "missing", abibinding.ErrorNotFound, "x"},
		{"out", "fail", "away", abibinding.ErrorUnavailable, "net"},
		{"broken", "create", "", abibinding.ErrorUnavailable, "out of order"},
	} {
		_, err := f.host["orders"].Invoke(t.Context(), test.binding, test.op, nil, pairs("kind", test.kind))
		if err == nil || err.Tag != test.want || !strings.Contains(err.Value, test.text) {
			t.Errorf("%s %s %s: got %v, want %s with %q", test.binding, test.op, test.kind, err, test.want, test.text)
		}
	}
	if _, err := f.host["orders"].Operations(t.Context(), "nope"); err == nil || err.Tag != abibinding.ErrorBindingNotFound {
		t.Errorf("operations of an unknown binding: got %v", err)
	}
}

func TestEvents(t *testing.T) {
	app := newApp("orders", func(c call) ([]byte, error) {
		switch c.data {
		case "fail":
			return nil, errors.New("not now")
		case "empty":
			return []byte{}, nil
		case "none":
			return nil, nil
		default:
			return []byte("answer to " + c.data), nil
		}
	})
	f := start(t, app)
	answer, err := f.source.emit(t, "orders", &binding.Event{Data: []byte("hi"), ContentType: "text/plain", Metadata: map[string]string{"b": "2", "a": "1"}})
	if err != nil || string(answer) != "answer to hi" {
		t.Errorf("got %q, %v", answer, err)
	}
	if got, want := fmt.Sprintf("%+v", app.next(t)), "{binding:in route:/in contentType:text/plain data:hi metadata:map[a:1 b:2]}"; got != want {
		t.Errorf("the app got %s, want %s", got, want)
	}
	if answer, err = f.source.emit(t, "orders", &binding.Event{Data: []byte("empty")}); err != nil || answer == nil || len(answer) != 0 {
		t.Errorf("an empty answer: got %v, %v", answer, err)
	}
	if answer, err = f.source.emit(t, "orders", &binding.Event{Data: []byte("none")}); err != nil || answer != nil {
		t.Errorf("no answer: got %v, %v", answer, err)
	}
	if _, err = f.source.emit(t, "orders", &binding.Event{Data: []byte("fail")}); err == nil || !strings.Contains(err.Error(), "not now") {
		t.Errorf("a failure: got %v", err)
	}
	if !f.logs.contains("an event failed") {
		t.Error("a failure is not logged")
	}
}

func TestInputErrors(t *testing.T) {
	app := newApp("orders", nil)
	f := start(t, app)
	app.handle = func(call) ([]byte, error) { return nil, trapped() }
	if _, err := f.source.emit(t, "orders", &binding.Event{}); err == nil {
		t.Error("a trap acknowledges the event")
	}
	app.admit = func() error { return overloaded() }
	_, err := f.source.emit(t, "orders", &binding.Event{})
	if full, ok := errors.AsType[*binding.OverloadedError](err); !ok || full.After != overloaded().RetryAfter {
		t.Errorf("a full queue: got %v, want an OverloadedError", err)
	}
}

func TestDirectionAndRoute(t *testing.T) {
	for _, test := range []struct {
		name     string
		decl     component.Decl
		deaf     bool
		triggers int
		route    string
		err      string
	}{
		{name: "found by the app", decl: component.Decl{Type: "bindings.source"}, triggers: 1, route: "/b"},
		{name: "no handler", decl: component.Decl{Type: "bindings.source"}, deaf: true},
		{name: "asked for", decl: component.Decl{Type: "bindings.duplex", Metadata: component.Metadata{"Direction": "Input, output"}}, triggers: 1},
		{name: "output only", decl: component.Decl{Type: "bindings.duplex", Metadata: component.Metadata{"direction": "output"}}},
		{name: "route", decl: component.Decl{Type: "bindings.duplex", Metadata: component.Metadata{"route": "custom/path"}}, triggers: 1, route: "/custom/path"},
		{name: "route with slash", decl: component.Decl{Type: "bindings.duplex", Metadata: component.Metadata{"route": "/r"}}, triggers: 1, route: "/r"},
		{name: "scoped away", decl: component.Decl{Type: "bindings.source", Scopes: []string{"other"}}},
		{name: "asked for and not handled", decl: component.Decl{Type: "bindings.source", Metadata: component.Metadata{"direction": "input"}}, deaf: true, err: "no app exports mrt:binding/trigger"},
		{name: "asked for by scope", decl: component.Decl{Type: "bindings.source", Scopes: []string{"other"}, Metadata: component.Metadata{"direction": "input"}}, err: "no app of its scopes (other)"},
		{name: "not an input", decl: component.Decl{Type: "bindings.sink", Metadata: component.Metadata{"direction": "input"}}, err: "bring no events"},
		{name: "not an output", decl: component.Decl{Type: "bindings.source", Metadata: component.Metadata{"direction": "input,output"}}, err: "cannot be called"},
		{name: "nonsense", decl: component.Decl{Type: "bindings.source", Metadata: component.Metadata{"direction": "sideways"}}, err: `found "sideways"`},
		{name: "did not start", decl: component.Decl{Type: "bindings.broken", IgnoreErrors: true}},
		{name: "does not start", decl: component.Decl{Type: "bindings.broken"}, err: "out of order"},
		{name: "no such driver", decl: component.Decl{Type: "bindings.nope"}, err: "this binary has no driver bindings.nope"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, app := &fixture{}, newApp("orders", nil)
			app.deaf, test.decl.Name = test.deaf, "b"
			err := f.open(t, f.config(t, test.decl), app)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), "manifest.yaml:7") {
					t.Errorf("got %v, want an error with %q and the place", err, test.err)
				}
				return
			}
			if err != nil || len(f.trig) != test.triggers {
				t.Fatalf("got %d triggers, %v; want %d", len(f.trig), err, test.triggers)
			}
			if test.route == "" {
				return
			}
			if err := f.trig[0].Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			src := f.source
			if test.decl.Type == "bindings.duplex" {
				src = f.duplex.source
			}
			if _, err := src.emit(t, "orders", &binding.Event{}); err != nil {
				t.Fatal(err)
			}
			if got := app.next(t); got.route != test.route || got.binding != "b" {
				t.Errorf("got %+v, want route %s", got, test.route)
			}
		})
	}
}

func TestEveryAppReadsForItself(t *testing.T) {
	one, two, deaf := newApp("one", nil), newApp("two", nil), newApp("deaf", nil)
	deaf.deaf = true
	f := &fixture{}
	f.start(t, f.config(t, component.Decl{Name: "in", Type: "bindings.source"}), one, two, deaf)
	if len(f.trig) != 2 || f.trig[0].Name() != "binding in of app one" {
		t.Fatalf("triggers: got %d", len(f.trig))
	}
	for _, app := range []*fakeApp{one, two} {
		if _, err := f.source.emit(t, app.name, &binding.Event{Data: []byte(app.name)}); err != nil || app.next(t).data != app.name {
			t.Errorf("app %s: %v", app.name, err)
		}
		if err := f.trig[0].Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestStartFails(t *testing.T) {
	f := &fixture{}
	cfg := f.config(t)
	f.source.fail = errors.New("no way")
	if err := f.open(t, cfg, newApp("orders", nil)); err != nil {
		t.Fatal(err)
	}
	if err := f.trig[0].Start(t.Context()); err == nil || !strings.Contains(err.Error(), "manifest.yaml:7: binding in: no way") {
		t.Errorf("got %v", err)
	}
}

func TestMount(t *testing.T) {
	f := &fixture{}
	f.start(t, f.config(t, component.Decl{Name: "hook", Type: "bindings.door"}), newApp("orders", nil))
	if f.mounts["/hook"] == nil {
		t.Error("the path is not mounted")
	}
	twice := f.config(t, component.Decl{Name: "hook", Type: "bindings.door"}, component.Decl{Name: "hook2", Type: "bindings.door"})
	if _, err := binding.New(t.Context(), twice); err == nil || !strings.Contains(err.Error(), "component hook2 (bindings.door): path /hook of the front door: it is taken") {
		t.Errorf("the same path twice: got %v", err)
	}
	none := f.config(t, component.Decl{Name: "hook", Type: "bindings.door"})
	none.Mount = nil
	if _, err := binding.New(t.Context(), none); err == nil || !strings.Contains(err.Error(), "no front door") {
		t.Errorf("no front door: got %v", err)
	}
	if !f.source.closed {
		t.Error("components are not closed when New fails")
	}
}

func TestDescribeAndReady(t *testing.T) {
	f := start(t, newApp("orders", nil))
	got := fmt.Sprint(f.Describe(t.Context()))
	want := `map[components:[map[capabilities:[INPUT_BINDING] name:in type:bindings.source version:v1] ` +
		`map[capabilities:[OUTPUT_BINDING] name:out type:bindings.sink version:v1] ` +
		`map[capabilities:[INPUT_BINDING OUTPUT_BINDING] name:both type:bindings.duplex version:v1]]]`
	if got != want {
		t.Errorf("describe:\n got %s\nwant %s", got, want)
	}
	if err := f.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	f.duplex.down = errors.New("gone")
	if err := f.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "binding both: gone") {
		t.Errorf("ready: got %v", err)
	}
	if f.Name() != "binding" || f.Imports()[0] != abibinding.OutputModule || f.Exports()[0] != abibinding.TriggerModule {
		t.Error("name, imports or exports are wrong")
	}
}

// recorder notes the operations of the chain and may refuse calls.
type recorder struct {
	ops    []chain.Op
	refuse int
}

func (r *recorder) Bind(op chain.Op) chain.Guard {
	r.ops = append(r.ops, op)
	return func(ctx context.Context, next func(context.Context) error) error {
		err := next(ctx)
		for ; err != nil && r.refuse > 0; r.refuse-- {
			err = next(ctx)
		}
		return err
	}
}

func TestChain(t *testing.T) {
	rec := &recorder{refuse: 2}
	tries := 0
	app := newApp("orders", func(call) ([]byte, error) {
		if tries++; tries < 3 {
			return nil, errors.New("not yet")
		}
		return nil, nil
	})
	f := &fixture{}
	cfg := f.config(t)
	cfg.Chain = chain.New(nil, []chain.Policy{rec})
	f.start(t, cfg, app)
	if _, err := f.source.emit(t, "orders", &binding.Event{}); err != nil || tries != 3 {
		t.Errorf("a policy that tries again: %v after %d tries", err, tries)
	}
	if _, err := f.host["orders"].Invoke(t.Context(), "out", "echo", nil, nil); err != nil {
		t.Error(err)
	}
	for _, want := range []chain.Op{
		{Direction: chain.Inbound, Block: "binding", Name: "handle", Target: "in", Type: "bindings.source", App: "orders"},
		{Direction: chain.Outbound, Block: "binding", Name: "echo", Target: "out", Type: "bindings.sink", App: "orders"},
	} {
		if !slices.Contains(rec.ops, want) {
			t.Errorf("no point of %+v in %+v", want, rec.ops)
		}
	}
}

type traceKey struct{}

// traces carries a trace as a text in the context.
type traces struct{}

func (traces) Inject(ctx context.Context) (parent, state string) {
	parent, _ = ctx.Value(traceKey{}).(string)
	return parent, "state-of-" + parent
}

func (traces) Extract(ctx context.Context, parent, _ string) context.Context {
	return context.WithValue(ctx, traceKey{}, parent)
}

func TestTrace(t *testing.T) {
	seen := make(chan string, 1)
	f := &fixture{}
	cfg := f.config(t)
	cfg.Trace = traces{}
	cfg.Chain = chain.New(nil, []chain.Policy{guardFunc(func(ctx context.Context, next func(context.Context) error) error {
		trace, _ := ctx.Value(traceKey{}).(string)
		select {
		case seen <- trace:
		default:
		}
		return next(ctx)
	})})
	f.start(t, cfg, newApp("orders", nil))
	if _, err := f.source.emit(t, "orders", &binding.Event{Metadata: map[string]string{"traceparent": "theirs"}}); err != nil || <-seen != "theirs" {
		t.Errorf("the event's trace does not go on: %v", err)
	}
	ctx := context.WithValue(t.Context(), traceKey{}, "ours")
	if _, err := f.host["orders"].Invoke(ctx, "out", "echo", nil, pairs("traceparent", "forged")); err != nil {
		t.Fatal(err)
	}
	if m := f.sink.last.Metadata; m["traceparent"] != "ours" || m["tracestate"] != "state-of-ours" {
		t.Errorf("the driver got %v", m)
	}
}

// TestStopEndsRetries wants a policy that tries for long to learn that the input is being stopped.
func TestStopEndsRetries(t *testing.T) {
	waiting := make(chan struct{})
	f := &fixture{}
	cfg := f.config(t)
	cfg.Chain = chain.New(nil, []chain.Policy{guardFunc(func(ctx context.Context, next func(context.Context) error) error {
		close(waiting)
		select {
		case <-chain.Stopping(ctx):
		case <-time.After(deadline):
			return errors.New("it was not told")
		}
		return next(ctx)
	})})
	f.start(t, cfg, newApp("orders", nil))
	result := make(chan error, 1)
	go func() {
		_, err := f.source.readers["orders"](context.Background(), &binding.Event{})
		result <- err
	}()
	<-waiting
	for _, tr := range f.trig {
		if err := tr.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

type guardFunc chain.Guard

func (g guardFunc) Bind(chain.Op) chain.Guard { return chain.Guard(g) }

var _ http.Handler = (*door)(nil)
