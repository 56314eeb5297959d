package resiliency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/sony/gobreaker/v2"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// OpenError says that a call was not made, because calls like it have failed.
type OpenError struct {
	Target, Policy string
	// Timeout is how long the circuit breaker stays open.
	Timeout time.Duration
}

// Error names the target and the policy.
func (e *OpenError) Error() string {
	return fmt.Sprintf("%s is not called now: circuit breaker %s is open, because calls have failed; it lets a call through again within %s", e.Target, e.Policy, e.Timeout)
}

// breakerKey names one circuit breaker: the calls of one app, or of triggers, to one target share it, whatever the
// operation; actors may have one each.
type breakerKey struct {
	policy, app, target, id string
	inbound                 bool
}

type breaker struct {
	cb   *gobreaker.CircuitBreaker[struct{}]
	open *OpenError
}

// bindBreakers gives the function that finds a call's circuit breakers.
func (p *Policy) bindBreakers(n names, cb manifest.CircuitBreaker, op chain.Op) func(context.Context) []*breaker {
	key := breakerKey{policy: n.CircuitBreaker, app: op.App, target: targetOf(op), inbound: op.Direction == chain.Inbound}
	shared := []*breaker{p.breaker(key, cb)}
	if n.scope == "" || n.scope == "type" {
		return func(context.Context) []*breaker { return shared }
	}
	own := newCache(max(n.cache, 1))
	return func(ctx context.Context) []*breaker {
		id := chain.Instance(ctx)
		b := own.get(id, func() *breaker {
			key := key
			key.id = id
			return p.newBreaker(key, cb)
		})
		if n.scope == "both" {
			return []*breaker{b, shared[0]}
		}
		return []*breaker{b}
	}
}

// breaker gives the circuit breaker of a key, made once.
func (p *Policy) breaker(key breakerKey, cb manifest.CircuitBreaker) *breaker {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.breakers[key]
	if b == nil {
		b = p.newBreaker(key, cb)
		p.breakers[key] = b
	}
	return b
}

func (p *Policy) newBreaker(key breakerKey, cb manifest.CircuitBreaker) *breaker {
	trips := p.trips[key.policy]
	target := key.target
	if key.id != "" {
		target += ", actor " + key.id
	}
	return &breaker{
		open: &OpenError{Target: target, Policy: key.policy, Timeout: cb.Timeout},
		cb: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
			Name: key.policy, MaxRequests: uint32(cb.MaxRequests), Interval: cb.Interval, Timeout: cb.Timeout,
			ReadyToTrip:  trips.reached,
			IsSuccessful: func(err error) bool { return err == nil || permanent(err) || errors.Is(err, context.Canceled) },
		}),
	}
}

func (g *guard) broken(ctx context.Context, b *breaker, next func(context.Context) error) error {
	t := g.breaks
	t.calls.Add(1)
	t.breaker.Store(b)
	_, err := b.cb.Execute(func() (struct{}, error) { return struct{}{}, next(ctx) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		t.activations.Add(1)
		return b.open
	}
	return err
}

// trip is when a circuit breaker opens.
type trip struct{ program cel.Program }

// compileTrip compiles an expression; empty is Dapr's default.
func compileTrip(text string) (trip, error) {
	if text == "" {
		text = "consecutiveFailures > 5"
	}
	var vars []cel.EnvOption
	for _, name := range []string{"requests", "totalSuccesses", "totalFailures", "consecutiveSuccesses", "consecutiveFailures"} {
		vars = append(vars, cel.Variable(name, cel.IntType))
	}
	env, err := cel.NewEnv(vars...)
	if err != nil {
		return trip{}, err
	}
	ast, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		return trip{}, issues.Err()
	}
	program, err := env.Program(ast)
	return trip{program}, err
}

func (t trip) reached(c gobreaker.Counts) bool {
	out, _, err := t.program.Eval(map[string]any{
		"requests": int64(c.Requests), "totalSuccesses": int64(c.TotalSuccesses), "totalFailures": int64(c.TotalFailures),
		"consecutiveSuccesses": int64(c.ConsecutiveSuccesses), "consecutiveFailures": int64(c.ConsecutiveFailures),
	})
	if err != nil {
		return false // for example a division by zero before there are requests
	}
	open, ok := out.Value().(bool)
	return ok && open
}
