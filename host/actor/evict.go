package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// evictBatch is how many actors are put away when there is no room: one alone would be needed again at once.
const evictBatch = 8

// noRoomPause is how long to wait for others who make room just now.
const noRoomPause = time.Millisecond

// evictions tells those who need room what others do about it.
type evictions struct {
	running atomic.Int64  // who put actors away now
	freed   atomic.Uint64 // instances that were given back
}

// reserve counts one more active actor of the type, and makes room for it if there are too many.
func (b *Block) reserve(ctx context.Context, a *actor) error {
	typ := a.typ
	for {
		freed := b.evict.freed.Load()
		if typ.count() {
			return nil
		}
		if err := b.makeRoom(ctx, []*actorType{typ}, freed); err != nil {
			return errorf(ErrOverloaded, "actor %s: %d actors of type %s are active (maxActive) and %v; try again later", a.id, typ.MaxActive, typ.Type, err)
		}
	}
}

// count counts one more active actor if there may be one.
func (t *actorType) count() bool {
	for {
		n := t.active.Load()
		if t.MaxActive > 0 && n >= int64(t.MaxActive) {
			return false
		}
		if t.active.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// keepWithRoom asks for an instance and makes room until there is one.
func (b *Block) keepWithRoom(ctx context.Context, keeper block.Keeper, a *actor, memory []byte) (block.Kept, error) {
	for {
		freed := b.evict.freed.Load()
		kept, err := keeper.Keep(ctx, memory)
		if !errors.Is(err, block.ErrNoRoom) {
			return kept, err
		}
		if why := b.makeRoom(ctx, b.all(), freed); why != nil {
			return nil, errorf(ErrOverloaded, "actor %s: %v, and %v; try again later", a.id, err, why)
		}
	}
}

var errAllBusy = errors.New("none of the active ones is idle and can be put away")

// makeRoom puts some of the longest idle actors of the types away, or finds that room was made since freed was read.
// It fails when there is no idle actor, and when ctx ends.
func (b *Block) makeRoom(ctx context.Context, types []*actorType, freed uint64) error {
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("the time is up: %w", err)
		}
		if b.putSomeAway(ctx, types, evictBatch) > 0 {
			return nil
		}
		// What is not idle may be on its way out: by somebody who needs room as well.
		others := b.evict.running.Load() > 0
		if b.evict.freed.Load() != freed {
			return nil
		}
		if !others {
			return errAllBusy
		}
		pause := time.NewTimer(noRoomPause)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// putSomeAway puts up to n of the longest idle actors of the types away, and tells how many. It passes over those that
// stay because they cannot be hibernated: they count as used just now.
func (b *Block) putSomeAway(ctx context.Context, types []*actorType, n int) int {
	before := time.Now().UnixNano()
	for ctx.Err() == nil {
		idle := longestIdle(types, n, before)
		if len(idle) == 0 {
			break
		}
		if got := b.putIdleAway(ctx, idle); got > 0 {
			return got
		}
	}
	return 0
}

// longestIdle gives up to n actors of the types that are idle and were last used before the time given.
func longestIdle(types []*actorType, n int, before int64) []*actor {
	var out []*actor
	for _, t := range types {
		out = append(out, t.idle.oldest(n, before)...)
	}
	if len(types) > 1 {
		slices.SortFunc(out, func(x, y *actor) int { return int(min(max(x.used.Load()-y.used.Load(), -1), 1)) })
	}
	return out[:min(n, len(out))]
}

func (b *Block) all() []*actorType {
	out := make([]*actorType, 0, len(b.names))
	for _, name := range b.names {
		out = append(out, b.types[name])
	}
	return out
}

// PutAway hibernates or deactivates up to n idle actors, the longest unused first, and tells how many it did. It is for
// a host whose memory is short.
func (b *Block) PutAway(ctx context.Context, n int) int {
	done := 0
	for done < n && ctx.Err() == nil {
		got := b.putSomeAway(ctx, b.all(), min(n-done, 64))
		if got == 0 {
			break
		}
		done += got
	}
	return done
}

// putIdleAway puts those of the actors away that nobody uses, a few at a time, and tells how many they were.
func (b *Block) putIdleAway(ctx context.Context, actors []*actor) int {
	if len(actors) == 0 {
		return 0
	}
	b.evict.running.Add(1)
	defer b.evict.running.Add(-1)
	var done, at atomic.Int64
	work := func() {
		for {
			i := int(at.Add(1)) - 1
			if i >= len(actors) || ctx.Err() != nil {
				return
			}
			if b.putOneAway(ctx, actors[i]) {
				done.Add(1)
			}
		}
	}
	var wg sync.WaitGroup
	for range min(b.workers, len(actors)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return int(done.Load())
}

// putOneAway puts an actor away if nobody uses it.
func (b *Block) putOneAway(ctx context.Context, a *actor) bool {
	// Whose turn makes room has nothing to do with the turn that this is: the chain of calls begins here.
	// It is not bounded by that turn's time either.
	ctx = context.WithValue(context.WithoutCancel(ctx), frameKey{}, (*frame)(nil))
	t := newTurn(ctx, a, label{kind: "putting away"})
	if !a.tryEnter(t) {
		return false
	}
	defer a.pass(nil)
	if a.kept == nil {
		return false
	}
	b.putAway(ctx, a)
	return a.kept == nil
}

// sweep puts away the actors that were idle for too long, and as many more as memory demands.
func (b *Block) sweep(ctx context.Context) {
	for _, typ := range b.types {
		for ctx.Err() == nil {
			old := typ.idle.oldest(256, time.Now().Add(-typ.IdleTimeout).UnixNano())
			if b.putIdleAway(ctx, old) == 0 {
				break
			}
		}
	}
	if b.cfg.Pressure != nil && ctx.Err() == nil {
		if n := b.cfg.Pressure(); n > 0 {
			got := b.PutAway(ctx, n)
			b.log.InfoContext(ctx, "memory is short: idle actors were put away", "wanted", n, "done", got)
		}
	}
}
