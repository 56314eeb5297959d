package resiliency

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// load reads a Resiliency's spec.
func load(t *testing.T, specs ...string) *Policy {
	t.Helper()
	var docs []string
	for i, spec := range specs {
		docs = append(docs, fmt.Sprintf("apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: r%d}\n%s\n", i, spec))
	}
	m, err := manifest.Loader{}.Parse(manifest.Source{Name: "r.yaml", Data: []byte(strings.Join(docs, "---\n") + components)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(m.Resiliencies)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const components = `---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: db}
spec: {type: state.in-memory}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: bus}
spec: {type: pubsub.in-memory}
`

var (
	get     = chain.Op{Direction: chain.Outbound, Block: "state", Name: "get", Target: "db", Type: "state.in-memory", App: "a"}
	set     = chain.Op{Direction: chain.Outbound, Block: "state", Name: "set", Target: "db", Type: "state.in-memory", App: "a"}
	handle  = chain.Op{Direction: chain.Inbound, Block: "pubsub", Name: "handle", Target: "bus", Type: "pubsub.in-memory", App: "a"}
	call    = chain.Op{Direction: chain.Invoke, Block: "invoke", Name: "invoke", Target: "billing", App: "a"}
	message = chain.Op{Direction: chain.Invoke, Block: "actor", Name: "call", Target: "Cart", App: "a"}
	turn    = chain.Op{Direction: chain.Invoke, Block: "actor", Name: "turn", Target: "Cart", App: "a"}
	// endpoint is a call to an HTTPEndpoint.
	endpoint = chain.Op{Direction: chain.Invoke, Block: "invoke", Name: "invoke", Target: "weather", Type: "http", App: "a"}
	front    = chain.Op{Direction: chain.Inbound, Block: "http", Name: "GET", Target: "a"}
)

const policies = `spec:
  policies:
    timeouts: {fast: 20ms}
    retries:
      few: {policy: constant, duration: 1ms, maxRetries: 2}
      some: {policy: constant, duration: 1ms, maxRetries: 2, matching: {httpStatusCodes: "429,500-599"}}
      DaprBuiltInServiceRetries: {policy: constant, duration: 1ms, maxRetries: 1}
    circuitBreakers:
      cb: {timeout: 1h, trip: consecutiveFailures >= 2}
  targets:
    apps: {billing: {retry: some}}
    actors: {Cart: {timeout: fast, retry: few, circuitBreaker: cb, circuitBreakerScope: id}}
    components: {db: {outbound: {retry: few}}, bus: {inbound: {timeout: fast}}}
`

// permanentError is one that trying again cannot mend.
type permanentError struct{}

func (permanentError) Error() string   { return "etag mismatch" }
func (permanentError) Permanent() bool { return true }

// run makes a call that fails with err until it has been tried succeedAt times; 0 is never.
func run(t *testing.T, p *Policy, op chain.Op, succeedAt int, err error) (tries int, got error) {
	t.Helper()
	g := p.Bind(op)
	if g == nil {
		t.Fatalf("no guard for %+v", op)
	}
	got = g(t.Context(), func(context.Context) error {
		if tries++; tries == succeedAt {
			return nil
		}
		return err
	})
	return tries, got
}

func TestRetries(t *testing.T) {
	failure := errors.New("connection refused")
	tests := []struct {
		name      string
		op        chain.Op
		succeedAt int
		err       error
		tries     int
		fails     bool
	}{
		{"succeeds at once", get, 1, failure, 1, false},
		{"succeeds in the end", get, 3, failure, 3, false},
		{"gives up", get, 0, failure, 3, true},
		{"never for what cannot be mended", get, 0, fmt.Errorf("state store db: %w", permanentError{}), 1, true},
		{"a status that matches", call, 0, &chain.StatusError{Status: 503}, 3, true},
		{"a status that does not match", call, 0, &chain.StatusError{Status: 404}, 1, true},
		{"no status at all", call, 0, failure, 3, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tries, err := run(t, load(t, policies), tt.op, tt.succeedAt, tt.err)
			if tries != tt.tries || (err != nil) != tt.fails {
				t.Errorf("got %d tries and %v; want %d tries, failure %v", tries, err, tt.tries, tt.fails)
			}
			if tt.fails && !errors.Is(err, tt.err) {
				t.Errorf("got the error %v; want that of the last try, %v", err, tt.err)
			}
		})
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	p := load(t, strings.ReplaceAll(policies, "duration: 1ms, maxRetries: 2", "duration: 1h, maxRetries: -1"))
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := p.Bind(get)(ctx, func(context.Context) error {
		tries++
		cancel()
		return errors.New("down")
	})
	if tries != 1 || err == nil || err.Error() != "down" {
		t.Errorf("got %d tries and %v; want 1 and the try's error", tries, err)
	}
}

func TestRetryEndsWhenItsCallerStops(t *testing.T) {
	p := load(t, strings.ReplaceAll(policies, "duration: 1ms, maxRetries: 2", "duration: 1h, maxRetries: -1"))
	stopping := make(chan struct{})
	tries := 0
	err := p.Bind(get)(chain.WithStopping(t.Context(), stopping), func(ctx context.Context) error {
		if tries++; tries == 1 {
			close(stopping)
		}
		if ctx.Err() != nil {
			t.Error("the try itself is ended; want only the waiting to end")
		}
		return errors.New("down")
	})
	if tries != 1 || err == nil || err.Error() != "down" {
		t.Errorf("got %d tries and %v; want 1 and the try's error", tries, err)
	}
}

func TestTimeout(t *testing.T) {
	p := load(t, policies)
	err := p.Bind(handle)(t.Context(), func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if late, ok := errors.AsType[*TimeoutError](err); !ok || late.Policy != "fast" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want a timeout that names its policy", err)
	}
	if err := p.Bind(handle)(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("got %v; want success", err)
	}
}

func TestCircuitBreakerIsSharedByOperations(t *testing.T) {
	p := load(t, strings.Replace(policies, "outbound: {retry: few}", "outbound: {circuitBreaker: cb}", 1))
	down := errors.New("down")
	for _, op := range []chain.Op{get, set} {
		if _, err := run(t, p, op, 0, down); !errors.Is(err, down) {
			t.Fatalf("got %v; want %v", err, down)
		}
	}
	tries, err := run(t, p, get, 1, down)
	if _, open := errors.AsType[*OpenError](err); !open || tries != 0 {
		t.Errorf("got %d tries and %v; want an open circuit breaker", tries, err)
	}
	other := get
	other.App = "b"
	if _, err := run(t, p, other, 1, down); err != nil {
		t.Errorf("the calls of another app: got %v; want success", err)
	}
	for _, c := range p.Counts() {
		if c.App == "a" && (c.State != "open" || c.Calls != 3 || c.Activations != 1) {
			t.Errorf("got %+v; want 3 calls, of which 1 was refused, and open", c)
		}
	}
}

func TestPermanentErrorsDoNotOpenTheCircuit(t *testing.T) {
	p := load(t, strings.Replace(policies, "outbound: {retry: few}", "outbound: {circuitBreaker: cb}", 1))
	for range 5 {
		if _, err := run(t, p, get, 0, permanentError{}); !errors.Is(err, permanentError{}) {
			t.Fatalf("got %v; want the call's own error", err)
		}
	}
}

func TestOpenCircuitIsNotRetried(t *testing.T) {
	p := load(t, strings.Replace(policies, "outbound: {retry: few}", "outbound: {retry: few, circuitBreaker: cb}", 1))
	tries, err := run(t, p, get, 0, errors.New("down"))
	if _, open := errors.AsType[*OpenError](err); !open || tries != 2 {
		t.Errorf("got %d tries and %v; want 2, and then an open circuit breaker", tries, err)
	}
}

func TestActors(t *testing.T) {
	p := load(t, policies)
	g := p.Bind(message)
	down := errors.New("down")
	fail := func(id string) error {
		return g(chain.WithInstance(t.Context(), id), func(context.Context) error { return down })
	}
	if err := fail("1"); err == nil || errors.Is(err, down) {
		t.Errorf("got %v; want an open circuit breaker after two tries", err)
	}
	if err := g(chain.WithInstance(t.Context(), "2"), func(context.Context) error { return nil }); err != nil {
		t.Errorf("another actor: got %v; want success", err)
	}
	tries, err := run(t, p, turn, 0, down)
	if tries != 1 || !errors.Is(err, down) {
		t.Errorf("a turn: got %d tries and %v; want one try", tries, err)
	}
}

func TestBindFindsPolicies(t *testing.T) {
	defaults := `spec:
  policies:
    timeouts: {DefaultTimeoutPolicy: 1s, DefaultStatestoreComponentOutboundTimeoutPolicy: 2s, DefaultAppTimeoutPolicy: 3s, DefaultLockComponentOutboundTimeoutPolicy: 4s, DefaultCryptoComponentOutboundTimeoutPolicy: 5s}
    retries: {DefaultComponentInboundRetryPolicy: {maxRetries: 1}}
`
	p := load(t, defaults)
	for _, tt := range []struct {
		op   chain.Op
		want names
	}{
		{get, names{Timeout: "DefaultStatestoreComponentOutboundTimeoutPolicy"}},
		{chain.Op{Direction: chain.Outbound, Block: "lock", Name: "try-lock", Target: "lockstore", Type: "lock.redis", App: "a"}, names{Timeout: "DefaultLockComponentOutboundTimeoutPolicy"}},
		{chain.Op{Direction: chain.Outbound, Block: "crypto", Name: "sign", Target: "vault", Type: "crypto.dapr.jwks", App: "a"}, names{Timeout: "DefaultCryptoComponentOutboundTimeoutPolicy"}},
		{handle, names{Timeout: "DefaultTimeoutPolicy", Retry: "DefaultComponentInboundRetryPolicy"}},
		{call, names{Timeout: "DefaultAppTimeoutPolicy"}},
		{turn, names{Timeout: "DefaultTimeoutPolicy"}},
		{front, names{}},
		{endpoint, names{Timeout: "DefaultAppTimeoutPolicy", Retry: serviceRetries, unreached: true}},
	} {
		if got := p.namesFor(tt.op); got != tt.want {
			t.Errorf("%s %s: got %+v; want %+v", tt.op.Block, tt.op.Name, got, tt.want)
		}
	}
	if load(t, policies).Bind(front) != nil {
		t.Error("the front door has a guard; want none: it is not a target")
	}
}

func TestScopes(t *testing.T) {
	p := load(t, policies+"scopes: [b]\n")
	if p.Bind(get) != nil {
		t.Error("a resource for app b guards a call of app a")
	}
	other := get
	other.App = "b"
	if p.Bind(other) == nil {
		t.Error("a resource for app b does not guard its call")
	}
}

func TestBuiltInPoliciesKeepTheirMinimum(t *testing.T) {
	p := load(t, strings.Replace(policies, "outbound: {retry: few}", "outbound: {retry: DaprBuiltInServiceRetries}", 1))
	if tries, _ := run(t, p, get, 0, errors.New("down")); tries != 1+minimumRetries {
		t.Errorf("got %d tries; want %d", tries, 1+minimumRetries)
	}
}

func TestCallsThatReachTheOtherSideAreNotRepeatedByThemselves(t *testing.T) {
	p := load(t, `spec: {policies: {retries: {DaprBuiltInServiceRetries: {duration: 1ms}}}}`)
	dial := fmt.Errorf("call: %w", &net.OpError{Op: "dial", Err: errors.New("connection refused")})
	if tries, _ := run(t, p, endpoint, 3, dial); tries != 3 {
		t.Errorf("no connection: got %d tries; want 3", tries)
	}
	for _, err := range []error{&net.OpError{Op: "read", Err: errors.New("reset")}, &chain.StatusError{Status: 503}} {
		if tries, _ := run(t, p, endpoint, 3, err); tries != 1 {
			t.Errorf("%v: got %d tries; want 1", err, tries)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		list string
		code int
		want bool
	}{{"429,500-599", 429, true}, {"429,500-599", 599, true}, {"429, 500-599", 500, true}, {"429", 430, false}, {"", 1, false}} {
		if got := within(tt.list, tt.code); got != tt.want {
			t.Errorf("within(%q, %d): got %v; want %v", tt.list, tt.code, got, tt.want)
		}
	}
}

func TestCacheKeepsTheLastUsed(t *testing.T) {
	c := newCache(2)
	made := 0
	get := func(id string) *breaker {
		return c.get(id, func() *breaker { made++; return &breaker{} })
	}
	first := get("1")
	get("2")
	if get("1") != first {
		t.Error("an entry in use is made again")
	}
	get("3") // drops 2
	if get("1") != first || made != 3 {
		t.Errorf("made %d; want the entry that was used last to stay", made)
	}
	if get("2"); made != 4 {
		t.Errorf("made %d; want the dropped one to be made again", made)
	}
}
