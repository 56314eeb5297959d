package actor

import (
	"context"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// The kinds of turns.
const (
	kindMethod     = "method"
	kindTimer      = "timer"
	kindReminder   = "reminder"
	kindActivate   = "activate"
	kindDeactivate = "deactivate"
)

// Invoke calls a method of an actor from outside of apps and waits for its turn to end. The actor is made if it is not
// there. ctx may carry a chain's id (WithReentrancyID). Every error is an *Error.
func (b *Block) Invoke(ctx context.Context, id ID, method string, in Payload) (Payload, error) {
	return b.invoke(ctx, "", id, method, in)
}

// invocation is a call of a method on its way through the chain.
type invocation struct {
	b      *Block
	typ    *actorType
	id     ID
	method string
	in     Payload
}

// invoke is Invoke on behalf of an app; "", or a name that no app has, is the outside.
func (b *Block) invoke(ctx context.Context, caller string, id ID, method string, in Payload) (Payload, error) {
	var from *session
	if caller != "" {
		b.mu.RLock()
		from = b.sessions[caller]
		b.mu.RUnlock()
	}
	return b.invokeFrom(ctx, from, id, method, in)
}

// invokeFrom is Invoke by an app, or from the outside if from is nil.
func (b *Block) invokeFrom(ctx context.Context, from *session, id ID, method string, in Payload) (Payload, error) {
	typ, err := b.typeOf(id)
	if err != nil {
		return Payload{}, err
	}
	if err := checkText("method", method, maxMethod); err != nil {
		return Payload{}, err
	}
	c := &invocation{b: b, typ: typ, id: id, method: method, in: in}
	point := typ.outside
	if from != nil {
		point = from.points[id.Type]
	}
	out, err := chain.Do(ctx, point, runInvocation, c)
	if err != nil {
		return Payload{}, guestError(id, method, err)
	}
	return out, nil
}

func runInvocation(ctx context.Context, c *invocation) (Payload, error) {
	var out Payload
	err := c.b.take(ctx, c.typ, c.id, label{kind: kindMethod, name: c.method}, func(ctx context.Context, g abi.Guest) (err error) {
		out, err = abiactor.CallActorInvoke(ctx, g, c.method, c.in)
		return err
	})
	return out, err
}

// inbound passes a call that the block itself starts through the chain.
func inbound(ctx context.Context, point *chain.Point, run func(context.Context) error) error {
	_, err := chain.Do(ctx, point, runInbound, run)
	return err
}

func runInbound(ctx context.Context, run func(context.Context) error) (struct{}, error) {
	return struct{}{}, run(ctx)
}

// typeOf checks an id and gives its type.
func (b *Block) typeOf(id ID) (*actorType, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return b.typeNamed(id.Type)
}

func (b *Block) typeNamed(name string) (*actorType, error) {
	if typ := b.types[name]; typ != nil {
		return typ, nil
	}
	if strings.HasPrefix(name, reservedTypes) {
		return nil, errorf(ErrReserved, "actor type %q: names that begin with %s are reserved", clip(name), reservedTypes)
	}
	known := "there is none"
	if len(b.names) > 0 {
		known = "there are " + strings.Join(b.names, ", ")
	}
	return nil, errorf(ErrUnknownType, "no app of this host has the actor type %q: %s; declare it in the app's manifest", clip(name), known)
}

// among does something for a caller from outside that is serialised with the turns of an active actor. When the caller
// belongs to the chain of calls that the actor's turn is in, it is done at once, inside of that turn.
func (b *Block) among(ctx context.Context, typ *actorType, id ID, what string, do func(a *actor) error) error {
	if a := typ.find(id, false); a != nil {
		if parent := frameOf(ctx); parent.holds(id) != nil {
			return do(a)
		}
	}
	if b.closing.Load() {
		return errStopping(id)
	}
	t, err := b.enter(ctx, typ, id, label{kind: what}, false)
	if err != nil {
		return err
	}
	defer b.leave(ctx, t.actor)
	if t.actor.kept == nil {
		return errorf(ErrInstanceMissing, "actor %s is not active; call a method of it first", id)
	}
	return do(t.actor)
}
