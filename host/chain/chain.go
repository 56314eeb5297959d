// Package chain is the call chain: what stands around every call from an app to a building block's component,
// from app to app, and from a trigger into an app. Blocks resolve a Point once and call through Do; tracing,
// metrics, logs, access and resiliency are observers and policies given to New, and blocks contain none of them.
package chain

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Direction tells which way a call goes.
type Direction uint8

// The directions of a call.
const (
	// Outbound is from an app to a component, or out of the process.
	Outbound Direction = iota
	// Inbound is from a trigger into an app.
	Inbound
	// Invoke is from an app, or from outside, to an app by name.
	Invoke
)

// String gives the direction's name as it stands in metrics and spans.
func (d Direction) String() string { return [...]string{"outbound", "inbound", "invoke"}[d] }

// Op says what is called. It selects policies and labels; it is fixed when a Point is made.
type Op struct {
	Direction Direction
	// Block is the building block, for example "state".
	Block string
	// Name is the operation, for example "get".
	Name string
	// Target is the component or the app that is called.
	Target string
	// Type is the component's type, for example "state.redis"; empty for apps.
	Type string
	// App is the app on whose behalf the call is made; empty for the outside.
	App string
}

// Observer sees every call. Bind is called once per Point; Begin and End once per call, and neither may
// allocate for a call that is not sampled.
type Observer interface {
	Bind(op Op) Probe
}

// Probe is an Observer bound to one Op.
type Probe interface {
	// Begin may give a new context, for example with a span.
	Begin(ctx context.Context) context.Context
	// End gets the context that Begin gave.
	End(ctx context.Context, elapsed time.Duration, err error)
}

// Policy may refuse, repeat or time-limit a call. Bind returns nil where the policy has nothing to say about op.
type Policy interface {
	Bind(op Op) Guard
}

// Guard is a Policy bound to one Op: it calls next as often as it sees fit.
type Guard func(ctx context.Context, next func(context.Context) error) error

// Chain holds the observers and policies of a host. A nil *Chain is valid and does nothing.
type Chain struct {
	observers []Observer
	policies  []Policy
}

// New makes a chain: the first observer is the outermost; policies run inside of all observers.
func New(observers []Observer, policies []Policy) *Chain {
	return &Chain{observers: observers, policies: policies}
}

// Point binds the chain to one Op. Make it once, not per call.
func (c *Chain) Point(op Op) *Point {
	p := &Point{op: op}
	if c == nil {
		return p
	}
	for _, o := range c.observers {
		if probe := o.Bind(op); probe != nil {
			p.probes = append(p.probes, probe)
		}
	}
	for _, pol := range c.policies {
		if g := pol.Bind(op); g != nil {
			p.guards = append(p.guards, g)
		}
	}
	return p
}

// Point is a place where calls of one Op pass. It is safe for concurrent use.
type Point struct {
	op     Op
	probes []Probe
	guards []Guard
}

// Op tells what the point was made for.
func (p *Point) Op() Op { return p.op }

// Guarded tells whether a policy stands at the point.
func (p *Point) Guarded() bool { return len(p.guards) > 0 }

// StatusError is for policies: the call was answered, with a status that says that it failed. Whoever gives it to a
// guarded Point takes it away again behind it.
type StatusError struct{ Status int }

// Error gives the status.
func (e *StatusError) Error() string { return fmt.Sprintf("the answer has status %d", e.Status) }

// HTTPStatus is the status.
func (e *StatusError) HTTPStatus() int { return e.Status }

type stoppingKey struct{}

// WithStopping says when policies are to give up waiting, and let the try that runs be the last: ctx may go on longer.
func WithStopping(ctx context.Context, stopping <-chan struct{}) context.Context {
	return context.WithValue(ctx, stoppingKey{}, stopping)
}

// Stopping gives what WithStopping said, or nil.
func Stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return c
}

type instanceKey struct{}

// WithInstance says for policies which of the target's instances is called, for example an actor's id.
func WithInstance(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, instanceKey{}, id)
}

// Instance gives what WithInstance said, or "".
func Instance(ctx context.Context) string {
	id, _ := ctx.Value(instanceKey{}).(string)
	return id
}

// Do passes one call: fn(ctx, req). Give it a function value that was made once (a bound method), so that the
// call itself allocates nothing.
func Do[Req, Res any](ctx context.Context, p *Point, fn func(context.Context, Req) (Res, error), req Req) (Res, error) {
	if len(p.probes) == 0 && len(p.guards) == 0 {
		return fn(ctx, req)
	}
	start := time.Now()
	// ctxs beyond the usual two probes go to the heap.
	var few [4]context.Context
	ctxs := few[:0]
	for _, probe := range p.probes {
		ctx = probe.Begin(ctx)
		ctxs = append(ctxs, ctx)
	}
	var res Res
	var err error
	if len(p.guards) == 0 {
		res, err = fn(ctx, req)
	} else {
		res, err = guarded(ctx, p.guards, fn, req)
	}
	elapsed := time.Since(start)
	for i := range p.probes {
		last := len(p.probes) - 1 - i
		p.probes[last].End(ctxs[last], elapsed, err) //nolint:contextcheck // the very context that Begin gave this probe
	}
	return res, err
}

// guarded is apart from Do so that only guarded calls pay for closures.
func guarded[Req, Res any](ctx context.Context, guards []Guard, fn func(context.Context, Req) (Res, error), req Req) (Res, error) {
	var res Res
	call := func(ctx context.Context) (err error) {
		res, err = fn(ctx, req)
		return err
	}
	for _, g := range slices.Backward(guards) {
		next := call
		call = func(ctx context.Context) error { return g(ctx, next) }
	}
	err := call(ctx)
	return res, err
}
