package binding

import (
	"context"
	"fmt"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// output is a binding that one app may call.
type output struct {
	name  string
	out   Output
	trace Trace
	ops   []string
	// points are in the order of ops.
	points []*chain.Point
	// invokeFn is made once: a method value would be allocated for each call.
	invokeFn func(context.Context, *Request) (*Reply, error)
}

// Operations lists the operations of a binding. The error is a *component.NotFoundError, or says why the binding cannot
// be called.
func (b *Block) Operations(app, name string) ([]string, error) {
	o, err := b.output(app, name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(o.ops), nil
}

// Invoke calls an operation on behalf of an app; a nil reply means that it has nothing to tell. The metadata of req
// gets the trace context. The errors are those of this package and *component.NotFoundError.
func (b *Block) Invoke(ctx context.Context, app, name string, req *Request) (*Reply, error) {
	o, err := b.output(app, name)
	if err != nil {
		return nil, err
	}
	i := slices.Index(o.ops, req.Operation)
	if i < 0 {
		return nil, &UnknownOperationError{Binding: o.name, Operation: req.Operation, Have: o.ops}
	}
	reply, err := chain.Do(ctx, o.points[i], o.invokeFn, req)
	if err != nil {
		return nil, fmt.Errorf("binding %s: %s: %w", o.name, req.Operation, err)
	}
	if reply != nil && len(reply.Data) > MaxData {
		return nil, fmt.Errorf("binding %s: %s: the reply has %d bytes, and an app takes at most %d", o.name, req.Operation, len(reply.Data), MaxData)
	}
	return reply, nil
}

// invoke runs inside the chain, so that the trace context is that of the call's own span.
func (o *output) invoke(ctx context.Context, req *Request) (*Reply, error) {
	if o.trace == nil {
		return o.out.Invoke(ctx, req)
	}
	parent, state := o.trace.Inject(ctx)
	if parent != "" {
		if req.Metadata == nil {
			req.Metadata = map[string]string{}
		}
		req.Metadata["traceparent"] = parent
		if state != "" {
			req.Metadata["tracestate"] = state
		}
	}
	return o.out.Invoke(ctx, req)
}

// output gives a binding as one app may call it. It is made once.
func (b *Block) output(app, name string) (*output, error) {
	b.mu.Lock()
	found := b.outputs[[2]string{app, name}]
	b.mu.Unlock()
	if found != nil {
		return found, nil
	}
	if name == "" {
		// A binding has no default: whatever is called, it is not "the only one there happens to be".
		return nil, &component.NotFoundError{Kind: Kind, App: app, Have: b.names(app)}
	}
	o, err := b.manager.Find(app, name, "")
	if err != nil {
		return nil, err
	}
	if o.Err != nil {
		return nil, fmt.Errorf("%w: binding %s did not start: %w", ErrUnavailable, name, o.Err)
	}
	dir, err := directionOf(o.Metadata, o.Driver)
	if err != nil {
		return nil, err
	}
	if !dir.out {
		return nil, fmt.Errorf("binding %s (%s) is an input binding: %w", name, o.Type, errNotOutput)
	}
	made := b.newOutput(app, o)
	b.mu.Lock()
	defer b.mu.Unlock()
	const most = 10_000
	if len(b.outputs) >= most {
		clear(b.outputs) // programs outside may use any number of app names; keep memory bounded
	}
	b.outputs[[2]string{app, name}] = made
	return made, nil
}

func (b *Block) newOutput(app string, o *component.Opened[Binding]) *output {
	out, _ := o.Driver.(Output) // its direction says so
	made := &output{name: o.Decl.Name, out: out, trace: b.cfg.Trace, ops: out.Operations()}
	made.invokeFn = made.invoke
	op := chain.Op{Direction: chain.Outbound, Block: "binding", Target: o.Decl.Name, Type: o.Type}
	if slices.Contains(b.cfg.Apps, app) {
		op.App = app // a name that a program outside made up would be a label of its own in every metric
	}
	for _, name := range made.ops {
		op.Name = name
		made.points = append(made.points, b.cfg.Chain.Point(op))
	}
	return made
}

func (b *Block) names(app string) []string {
	var out []string
	for _, o := range b.manager.Visible(app) {
		out = append(out, o.Decl.Name)
	}
	return out
}
