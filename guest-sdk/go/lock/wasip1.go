//go:build wasip1

package lock

import (
	"errors"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/lock/store"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/lock/types"
)

func backendTryLock(name, resource, owner string, expiry time.Duration) (bool, error) {
	got, err := store.TryLock(name, resource, owner, milliseconds(expiry))
	return got, convert(err)
}

func backendUnlock(name, resource, owner string) error {
	status, err := store.Unlock(name, resource, owner)
	switch {
	case err != nil:
		return convert(err)
	case status == types.UnlockStatusLockDoesNotExist:
		return ErrNotHeld
	case status == types.UnlockStatusLockBelongsToOthers:
		return ErrHeldByOther
	default:
		return nil
	}
}

// convert gives a contract error as an error of this package.
func convert(err error) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	var base error
	switch e.Tag {
	case types.ErrorStoreNotFound:
		base = ErrStoreNotFound
	case types.ErrorInvalidRequest:
		base = ErrInvalidRequest
	case types.ErrorUnavailable:
		base = ErrUnavailable
	default:
		return errors.New(e.Value)
	}
	return fmt.Errorf("%w: %s", base, e.Value)
}
