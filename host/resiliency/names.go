package resiliency

import (
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

const (
	actorBlock = "actor"
	// turnOp is the name of the call that is an actor's turn; others are calls to an actor.
	turnOp = "turn"
)

// names are the policies of a target.
type names struct {
	Timeout, Retry, CircuitBreaker string
	// scope and cache are how many circuit breakers an actor type has.
	scope string
	cache int
	// unreached limits the retry to calls that did not reach the other side.
	unreached bool
}

// namesFor finds the policies of a kind of call: those of its target, or else the default ones.
func (p *Policy) namesFor(op chain.Op) names {
	for _, r := range p.resources {
		if !isFor(r, op.App) {
			continue
		}
		if n, ok := named(r, op); ok {
			return n
		}
	}
	return p.defaults(op)
}

// named gives what a resource says of a target.
func named(r *manifest.Resiliency, op chain.Op) (names, bool) {
	t := r.Spec.Targets
	switch {
	case op.Block == actorBlock:
		a, ok := t.Actors[op.Target]
		return names{
			Timeout: a.Timeout, Retry: a.Retry, CircuitBreaker: a.CircuitBreaker, scope: a.CircuitBreakerScope, cache: a.CircuitBreakerCacheSize,
		}, ok
	case isApp(op):
		a, ok := t.Apps[op.Target]
		return names{Timeout: a.Timeout, Retry: a.Retry, CircuitBreaker: a.CircuitBreaker}, ok
	case op.Type == "":
		return names{}, false // no component: the front door and the API
	}
	c, ok := t.Components[op.Target]
	side := c.Outbound
	if op.Direction == chain.Inbound {
		side = c.Inbound
	}
	if side == nil {
		return names{}, ok
	}
	return names{Timeout: side.Timeout, Retry: side.Retry, CircuitBreaker: side.CircuitBreaker}, ok
}

func isApp(op chain.Op) bool { return op.Direction == chain.Invoke && op.Block != actorBlock }

// defaults are the policies that apply by their names, the most specific first.
func (p *Policy) defaults(op chain.Op) names {
	var kinds []string
	switch {
	case op.Block == actorBlock:
		kinds = []string{"Actor", ""}
	case isApp(op):
		kinds = []string{"App", ""}
	case op.Type == "":
		return names{}
	default:
		side := "ComponentOutbound"
		if op.Direction == chain.Inbound {
			side = "ComponentInbound"
		}
		kinds = []string{typeName(op.Type) + side, side, "Component", ""}
	}
	n := names{}
	for _, kind := range kinds {
		if name := "Default" + kind + "TimeoutPolicy"; n.Timeout == "" && p.hasTimeout(name) {
			n.Timeout = name
		}
		if name := "Default" + kind + "RetryPolicy"; n.Retry == "" && p.hasRetry(name) {
			n.Retry = name
		}
		if name := "Default" + kind + "CircuitBreakerPolicy"; n.CircuitBreaker == "" && p.hasBreaker(name) {
			n.CircuitBreaker = name
		}
	}
	if n.Retry == "" && isApp(op) && op.Type != "" {
		n.Retry, n.unreached = serviceRetries, true
	}
	return n
}

// typeName is how Dapr names a kind of component in default policies.
func typeName(componentType string) string {
	kind, _, _ := strings.Cut(componentType, ".")
	switch kind = strings.ToLower(kind); kind {
	case "state":
		return "Statestore"
	case "bindings":
		return "Binding"
	case "secretstores":
		return "Secretstore"
	case "":
		return ""
	default:
		return strings.ToUpper(kind[:1]) + kind[1:]
	}
}

func (p *Policy) hasTimeout(name string) bool { _, ok := p.timeout(name); return ok }
func (p *Policy) hasRetry(name string) bool   { _, ok := p.retry(name); return ok }
func (p *Policy) hasBreaker(name string) bool { _, ok := p.circuitBreaker(name); return ok }

func (p *Policy) timeout(name string) (out time.Duration, found bool) {
	return lookup(p, name, func(s manifest.Policies) map[string]time.Duration { return s.Timeouts })
}

func (p *Policy) retry(name string) (manifest.Retry, bool) {
	r, ok := lookup(p, name, func(s manifest.Policies) map[string]manifest.Retry { return s.Retries })
	if !ok {
		r, ok = builtInRetries()[name]
	}
	return r, ok
}

func (p *Policy) circuitBreaker(name string) (manifest.CircuitBreaker, bool) {
	return lookup(p, name, func(s manifest.Policies) map[string]manifest.CircuitBreaker { return s.CircuitBreakers })
}

// lookup finds a policy by name in all resources; the last one counts.
func lookup[T any](p *Policy, name string, of func(manifest.Policies) map[string]T) (out T, found bool) {
	if name == "" {
		return out, false
	}
	for _, r := range p.resources {
		if v, ok := of(r.Spec.Policies)[name]; ok {
			out, found = v, true
		}
	}
	return out, found
}
