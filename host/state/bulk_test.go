package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// plain is a store with nothing but the three basic operations; err decides what fails.
type plain struct {
	mu    sync.Mutex
	calls []string
	err   func(key string, call int) error
}

func (p *plain) call(key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, key)
	if p.err == nil {
		return nil
	}
	return p.err(key, len(p.calls))
}

func (p *plain) Get(_ context.Context, req GetRequest) (*Entry, error) {
	if err := p.call(req.Key); err != nil {
		return nil, err
	}
	return &Entry{Value: []byte("value of " + req.Key)}, nil
}
func (p *plain) Set(_ context.Context, req SetRequest) error       { return p.call(req.Key) }
func (p *plain) Delete(_ context.Context, req DeleteRequest) error { return p.call(req.Key) }
func (p *plain) Close(context.Context) error                       { return nil }

// retryOnce repeats a failed call once.
type retryOnce struct{}

func (retryOnce) Bind(chain.Op) chain.Guard {
	return func(ctx context.Context, next func(context.Context) error) error {
		if err := next(ctx); err == nil {
			return nil
		}
		return next(ctx)
	}
}

func bindPlain(t *testing.T, p *plain, ch *chain.Chain) *bound {
	t.Helper()
	o := &component.Opened[Store]{Decl: component.Decl{Name: "plain"}, Type: "state.plain", Driver: p}
	s, err := newBound(o, "app", "app", "", ch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBulkSetRetriesOnlyWhatMayYetSucceed: as in Dapr, a retry leaves alone what is written and what cannot be.
func TestBulkSetRetriesOnlyWhatMayYetSucceed(t *testing.T) {
	p := &plain{err: func(key string, call int) error {
		switch {
		case key == "app||mismatch":
			return Mismatch(key)
		case key == "app||later" && call <= 4:
			return ErrUnavailable
		case key == "app||never":
			return fmt.Errorf("%w: down", ErrUnavailable)
		}
		return nil
	}}
	s := bindPlain(t, p, chain.New(nil, []chain.Policy{retryOnce{}}))
	errs := s.bulkSet(t.Context(), []SetRequest{{Key: "ok"}, {Key: "mismatch"}, {Key: "bad||key"}, {Key: "later"}, {Key: "never"}})
	for i, want := range []error{nil, ErrETagMismatch, ErrInvalidKey, nil, ErrUnavailable} {
		if !errors.Is(errs[i], want) || want == nil && errs[i] != nil {
			t.Errorf("write %d: got error %v, want %v", i, errs[i], want)
		}
	}
	slices.Sort(p.calls)
	want := []string{"app||later", "app||later", "app||mismatch", "app||never", "app||never", "app||ok"}
	if !slices.Equal(p.calls, want) {
		t.Errorf("calls: got %q, want %q", p.calls, want)
	}
}

// refuse is a policy that lets no call through, such as an open circuit breaker.
type refuse struct{ err error }

func (r refuse) Bind(chain.Op) chain.Guard {
	return func(context.Context, func(context.Context) error) error { return r.err }
}

func TestBulkSetThatThePolicyRefuses(t *testing.T) {
	errOpen := errors.New("circuit breaker is open")
	p := &plain{}
	s := bindPlain(t, p, chain.New(nil, []chain.Policy{refuse{errOpen}}))
	for i, err := range s.bulkDelete(t.Context(), []DeleteRequest{{Key: "a"}, {Key: "b"}}) {
		if !errors.Is(err, errOpen) {
			t.Errorf("delete %d: got error %v, want %v", i, err, errOpen)
		}
	}
	if len(p.calls) != 0 {
		t.Errorf("calls: got %q, want none", p.calls)
	}
}

func TestBulkGetWithoutBulkGetter(t *testing.T) {
	p := &plain{err: func(key string, _ int) error {
		if key == "app||fails" {
			return ErrUnavailable
		}
		return nil
	}}
	got, err := bindPlain(t, p, nil).bulkGet(t.Context(), []string{"b", "", "fails", "a", "b"}, nil, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		value string
		err   error
	}{{"value of app||b", nil}, {"", ErrInvalidKey}, {"", ErrUnavailable}, {"value of app||a", nil}, {"value of app||b", nil}} {
		o := got[i]
		if want.err != nil && !errors.Is(o.err, want.err) || want.err == nil && (o.err != nil || string(o.entry.Value) != want.value) {
			t.Errorf("key %d: got %+v, error %v, want %q, %v", i, o.entry, o.err, want.value, want.err)
		}
	}
}

func TestWhatAPlainStoreCannotDo(t *testing.T) {
	s := bindPlain(t, &plain{}, nil)
	check := func(what string, err error, want string) {
		t.Helper()
		if !errors.Is(err, ErrNotSupported) || err.Error() != want {
			t.Errorf("%s: got error %v, want %q", what, err, want)
		}
	}
	check("transact", s.transact(t.Context(), nil, nil), "not supported: state store plain has no transactions")
	_, err := s.list(t.Context(), "", 0, "")
	check("list", err, "not supported: state store plain cannot list keys")
	_, err = s.query(t.Context(), "", nil)
	check("query", err, "not supported: state store plain does not support querying")
	err = s.set(t.Context(), &SetRequest{Key: "k", Metadata: map[string]string{"ttlInSeconds": "5"}})
	check("set with a time to live", err, "not supported: state store plain has no time to live")
	err = s.set(t.Context(), &SetRequest{Key: "k", Metadata: map[string]string{"ttlInSeconds": "-1"}})
	if err != nil {
		t.Errorf("set that removes a time to live: %v", err)
	}
}

func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, 2, 15, 16, 17, 1000} {
		var sum, running, most atomic.Int64
		each(n, 4, func(i int) {
			most.Store(max(most.Load(), running.Add(1)))
			sum.Add(int64(i))
			running.Add(-1)
		})
		if want := int64(n * (n - 1) / 2); sum.Load() != want {
			t.Errorf("each of %d: got sum %d, want %d", n, sum.Load(), want)
		}
		if most.Load() > 4 {
			t.Errorf("each of %d: %d at a time, want at most 4", n, most.Load())
		}
	}
}
