package actor

import (
	"slices"
	"time"
)

// What one turn may write, so that a guest that loops does not fill the host's memory until its deadline.
const (
	maxTurnOps   = 10_000
	maxTurnBytes = 128 << 20
)

// buffer is what a turn has written. It is a log, so that a nested turn that fails can be taken back.
type buffer struct {
	log   []Op
	last  map[string]int // the latest entry of a key
	bytes int
}

// get gives the turn's own change of a key; nil without.
func (b *buffer) get(key string) *Op {
	if i, ok := b.last[key]; ok {
		return &b.log[i]
	}
	return nil
}

func (b *buffer) add(op Op) error {
	if len(b.log) >= maxTurnOps || b.bytes+len(op.Value) > maxTurnBytes {
		return errorf(ErrInvalidRequest, "the turn writes more than %d values or %d bytes of state; write less in one turn", maxTurnOps, maxTurnBytes)
	}
	if b.last == nil {
		b.last = map[string]int{}
	}
	b.last[op.Key] = len(b.log)
	b.log = append(b.log, op)
	b.bytes += len(op.Value)
	return nil
}

// mark gives a point to go back to.
func (b *buffer) mark() int { return len(b.log) }

// restore takes back what was added since the mark.
func (b *buffer) restore(mark int) {
	if mark == len(b.log) {
		return
	}
	clear(b.log[mark:])
	b.log = b.log[:mark]
	b.bytes = 0
	clear(b.last)
	for i, op := range b.log {
		b.last[op.Key] = i
		b.bytes += len(op.Value)
	}
}

// ops gives the last change of each key under its whole key, in the order of the log.
func (b *buffer) ops(prefix string) []Op {
	if len(b.log) == 0 {
		return nil
	}
	out := make([]Op, 0, len(b.last))
	for i, op := range b.log {
		if b.last[op.Key] == i {
			op.Key = prefix + op.Key
			out = append(out, op)
		}
	}
	return out
}

// What the cache of one active actor holds at most: it is for the few small values that a turn reads again and again.
const (
	cacheBytes = 16 << 10
	cacheValue = 4 << 10
)

// cache has values as they are in the store, and nil for those that are not there. The actor is the only writer while
// it is active, so they stay true.
type cache struct {
	entries map[string]*Entry
	bytes   int
}

func (c *cache) get(key string, now time.Time) (e *Entry, ok bool) {
	e, ok = c.entries[key]
	if ok && e != nil && !e.Expires.IsZero() && !now.Before(e.Expires) {
		return nil, true
	}
	return e, ok
}

// put remembers a value; the entry is the cache's.
func (c *cache) put(key string, e *Entry) {
	c.remove(key)
	size := len(key) + 64
	if e != nil {
		size += len(e.Value)
	}
	if size > cacheValue {
		return
	}
	if c.entries == nil || c.bytes+size > cacheBytes {
		c.entries, c.bytes = map[string]*Entry{}, 0
	}
	c.entries[key] = e
	c.bytes += size
}

func (c *cache) remove(key string) {
	old, ok := c.entries[key]
	if !ok {
		return
	}
	delete(c.entries, key)
	c.bytes -= len(key) + 64
	if old != nil {
		c.bytes -= len(old.Value)
	}
}

// apply takes over what was written at the time given.
func (c *cache) apply(ops []Op, prefix string, now time.Time) {
	for _, op := range ops {
		key := op.Key[len(prefix):]
		if op.Delete {
			c.put(key, nil)
			continue
		}
		e := &Entry{Value: slices.Clone(op.Value)}
		if op.TTL != nil {
			e.Expires = now.Add(*op.TTL)
		}
		c.put(key, e)
	}
}
