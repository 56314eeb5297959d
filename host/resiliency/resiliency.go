// Package resiliency applies Dapr's Resiliency policies to the calls of a host: timeouts, retries and circuit
// breakers, chosen by what is called. It is a policy of the call chain; blocks know nothing of it.
//
// The retry is outermost, then the circuit breaker, then the timeout of each try, as in Dapr. An error that trying
// again cannot mend (it has a method Permanent that says so, for example an etag mismatch) is not tried again and is
// no failure for a circuit breaker; nor is a call tried again whose circuit breaker is open.
package resiliency

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// Policy is the policies of one host.
type Policy struct {
	resources []*manifest.Resiliency
	trips     map[string]trip // by circuit breaker

	mu       sync.Mutex
	breakers map[breakerKey]*breaker // guarded by mu
	tallies  map[tallyKey]*tally     // guarded by mu
}

var _ chain.Policy = (*Policy)(nil)

// New makes the policy of a manifest's Resiliency objects. Policies of all objects share one set of names; of two
// with one name, the last counts.
func New(resources []*manifest.Resiliency) (*Policy, error) {
	p := &Policy{
		resources: resources, trips: map[string]trip{},
		breakers: map[breakerKey]*breaker{}, tallies: map[tallyKey]*tally{},
	}
	var errs []error
	for _, r := range resources {
		for name, cb := range r.Spec.Policies.CircuitBreakers {
			t, err := compileTrip(cb.Trip)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: circuit breaker %s: trip: %w", cb.Pos, name, err))
			}
			p.trips[name] = t
		}
	}
	return p, errors.Join(errs...)
}

// Bind gives the guard of a kind of call; nil if no policy is for it.
func (p *Policy) Bind(op chain.Op) chain.Guard {
	names := p.namesFor(op)
	g := &guard{p: p, op: op}
	g.timeout, _ = p.timeout(names.Timeout)
	if r, ok := p.retry(names.Retry); ok {
		g.retry = &r
	}
	if cb, ok := p.circuitBreaker(names.CircuitBreaker); ok {
		g.breakers = p.bindBreakers(names, cb, op)
	}
	if op.Block == actorBlock {
		// Before the actor's turn has come: retries and circuit breakers. In the turn: the timeout.
		if op.Name == turnOp {
			g.retry, g.breakers = nil, nil
		} else {
			g.timeout = 0
		}
	}
	if g.timeout == 0 && g.retry == nil && g.breakers == nil {
		return nil
	}
	g.names = names
	g.timeouts, g.retries, g.breaks = p.tally(op, names.Timeout), p.tally(op, names.Retry), p.tally(op, names.CircuitBreaker)
	return g.do
}

// guard is the policies of one kind of call.
type guard struct {
	p        *Policy
	op       chain.Op
	names    names
	timeout  time.Duration
	retry    *manifest.Retry
	breakers func(ctx context.Context) []*breaker

	timeouts, retries, breaks *tally
}

// do passes one call.
func (g *guard) do(ctx context.Context, next func(context.Context) error) error {
	call := next
	if g.timeout > 0 {
		inner := call
		call = func(ctx context.Context) error { return g.timed(ctx, inner) }
	}
	if g.breakers != nil {
		for _, b := range g.breakers(ctx) {
			inner := call
			call = func(ctx context.Context) error { return g.broken(ctx, b, inner) }
		}
	}
	if g.retry == nil {
		return call(ctx)
	}
	return g.retried(ctx, call)
}

// TimeoutError says that a try took longer than its policy allows.
type TimeoutError struct {
	Target, Policy string
	After          time.Duration
}

// Error names the target and the policy.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s did not answer within %s (timeout %s of the Resiliency policies)", e.Target, e.After, e.Policy)
}

// Unwrap gives context.DeadlineExceeded.
func (e *TimeoutError) Unwrap() error { return context.DeadlineExceeded }

func (g *guard) timed(ctx context.Context, next func(context.Context) error) error {
	late := &TimeoutError{Target: targetOf(g.op), Policy: g.names.Timeout, After: g.timeout}
	tctx, cancel := context.WithTimeoutCause(ctx, g.timeout, late)
	defer cancel()
	g.timeouts.calls.Add(1)
	err := next(tctx)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(tctx), late) {
		g.timeouts.activations.Add(1)
		return fmt.Errorf("%w: %w", late, err)
	}
	return err
}

// targetOf names what is called, for errors and metrics.
func targetOf(op chain.Op) string {
	switch {
	case op.Block == actorBlock:
		return "actor type " + op.Target
	case op.Direction == chain.Invoke:
		return "app " + op.Target
	default:
		return "component " + op.Target
	}
}

// permanent tells that trying again cannot mend an error.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// for tells whether a resource is for the calls of an app.
func isFor(r *manifest.Resiliency, app string) bool {
	return len(r.Scopes) == 0 || slices.Contains(r.Scopes, app)
}
