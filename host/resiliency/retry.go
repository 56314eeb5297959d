package resiliency

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// exponentialStart is the first pause of an exponential retry. The pauses grow by half, and vary by half, which is
// what the library does by itself.
const exponentialStart = 500 * time.Millisecond

// minimumRetries is how often the built-in policies try again at least, as in Dapr.
const minimumRetries = 3

const (
	// builtIn is the beginning of the names of the policies that are there without being declared.
	builtIn = "DaprBuiltIn"
	// serviceRetries is for calls that leave the host, and could not connect: others may have had an effect.
	serviceRetries = builtIn + "ServiceRetries"
)

// builtInRetries are Dapr's policies of these names.
func builtInRetries() map[string]manifest.Retry {
	constant := func(n int) manifest.Retry {
		return manifest.Retry{Policy: "constant", Duration: time.Second, MaxRetries: n}
	}
	return map[string]manifest.Retry{
		serviceRetries:                    constant(3),
		builtIn + "ActorRetries":          constant(3),
		builtIn + "ActorNotFoundRetries":  constant(5),
		builtIn + "ActorReminderRetries":  {Policy: "exponential", MaxInterval: time.Minute, MaxRetries: 20},
		builtIn + "InitializationRetries": {Policy: "exponential", MaxInterval: 10 * time.Second, MaxRetries: 3},
	}
}

// retried tries a call as often as the policy says.
func (g *guard) retried(ctx context.Context, next func(context.Context) error) error {
	r := *g.retry
	tries := r.MaxRetries
	if strings.HasPrefix(g.names.Retry, builtIn) && tries >= 0 {
		tries = max(tries, minimumRetries)
	}
	t := g.retries
	options := []backoff.RetryOption{
		backoff.WithBackOff(pauses(r)), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(error, time.Duration) { t.activations.Add(1) }),
	}
	if tries >= 0 {
		options = append(options, backoff.WithMaxTries(uint(tries)+1))
	}
	t.calls.Add(1)
	last := next(ctx)
	if last == nil || tries == 0 || !g.again(ctx, r.Matching, last) {
		return last
	}
	patience, cancel := until(ctx, chain.Stopping(ctx))
	defer cancel()
	first := true
	_, err := backoff.Retry(patience, func() (struct{}, error) {
		if first {
			first = false
			return struct{}{}, last
		}
		if last = next(ctx); last != nil && !g.again(ctx, r.Matching, last) {
			return struct{}{}, backoff.Permanent(last)
		}
		return struct{}{}, last
	}, options...)
	if err != nil {
		return last // what the last try gave, not what the library makes of it
	}
	return nil
}

// until gives a context that also ends when stopping is closed.
func until(ctx context.Context, stopping <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if stopping != nil {
		go func() {
			select {
			case <-stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

func pauses(r manifest.Retry) backoff.BackOff {
	if r.Policy == "exponential" {
		b := backoff.NewExponentialBackOff()
		b.InitialInterval = exponentialStart
		if r.MaxInterval > 0 {
			b.MaxInterval = r.MaxInterval
		}
		return b
	}
	return backoff.NewConstantBackOff(r.Duration)
}

// again tells whether a failed call is to be tried again.
func (g *guard) again(ctx context.Context, m *manifest.Matching, err error) bool {
	if ctx.Err() != nil || permanent(err) {
		return false
	}
	if _, open := errors.AsType[*OpenError](err); open {
		return false
	}
	if g.names.unreached {
		dial, ok := errors.AsType[*net.OpError](err)
		return ok && dial.Op == "dial"
	}
	if m == nil {
		return true
	}
	var status interface{ HTTPStatus() int }
	if errors.As(err, &status) && m.HTTPStatusCodes != "" {
		return within(m.HTTPStatusCodes, status.HTTPStatus())
	}
	var code interface{ GRPCCode() int }
	if errors.As(err, &code) && m.GRPCStatusCodes != "" {
		return within(m.GRPCStatusCodes, code.GRPCCode())
	}
	return true
}

// within tells whether a list such as "429,500-599" has a code. The manifest has checked its form.
func within(list string, code int) bool {
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(strings.TrimSpace(low))
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(strings.TrimSpace(high)); err != nil {
				continue
			}
		}
		if from <= code && code <= to {
			return true
		}
	}
	return false
}
