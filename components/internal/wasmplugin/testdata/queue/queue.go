// Package queue keeps topics in a state store, for the plugins of tests: instances of a plugin have no memory in common.
package queue

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// lease is how long a message belongs to who took it.
const lease = time.Minute

// Queue is all topics of a store.
type Queue struct{ Store state.Store }

// Taken is one message.
type Taken[T any] struct {
	ID      string
	Attempt int
	Value   T
}

// group is where a consumer group is.
type group struct {
	Next    int
	Pending map[int]*pending
}

type pending struct {
	Until   int64
	Attempt int
	Owner   string
}

func counterKey(topic string) string        { return "count " + topic }
func messageKey(topic string, n int) string { return fmt.Sprintf("message %s %d", topic, n) }

// read gives a JSON value and its etag; the zero value and none for a missing key.
func read[T any](s state.Store, key string) (T, string, error) {
	v, etag, err := state.GetJSON[T](s, key)
	if errors.Is(err, state.ErrNotFound) {
		err = nil
	}
	return v, etag, err
}

func match(etag string) state.Option {
	if etag == "" {
		return state.IfAbsent()
	}
	return state.IfMatch(etag)
}

// Add adds messages to a topic.
func (q Queue) Add(topic string, values ...any) error {
	for {
		n, etag, err := read[int](q.Store, counterKey(topic))
		if err != nil {
			return err
		}
		ops := []state.Op{state.PutJSON(counterKey(topic), n+len(values), match(etag))}
		for i, v := range values {
			ops = append(ops, state.PutJSON(messageKey(topic, n+1+i), v))
		}
		if err := q.Store.Transact(ops...); !errors.Is(err, state.ErrETagMismatch) {
			return err
		}
	}
}

// Sub is a consumer of a topic.
type Sub[T any] struct {
	q            Queue
	topic, group string
	owner        string
}

// Subscribe joins a consumer group, which begins with what is added from now on.
func Subscribe[T any](q Queue, topic, name string) (*Sub[T], error) {
	s := &Sub[T]{q: q, topic: topic, group: "group " + topic + " " + name, owner: strconv.FormatInt(time.Now().UnixNano(), 36)}
	n, _, err := read[int](q.Store, counterKey(topic))
	if err != nil {
		return nil, err
	}
	err = state.SetJSON(q.Store, s.group, group{Next: n + 1}, state.IfAbsent())
	if err != nil && !errors.Is(err, state.ErrETagMismatch) {
		return nil, err
	}
	return s, nil
}

// change reads the group, changes it and writes it, until nobody else does so meanwhile.
func (s *Sub[T]) change(f func(g *group) (bool, error)) error {
	for {
		g, etag, err := read[group](s.q.Store, s.group)
		if err != nil {
			return err
		}
		if g.Pending == nil {
			g.Pending = map[int]*pending{}
		}
		changed, err := f(&g)
		if err != nil || !changed {
			return err
		}
		if err := state.SetJSON(s.q.Store, s.group, g, state.IfMatch(etag)); !errors.Is(err, state.ErrETagMismatch) {
			return err
		}
	}
}

// Pull takes messages.
func (s *Sub[T]) Pull(limit int, wait time.Duration) ([]Taken[T], error) {
	for end := time.Now().Add(wait); ; {
		got, err := s.take(limit)
		if err != nil || len(got) > 0 || !time.Now().Before(end) {
			return got, err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (s *Sub[T]) take(limit int) ([]Taken[T], error) {
	var took []int
	attempts := map[int]int{}
	err := s.change(func(g *group) (bool, error) {
		took = nil
		count, _, err := read[int](s.q.Store, counterKey(s.topic))
		if err != nil {
			return false, err
		}
		now := time.Now().UnixNano()
		for n, p := range g.Pending {
			if p.Until <= now {
				took = append(took, n)
			}
		}
		slices.Sort(took)
		for ; g.Next <= count && len(took) < limit; g.Next++ {
			g.Pending[g.Next] = &pending{}
			took = append(took, g.Next)
		}
		took = took[:min(len(took), limit)]
		for _, n := range took {
			p := g.Pending[n]
			p.Until, p.Owner = now+int64(lease), s.owner
			p.Attempt++
			attempts[n] = p.Attempt
		}
		return len(took) > 0, nil
	})
	var out []Taken[T]
	for _, n := range took {
		if err != nil {
			break
		}
		var v T
		v, _, err = state.GetJSON[T](s.q.Store, messageKey(s.topic, n))
		out = append(out, Taken[T]{ID: strconv.Itoa(n), Attempt: attempts[n], Value: v})
	}
	return out, err
}

// Settle says what became of a message.
func (s *Sub[T]) Settle(id string, done bool) error {
	n, err := strconv.Atoi(id)
	if err != nil {
		return err
	}
	return s.change(func(g *group) (bool, error) {
		p := g.Pending[n]
		if p == nil || p.Owner != s.owner {
			return false, nil
		}
		if done {
			delete(g.Pending, n)
		} else {
			p.Until = time.Now().Add(10 * time.Millisecond).UnixNano()
		}
		return true, nil
	})
}

// Close gives back what was not settled.
func (s *Sub[T]) Close() error {
	return s.change(func(g *group) (bool, error) {
		for _, p := range g.Pending {
			if p.Owner == s.owner {
				p.Until = 0
			}
		}
		return true, nil
	})
}
