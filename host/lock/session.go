package lock

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abilock "github.com/mrt-wasm/mrt-wasm/abi/lock"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// session is what one app has of the block.
type session struct {
	b   *Block
	app string
}

var _ abilock.StoreHost = (*session)(nil)

// Funcs are the host functions.
func (s *session) Funcs() []abi.Func { return abilock.StoreFuncs(s) }

// Close has nothing to release: components belong to the block, and locks outlive their app.
func (s *session) Close(context.Context) error { return nil }

// TryLock is the host function of this name.
func (s *session) TryLock(ctx context.Context, store, resource, owner string, expiryMS uint64) (bool, *abilock.Error) {
	const most = math.MaxInt64 / uint64(time.Millisecond) // more is refused all the same
	expiry := time.Duration(min(expiryMS, most)) * time.Millisecond
	got, err := s.b.TryLock(ctx, s.app, store, resource, owner, expiry)
	return got, wireError(err)
}

// Unlock is the host function of this name.
func (s *session) Unlock(ctx context.Context, store, resource, owner string) (abilock.UnlockStatus, *abilock.Error) {
	status, err := s.b.Unlock(ctx, s.app, store, resource, owner)
	return abilock.UnlockStatus(status), wireError(err)
}

// wireError gives err in WIT's form.
func wireError(err error) *abilock.Error {
	if err == nil {
		return nil
	}
	tag := abilock.ErrorOther
	_, missing := errors.AsType[*component.NotFoundError](err)
	switch {
	case missing:
		tag = abilock.ErrorStoreNotFound
	case errors.Is(err, ErrInvalid):
		tag = abilock.ErrorInvalidRequest
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		tag = abilock.ErrorUnavailable
	}
	return &abilock.Error{Tag: tag, Value: err.Error()}
}
