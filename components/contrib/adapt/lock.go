package adapt

import (
	"context"
	"errors"
	"math"
	"time"

	contrib "github.com/dapr/components-contrib/lock"
	"github.com/dapr/kit/logger"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// Lock makes a driver of a lock store.
func Lock(typ string, impl func(logger.Logger) contrib.Store, aliases ...string) component.Spec[lock.Store] {
	return spec(typ, aliases, func(ctx context.Context, cfg component.Config) (lock.Store, error) {
		s := &lockStore{impl: impl(log{cfg.Log})}
		return s, start(cfg, func() error {
			return s.impl.InitLockStore(context.WithoutCancel(ctx), contrib.Metadata{Base: base(cfg)})
		})
	})
}

type lockStore struct {
	impl contrib.Store
}

var _ lock.Pinger = (*lockStore)(nil)

// TryLock takes a lock. Dapr's components count in whole seconds: a part of one is a whole one.
func (s *lockStore) TryLock(ctx context.Context, resource, owner string, expiry time.Duration) (bool, error) {
	seconds := min((expiry+time.Second-1)/time.Second, math.MaxInt32)
	r, err := s.impl.TryLock(ctx, &contrib.TryLockRequest{ResourceID: resource, LockOwner: owner, ExpiryInSeconds: int32(seconds)}) //nolint:gosec // bounded above
	if err != nil || r == nil {
		return false, err
	}
	return r.Success, nil
}

// Unlock gives a lock back.
func (s *lockStore) Unlock(ctx context.Context, resource, owner string) (lock.Status, error) {
	r, err := s.impl.Unlock(ctx, &contrib.UnlockRequest{ResourceID: resource, LockOwner: owner})
	if err != nil {
		return lock.DoesNotExist, err
	}
	switch r.Status {
	case contrib.Success:
		return lock.Success, nil
	case contrib.LockDoesNotExist:
		return lock.DoesNotExist, nil
	case contrib.LockBelongsToOthers:
		return lock.BelongsToOthers, nil
	default:
		return lock.DoesNotExist, errors.New("the component reports an internal error")
	}
}

// Ping asks the server if the component can.
func (s *lockStore) Ping(ctx context.Context) error { return ping(ctx, s.impl) }

// Close closes the component.
func (s *lockStore) Close(context.Context) error { return s.impl.Close() }
