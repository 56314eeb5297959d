// Package actortest has what tests of actors share: a store in memory.
package actortest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/actor"
)

// Store is an actor state store in memory. Its fields are set before it is used.
type Store struct {
	// Before, if not nil, is called before each transaction; its error fails it.
	Before func(ops []actor.Op) error

	mu      sync.Mutex
	entries map[string]actor.Entry
}

var _ actor.Store = (*Store)(nil)

// Get reads one key.
func (s *Store) Get(ctx context.Context, key string) (*actor.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[key]
	if !ok || !e.Expires.IsZero() && time.Now().After(e.Expires) {
		return nil, nil //nolint:nilnil // the contract's "there is none"
	}
	return &e, nil
}

// Transact does all of ops.
func (s *Store) Transact(ctx context.Context, ops []actor.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Before != nil {
		if err := s.Before(ops); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = map[string]actor.Entry{}
	}
	for _, op := range ops {
		if op.Delete {
			delete(s.entries, op.Key)
			continue
		}
		e := actor.Entry{Value: slices.Clone(op.Value)}
		if op.TTL != nil {
			e.Expires = time.Now().Add(*op.TTL)
		}
		s.entries[op.Key] = e
	}
	return nil
}

// ListKeys gives a page of keys; the token is the last key of the page before.
func (s *Store) ListKeys(_ context.Context, prefix string, limit int, token string) (keys []string, next string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.entries {
		if strings.HasPrefix(key, prefix) && key > token {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if len(keys) > limit {
		keys = keys[:limit]
		next = keys[limit-1]
	}
	return keys, next, nil
}

// Keys gives the keys that begin with prefix, in order.
func (s *Store) Keys(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.entries {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
