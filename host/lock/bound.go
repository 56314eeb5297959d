package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// bound is a store as one app sees it: resources without prefix, every call through the chain. Points and function values
// are made once.
type bound struct {
	name   string
	store  Store
	prefix string
	// whole tells that resources come with all that the driver is to see: a plugin uses the store.
	whole bool

	points   struct{ tryLock, unlock *chain.Point }
	tryFn    func(context.Context, *attempt) (bool, error)
	unlockFn func(context.Context, *attempt) (Status, error)
}

// attempt is one request, which a policy of the chain may make several times.
type attempt struct {
	resource, owner string
	expiry          time.Duration
	// uncertain tells that an earlier time may have been successful without anybody knowing.
	uncertain bool
}

// newBound binds a store to an app; label is the app's name in the chain.
func newBound(o *component.Opened[Store], app, label string, ch *chain.Chain) (*bound, error) {
	s := &bound{name: o.Decl.Name, store: o.Driver}
	var err error
	if s.prefix, err = keyPrefix(o.Metadata, o.Decl.Name, app); err != nil {
		return nil, err
	}
	if _, s.whole = component.PluginOf(app); s.whole {
		// A plugin that is a store gets resources with the prefix of the app that calls it: they have no second one.
		s.prefix = ""
	}
	point := func(name string) *chain.Point {
		return ch.Point(chain.Op{Direction: chain.Outbound, Block: "lock", Name: name, Target: o.Decl.Name, Type: o.Type, App: label})
	}
	s.points.tryLock, s.points.unlock = point("try-lock"), point("unlock")
	s.tryFn, s.unlockFn = s.doTryLock, s.doUnlock
	return s, nil
}

// stored gives the resource's name on the store.
func (s *bound) stored(resource string) (string, error) {
	if s.whole {
		return resource, nil
	}
	if err := checkSeparator(resource); err != nil {
		return "", err
	}
	return s.prefix + resource, nil
}

func (s *bound) tryLock(ctx context.Context, r *attempt) (bool, error) {
	got, err := chain.Do(ctx, s.points.tryLock, s.tryFn, r)
	return got, s.wrap(err)
}

func (s *bound) unlock(ctx context.Context, r *attempt) (Status, error) {
	status, err := chain.Do(ctx, s.points.unlock, s.unlockFn, r)
	return status, s.wrap(err)
}

// errMaybeTaken is ErrUnknown where further attempts tell nothing.
var errMaybeTaken error = &kind{
	text: "an attempt got no answer, and now the lock is taken: by it, or by somebody else", permanent: true, of: ErrUnknown,
}

// doTryLock is one attempt. Where a retry policy makes another one, after one that may have taken the lock, "taken" does
// not mean that it is somebody else's.
func (s *bound) doTryLock(ctx context.Context, r *attempt) (bool, error) {
	got, err := s.store.TryLock(ctx, r.resource, r.owner, r.expiry)
	switch {
	case err != nil:
		r.uncertain = r.uncertain || errors.Is(err, ErrUnknown) || ctx.Err() != nil
	case !got && r.uncertain:
		err = errMaybeTaken
	}
	return got, err
}

func (s *bound) doUnlock(ctx context.Context, r *attempt) (Status, error) {
	return s.store.Unlock(ctx, r.resource, r.owner)
}

// wrap says which store failed.
func (s *bound) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("lock store %s: %w", s.name, err)
}
