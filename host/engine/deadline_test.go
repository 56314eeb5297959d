package engine

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errGiven = errors.New("the caller has had enough")

type testKey struct{}

// begun gives the context of a call with that timeout, and what ends it.
func begun(ctx context.Context, timeout time.Duration) (*timedContext, func()) {
	d, c := &deadlines{timeout: timeout}, &timedContext{}
	d.begin(ctx, c)
	return c, func() { d.end(c) }
}

func TestTimedContext_ends(t *testing.T) {
	for name, c := range map[string]struct {
		timeout    time.Duration
		end        func(cancel context.CancelCauseFunc, end func())
		err, cause error
	}{
		"deadline":  {time.Millisecond, func(context.CancelCauseFunc, func()) {}, context.DeadlineExceeded, errTimeout},
		"caller":    {time.Hour, func(cancel context.CancelCauseFunc, _ func()) { cancel(errGiven) }, context.Canceled, errGiven},
		"call":      {time.Hour, func(_ context.CancelCauseFunc, end func()) { end() }, context.Canceled, context.Canceled},
		"call last": {time.Hour, func(cancel context.CancelCauseFunc, end func()) { cancel(errGiven); end() }, context.Canceled, errGiven},
	} {
		t.Run(name, func(t *testing.T) {
			for _, asked := range []bool{false, true} {
				parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), testKey{}, 1))
				defer cancel(nil)
				ctx, end := begun(parent, c.timeout)
				var child context.Context
				if asked {
					sub, stop := context.WithCancel(ctx)
					defer stop()
					child = sub
				}
				c.end(cancel, end)
				for at := time.Now(); ctx.Err() == nil && time.Since(at) < 20*time.Second; {
					time.Sleep(time.Millisecond)
				}
				if got, cause := ctx.Err(), context.Cause(ctx); !errors.Is(got, c.err) || !errors.Is(cause, c.cause) {
					t.Errorf("asked before %t: got %v because of %v, want %v because of %v", asked, got, cause, c.err, c.cause)
				}
				select {
				case <-ctx.Done():
				case <-time.After(20 * time.Second):
					t.Errorf("asked before %t: the channel is open", asked)
				}
				if asked {
					<-child.Done()
					if cause := context.Cause(child); !errors.Is(cause, c.cause) {
						t.Errorf("a context made of it: got the cause %v, want %v", cause, c.cause)
					}
				}
				first, why := ctx.Err(), context.Cause(ctx)
				end()
				cancel(nil)
				if !errors.Is(ctx.Err(), first) || !errors.Is(context.Cause(ctx), why) {
					t.Errorf("after the end: got %v because of %v, want %v because of %v as before", ctx.Err(), context.Cause(ctx), first, why)
				}
				if got := ctx.Value(testKey{}); got != 1 {
					t.Errorf("got the value %v, want that of the caller", got)
				}
			}
		})
	}
}

func TestTimedContext_deadline(t *testing.T) {
	early, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want, _ := early.Deadline()
	c, end := begun(early, time.Hour)
	defer end()
	if got, ok := c.Deadline(); !ok || !got.Equal(want) {
		t.Errorf("got %v, want the caller's %v", got, want)
	}
	c, end = begun(t.Context(), time.Hour)
	defer end()
	if got, ok := c.Deadline(); !ok || got.Before(want) {
		t.Errorf("got %v %t, want an hour from now", got, ok)
	}
}

// TestDeadlines ends calls in another order than they began; only those that still run time out.
func TestDeadlines(t *testing.T) {
	d := &deadlines{timeout: 50 * time.Millisecond}
	calls := make([]timedContext, 6)
	for k := range calls {
		d.begin(t.Context(), &calls[k])
	}
	for _, k := range []int{2, 0, 5} {
		d.end(&calls[k])
	}
	for _, k := range []int{1, 3, 4} {
		for at := time.Now(); calls[k].Err() == nil && time.Since(at) < 20*time.Second; {
			time.Sleep(time.Millisecond)
		}
		if err := calls[k].Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("call %d: got %v, want its deadline exceeded", k, err)
		}
		d.end(&calls[k])
	}
	for _, k := range []int{2, 0, 5} {
		if err := calls[k].Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("call %d, which has ended: got %v, want it cancelled", k, err)
		}
	}
	d.mu.Lock()
	if d.first != nil || d.last != nil {
		t.Error("want no calls left")
	}
	d.mu.Unlock()
	// The timer has found nothing to do; it is to be there for the next call.
	var next timedContext
	d.begin(t.Context(), &next)
	defer d.end(&next)
	for at := time.Now(); next.Err() == nil && time.Since(at) < 20*time.Second; {
		time.Sleep(time.Millisecond)
	}
	if err := next.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the next call: got %v, want its deadline exceeded", err)
	}
}
