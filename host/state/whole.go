package state

import (
	"context"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// Whole is a store as the host itself uses it, for example for the state of actors: keys are what the driver sees,
// values are encrypted as the component says, calls pass the chain.
type Whole struct{ s *bound }

// Whole gives the store of this name; app is on whose behalf calls are made. It fails if the app
// does not see such a component, or if it did not start or has no transactions.
func (b *Block) Whole(name, app string) (*Whole, error) {
	o, err := b.manager.Find(app, name, name)
	if err != nil {
		return nil, err
	}
	if o.Err != nil {
		return nil, fmt.Errorf("%w: state store %s did not start: %w", ErrUnavailable, name, o.Err)
	}
	s, err := newBound(o, app, app, b.cfg.Env.Namespace, b.cfg.Chain)
	if err != nil {
		return nil, fmt.Errorf("state store %s: %w", name, err)
	}
	if s.transFn == nil {
		return nil, fmt.Errorf("%w: state store %s has no transactions", ErrNotSupported, name)
	}
	s.whole = true
	return &Whole{s: s}, nil
}

// Get reads one key; nil if it does not exist or has expired.
func (w *Whole) Get(ctx context.Context, key string) (*Entry, error) {
	return w.s.get(ctx, GetRequest{Key: key, Consistency: Strong})
}

// Transact does all operations or none. It changes the requests in ops.
func (w *Whole) Transact(ctx context.Context, ops []Operation) error {
	return w.s.transact(ctx, ops, nil)
}

// ListKeys gives a page of the keys with a prefix, at most limit. It fails with ErrNotSupported if the store cannot
// list.
func (w *Whole) ListKeys(ctx context.Context, prefix string, limit int, token string) (KeyPage, error) {
	if w.s.listFn == nil {
		return KeyPage{}, fmt.Errorf("%w: state store %s cannot list keys", ErrNotSupported, w.s.name)
	}
	page, err := chain.Do(ctx, w.s.points.list, w.s.listFn, ListRequest{Prefix: prefix, Limit: limit, Token: token})
	return page, w.s.wrap(err)
}
