package configuration

import (
	"context"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// Set writes items of a store that can be written to, for an operator; subscribers learn of it at once.
func (b *Block) Set(ctx context.Context, app, store string, items []Item) error {
	return b.write(ctx, app, store, func(ctx context.Context, s Setter) error {
		for _, item := range items {
			if err := checkKeys([]string{item.Key}); err != nil {
				return err
			}
		}
		for _, item := range items {
			if err := s.Set(ctx, item.Key, item.Value, item.Metadata); err != nil {
				return fmt.Errorf("key %q: %w", item.Key, err)
			}
		}
		return nil
	})
}

// Delete deletes keys of a store that can be written to, for an operator.
func (b *Block) Delete(ctx context.Context, app, store string, keys []string, metadata map[string]string) error {
	return b.write(ctx, app, store, func(ctx context.Context, s Setter) error {
		if len(keys) == 0 {
			return fmt.Errorf("%w: want the keys to delete, found none", ErrInvalid)
		}
		if err := checkKeys(keys); err != nil {
			return err
		}
		return s.Delete(ctx, keys, metadata)
	})
}

func (b *Block) write(ctx context.Context, app, store string, fn func(context.Context, Setter) error) error {
	s, err := b.bound(app, store)
	if err != nil {
		return err
	}
	setter, ok := s.store.(Setter)
	if !ok {
		return fmt.Errorf("%w: configuration store %s (%s) cannot be written to through the host; use the store's own tools", ErrUnsupported, s.name, s.typ)
	}
	_, err = chain.Do(ctx, s.set, func(ctx context.Context, _ struct{}) (struct{}, error) {
		return struct{}{}, fn(ctx, setter)
	}, struct{}{})
	if err != nil {
		return fmt.Errorf("configuration store %s: %w", s.name, err)
	}
	return nil
}
