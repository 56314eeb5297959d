// A lock store over a state store, which metadata "store" names: a lock is an entry that only its first writer can make.
package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/lock"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/lock/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/plugin"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// held is who has a lock, and until when.
type held struct {
	Owner string
	Ends  time.Time
}

type store struct{ inner state.Store }

func init() {
	plugin.Stateless()
	driver.Register(&store{})
}

func main() {}

func (s *store) Init(metadata map[string]string) error {
	s.inner = state.Open(metadata["store"])
	if metadata["fail"] != "" {
		return errors.New(metadata["fail"])
	}
	return nil
}

// convert gives an error of the inner store as one of a lock store.
func convert(err error) error {
	switch {
	case errors.Is(err, state.ErrUnavailable):
		return errors.Join(lock.ErrUnavailable, err)
	case errors.Is(err, state.ErrInvalidKey), errors.Is(err, state.ErrInvalidRequest):
		return errors.Join(lock.ErrInvalidRequest, err)
	default:
		return err
	}
}

func (s *store) TryLock(resource, owner string, expiry time.Duration) (bool, error) {
	switch resource {
	case "":
		return false, fmt.Errorf("%w: the resource is empty", lock.ErrInvalidRequest)
	case "trap":
		panic("as asked")
	}
	now := time.Now()
	h, etag, err := state.GetJSON[held](s.inner, resource)
	condition := state.IfMatch(etag)
	switch {
	case errors.Is(err, state.ErrNotFound):
		condition = state.IfAbsent()
	case err != nil:
		return false, convert(err)
	case now.Before(h.Ends):
		return false, nil
	}
	err = state.SetJSON(s.inner, resource, held{owner, now.Add(expiry)}, condition)
	if errors.Is(err, state.ErrETagMismatch) {
		return false, nil
	}
	return err == nil, convert(err)
}

func (s *store) Unlock(resource, owner string) error {
	h, etag, err := state.GetJSON[held](s.inner, resource)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return lock.ErrNotHeld
	case err != nil:
		return convert(err)
	case !time.Now().Before(h.Ends):
		return lock.ErrNotHeld
	case h.Owner != owner:
		return lock.ErrHeldByOther
	}
	err = s.inner.Delete(resource, state.IfMatch(etag))
	if errors.Is(err, state.ErrETagMismatch) || errors.Is(err, state.ErrNotFound) {
		return lock.ErrNotHeld // its time was over, and somebody was quick
	}
	return convert(err)
}
