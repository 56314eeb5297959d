package binding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// Triggers gives one trigger for each input binding and each app that handles its events.
func (b *Block) Triggers(context.Context) ([]trigger.Trigger, error) {
	var out []trigger.Trigger
	var errs []error
	read := map[string]bool{} // bindings that some app reads
	for _, name := range b.cfg.Apps {
		app := b.apps[name]
		if app == nil || !app.Handles(abibinding.TriggerModule) {
			continue
		}
		for _, o := range b.manager.Visible(name) {
			t := b.newInput(o, app)
			if t == nil {
				continue
			}
			read[o.Decl.Name] = true
			out = append(out, t)
		}
	}
	for _, o := range b.manager.All() {
		if o.Err != nil || read[o.Decl.Name] {
			continue
		}
		read[o.Decl.Name] = true // open once for each app: say it once
		if err := b.unread(o); err != nil {
			errs = append(errs, err)
		}
	}
	return out, errors.Join(errs...)
}

// unread says what is wrong with an input binding whose events no app handles.
func (b *Block) unread(o *component.Opened[Binding]) error {
	dir, err := directionOf(o.Metadata, o.Driver)
	if err != nil || !dir.in {
		return err
	}
	who := "no app exports"
	if len(o.Decl.Scopes) > 0 {
		who = "no app of its scopes (" + join(o.Decl.Scopes) + ") exports"
	}
	if dir.said {
		return fmt.Errorf("%s: binding %s: direction says input, but %s %s; handle its events in an app (in Go: import guest-sdk/go/binding/trigger and set a handler), or set direction: output",
			o.Decl.Where, o.Decl.Name, who, abibinding.TriggerModule)
	}
	if !dir.out {
		b.log.Warn("an input binding is off: "+who+" "+abibinding.TriggerModule, "binding", o.Decl.Name, "at", o.Decl.Where)
	}
	return nil
}

// input is an input binding of one app: it takes events from the driver to the app.
type input struct {
	name, route, where string
	app                block.App
	in                 Input
	trace              Trace
	log                *slog.Logger
	point              *chain.Point
	// handleFn is made once: a method value would be allocated for each event.
	handleFn func(context.Context, *Event) ([]byte, error)

	reader   Reader        // nil before Start
	stopping chan struct{} // closed by Stop, for policies that would try for long
	stopOnce sync.Once
}

// newInput gives nil for a component that is no input binding, or did not start.
func (b *Block) newInput(o *component.Opened[Binding], app block.App) *input {
	if o.Err != nil {
		return nil
	}
	in, ok := o.Driver.(Input)
	if dir, err := directionOf(o.Metadata, o.Driver); !ok || err != nil || !dir.in {
		return nil
	}
	t := &input{
		name: o.Decl.Name, route: routeOf(o.Metadata, o.Decl.Name), where: o.Decl.Where, app: app, in: in, trace: b.cfg.Trace,
		log: b.log.With("binding", o.Decl.Name, "app", app.Name()),
		point: b.cfg.Chain.Point(chain.Op{
			Direction: chain.Inbound, Block: "binding", Name: "handle", Target: o.Decl.Name, Type: o.Type, App: app.Name(),
		}),
	}
	t.handleFn, t.stopping = t.handle, make(chan struct{})
	return t
}

var _ trigger.Trigger = (*input)(nil)

// Name says which binding it is.
func (t *input) Name() string { return "binding " + t.name + " of app " + t.app.Name() }

// Start begins to read.
func (t *input) Start(ctx context.Context) error {
	r, err := t.in.Read(ctx, t.app.Name(), t.receive)
	if err != nil {
		return fmt.Errorf("%s: binding %s: %w", t.where, t.name, err)
	}
	t.reader = r
	return nil
}

// Stop takes no new events, waits for the handlers that run until ctx ends, and gives the rest back.
func (t *input) Stop(ctx context.Context) error {
	if t.reader == nil {
		return nil
	}
	t.stopOnce.Do(func() { close(t.stopping) })
	return t.reader.Stop(ctx)
}

// receive is the driver's Handler.
func (t *input) receive(ctx context.Context, ev *Event) ([]byte, error) {
	if t.point.Guarded() {
		ctx = chain.WithStopping(ctx, t.stopping)
	}
	if t.trace != nil {
		ctx = t.trace.Extract(ctx, ev.Metadata["traceparent"], ev.Metadata["tracestate"])
	}
	answer, err := chain.Do(ctx, t.point, t.handleFn, ev)
	if err == nil {
		return answer, nil
	}
	if full, ok := errors.AsType[*block.ErrOverloaded](err); ok {
		t.log.DebugContext(ctx, "an event has to wait", "error", err)
		return nil, &OverloadedError{After: full.RetryAfter, Err: err}
	}
	t.log.WarnContext(ctx, "an event failed", "error", err)
	return nil, err
}

// handle runs inside the chain.
func (t *input) handle(ctx context.Context, ev *Event) (answer []byte, err error) {
	in := abibinding.Event{Data: ev.Data, ContentType: ev.ContentType, Metadata: pair(ev.Metadata)}
	err = t.app.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		out, err := abibinding.CallTriggerHandle(ctx, g, t.name, t.route, in)
		answer = nil
		if out != nil {
			// Empty is an answer too.
			answer = slices.Clip(append([]byte{}, *out...))
		}
		return err
	})
	return answer, err
}
