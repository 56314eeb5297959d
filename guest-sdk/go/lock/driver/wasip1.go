//go:build wasip1

package driver

import (
	"errors"
	"math"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/lock/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/lock/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/lock"
)

func init() {
	driver.Exports.Init = func(metadata driver.Metadata) *driver.Error {
		return contractError(registered.Init(pairs.Map(metadata)))
	}
	driver.Exports.TryLock = func(resource, owner string, expiryMS uint64) (bool, *driver.Error) {
		const most = math.MaxInt64 / uint64(time.Millisecond)
		got, err := registered.TryLock(resource, owner, time.Duration(min(expiryMS, most))*time.Millisecond)
		return got, contractError(err)
	}
	driver.Exports.Unlock = func(resource, owner string) (driver.UnlockStatus, *driver.Error) {
		err := registered.Unlock(resource, owner)
		switch {
		case errors.Is(err, lock.ErrNotHeld):
			return types.UnlockStatusLockDoesNotExist, nil
		case errors.Is(err, lock.ErrHeldByOther):
			return types.UnlockStatusLockBelongsToOthers, nil
		default:
			return types.UnlockStatusSuccess, contractError(err)
		}
	}
}

// contractError gives an error in the contract's form; nil stays nil.
func contractError(err error) *types.Error {
	if err == nil {
		return nil
	}
	tag := types.ErrorOther
	switch {
	case errors.Is(err, lock.ErrInvalidRequest):
		tag = types.ErrorInvalidRequest
	case errors.Is(err, lock.ErrUnavailable):
		tag = types.ErrorUnavailable
	}
	return &types.Error{Tag: tag, Value: err.Error()}
}
