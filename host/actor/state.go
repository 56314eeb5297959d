package actor

import (
	"context"
	"time"
)

// GetState reads a value of an active actor from outside, as the last turn has left it; nil, nil if there is none. It
// waits for no turn. It fails with ErrInstanceMissing when the actor is not active, ErrInvalidRequest and
// ErrUnavailable.
func (b *Block) GetState(ctx context.Context, id ID, key string) (*Entry, error) {
	typ, err := b.typeOf(id)
	if err != nil {
		return nil, err
	}
	if err := checkText("key", key, maxKey); err != nil {
		return nil, err
	}
	if a := typ.find(id, false); a == nil || !a.live.Load() {
		return nil, errorf(ErrInstanceMissing, "actor %s is not active; call a method of it first", id)
	}
	e, err := typ.store.Get(ctx, id.prefix(typ.App)+key)
	if err != nil {
		return nil, storeError(id, "its state cannot be read", err)
	}
	return e, nil
}

// TransactState writes state of an active actor from outside, all of ops or nothing. Keys are the actor's own; of
// several ops of one key the last counts. It takes its place among the turns; a caller that belongs to the chain of
// calls of the actor's present turn does it at once. It fails with ErrInstanceMissing when the actor is not active,
// ErrInvalidRequest, ErrUnavailable and what waiting for a turn fails with.
func (b *Block) TransactState(ctx context.Context, id ID, ops []Op) error {
	typ, err := b.typeOf(id)
	if err != nil {
		return err
	}
	var buf buffer
	for _, op := range ops {
		if err := checkText("key", op.Key, maxKey); err != nil {
			return err
		}
		if op.TTL != nil && *op.TTL <= 0 {
			return errorf(ErrInvalidRequest, "key %q: ttl: expected more than 0, found %s", clip(op.Key), *op.TTL)
		}
		if err := buf.add(op); err != nil {
			return err
		}
	}
	return b.among(ctx, typ, id, "a state transaction", func(a *actor) error {
		prefix := id.prefix(typ.App)
		whole := buf.ops(prefix)
		if len(whole) == 0 {
			return nil
		}
		if err := b.transact(ctx, typ, whole); err != nil {
			a.cache = cache{}
			return storeError(id, "its state cannot be written", err)
		}
		a.cache.apply(whole, prefix, time.Now())
		return nil
	})
}

// read gives a value as the turn sees it; nil if there is none.
func (t *turn) read(ctx context.Context, key string) ([]byte, bool, error) {
	if own := t.buf.get(key); own != nil {
		return own.Value, !own.Delete, nil
	}
	a := t.actor
	e, ok := a.cache.get(key, time.Now())
	if !ok {
		var err error
		if e, err = a.typ.store.Get(ctx, a.id.prefix(a.typ.App)+key); err != nil {
			return nil, false, storeError(a.id, "its state cannot be read", err)
		}
		a.cache.put(key, e)
	}
	if e == nil {
		return nil, false, nil
	}
	return e.Value, true, nil
}
