package actor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// links is what the turns of one chain of calls share. The chain runs on one goroutine: it waits for one actor at most.
type links struct {
	waits atomic.Pointer[actor]
	mu    sync.Mutex
	id    string
}

// name gives the chain's id, made when it is first wanted.
func (l *links) name() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.id == "" {
		l.id = rand.Text()
	}
	return l.id
}

// frame is one entry into an actor, of a chain: the turn itself, or one nested in it.
type frame struct {
	parent *frame
	turn   *turn
	depth  int
}

type (
	frameKey  struct{}
	idKey     struct{}
	foreignIn struct{}
)

// WithReentrancyID gives ctx with the id of the chain of calls that a call from outside belongs to: the value of the
// header Dapr-Reentrancy-Id. "" changes nothing.
func WithReentrancyID(ctx context.Context, id string) context.Context {
	if id == "" {
		return ctx
	}
	return context.WithValue(ctx, idKey{}, id)
}

// ReentrancyID gives the id of the chain of calls that ctx is in, for the header Dapr-Reentrancy-Id of what is sent
// from it; "" outside of turns, unless ctx has one by WithReentrancyID.
func ReentrancyID(ctx context.Context) string {
	if f := frameOf(ctx); f != nil {
		return f.turn.chain.name()
	}
	id, _ := ctx.Value(idKey{}).(string)
	return id
}

// frameOf gives the innermost turn that ctx is in and that is not over; nil without.
func frameOf(ctx context.Context) *frame {
	f, _ := ctx.Value(frameKey{}).(*frame)
	for f != nil && f.turn.over.Load() {
		f = f.parent
	}
	return f
}

// holds gives the frame of the chain whose turn is the actor's.
func (f *frame) holds(id ID) *frame {
	for ; f != nil; f = f.parent {
		if f.turn.actor.id == id {
			return f
		}
	}
	return nil
}

// path names the actors of the chain, the first called first, and then the one that is to be called.
func (f *frame) path(to ID) string {
	names := []string{to.String()}
	for ; f != nil && len(names) < 40; f = f.parent {
		names = append(names, f.turn.actor.id.String())
	}
	slices.Reverse(names)
	return strings.Join(names, " -> ")
}

// explainWait says why no turn came: who waited, for whom, and for whom that one waits.
func (a *actor) explainWait(t *turn, waited time.Duration, cause error) error {
	var s strings.Builder
	if t.parent != nil {
		fmt.Fprintf(&s, "the turn of actor %s", t.parent.turn.actor.id)
	} else {
		s.WriteString("the call")
	}
	fmt.Fprintf(&s, " waited %s for a turn of actor %s (%s)", waited.Round(time.Millisecond), a.id, t.what)
	seen := map[*actor]bool{a: true}
	at := a
	for range 16 {
		holder := at.current()
		if holder == nil {
			break
		}
		next := holder.chain.waits.Load()
		if next == nil || next == at {
			fmt.Fprintf(&s, "; actor %s is in a turn (%s)", at.id, holder.what)
			break
		}
		fmt.Fprintf(&s, "; actor %s is in a turn (%s) that waits for actor %s", at.id, holder.what, next.id)
		if seen[next] || t.parent != nil && next == t.parent.turn.actor {
			s.WriteString(": they wait for each other; call in one direction, or set reentrancy and call in one chain")
			break
		}
		seen[next], at = true, next
	}
	e := errorf(ErrTimeout, "%s", s.String())
	if errors.Is(cause, context.Canceled) {
		e.Text += "; the caller went away"
	}
	if t.parent != nil {
		t.parent.turn.waited = e.Text
	}
	return e
}

// ownTurn keeps a host function from taking the turn that its caller's chain is in for the caller's own: an actor may
// have called the app's other handlers, which run in instances that are no actor's.
func ownTurn(call func(context.Context, abi.Guest, []uint64)) func(context.Context, abi.Guest, []uint64) {
	return func(ctx context.Context, g abi.Guest, stack []uint64) {
		if f := frameOf(ctx); f != nil && f.turn.guest != canon.Whole(g) {
			ctx = context.WithValue(ctx, foreignIn{}, f)
		}
		call(ctx, g, stack)
	}
}

// turnOf gives the turn that the calling guest is in.
func (s *session) turnOf(ctx context.Context) (*turn, error) {
	f := frameOf(ctx)
	if f == nil || f.turn.actor.typ.App != s.app || ctx.Value(foreignIn{}) == f {
		return nil, errorf(ErrNotInTurn, "app %s: this is for an actor during its turn; call an actor and do it there", s.app)
	}
	return f.turn, nil
}
