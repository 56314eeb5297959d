package actor

import (
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/value"
)

// Context is what an actor's turn has of the host: the actor's identity, its state, its timers and its reminders. It is
// for the actor's turns only; outside of them its methods fail with client.ErrNotInTurn.
type Context struct {
	id ID
	backend
}

// ID is the actor's own name.
func (c *Context) ID() ID { return c.id }

// Self names the actor whose turn it is, wherever it is called; false outside of turns.
func Self() (ID, bool) { return backendSelf() }

// Option changes how a value is stored.
type Option func(*options)

type options struct{ ttl *uint32 }

// TTL ends a value after d, rounded up to whole seconds. 0 or less is an error when it is set.
func TTL(d time.Duration) Option {
	seconds := uint32(0)
	if d > 0 {
		seconds = uint32(min((d+time.Second-1)/time.Second, 1<<32-1))
	}
	return func(o *options) { o.ttl = &seconds }
}

// Get reads a value of the actor's state, as it was when the turn began or as the turn has set it; false if there is
// none. Errors: client.ErrNotInTurn, ErrInvalidRequest for a bad key, ErrUnavailable, and a value that is not a V.
func Get[V any](c *Context, key string) (V, bool, error) {
	var v V
	data, ok, err := c.GetRaw(key)
	if err != nil || !ok {
		return v, false, err
	}
	if v, err = value.Decode[V](data); err != nil {
		return v, false, fmt.Errorf("actor %s: the value of %q is %w", c.id, key, err)
	}
	return v, true, nil
}

// Set writes a value of the actor's state. It is stored at the end of the turn, together with all other changes, or not
// at all if the turn fails. Errors: client.ErrNotInTurn, ErrInvalidRequest for a bad key, and a value that cannot be
// written as JSON.
func Set[V any](c *Context, key string, v V, opts ...Option) error {
	data, err := value.Encode(v)
	if err != nil {
		return fmt.Errorf("actor %s: set %q: %w", c.id, key, err)
	}
	return c.SetRaw(key, data, opts...)
}

// Remove removes a value of the actor's state at the end of the turn; a missing one is fine. Errors:
// client.ErrNotInTurn, ErrInvalidRequest for a bad key.
func Remove(c *Context, key string) error {
	return c.wrap("remove", key, backendRemove(c, key))
}

// GetRaw is Get for the bytes as they are stored.
func (c *Context) GetRaw(key string) ([]byte, bool, error) {
	data, ok, err := backendGet(c, key)
	if err != nil {
		return nil, false, c.wrap("get", key, err)
	}
	return data, ok, nil
}

// SetRaw is Set for bytes.
func (c *Context) SetRaw(key string, data []byte, opts ...Option) error {
	if len(opts) == 0 {
		return c.wrap("set", key, backendSet(c, key, data, nil))
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.ttl != nil && *o.ttl == 0 {
		return c.wrap("set", key, fail.New(fail.ErrInvalidRequest, "TTL wants a time of more than 0"))
	}
	return c.wrap("set", key, backendSet(c, key, data, o.ttl))
}

// wrap says what failed.
func (c *Context) wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("actor %s: %s %q: %w", c.id, op, name, err)
}
