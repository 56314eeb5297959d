package engine

import (
	"context"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// instanceKey is the context key of the calling Instance.
type instanceKey struct{}

// callContext is the context of a call into an instance. It is a type of its own so that a host function finds its
// instance by a type assertion in the usual case.
type callContext struct {
	context.Context //nolint:containedctx // it is a context
	inst            *Instance
	// timed is the context with the call's deadline, if it has one.
	timed timedContext
	// kept is whose call it is if the instance is a kept one, and ended tells that the call is over.
	kept  *Kept
	ended atomic.Bool
}

// keptKey is the context key of a kept instance's innermost call.
type keptKey struct{ kept *Kept }

// callKey is the context key of an instance's innermost call.
type callKey struct{ inst *Instance }

// serves tells whether ctx belongs to the call that the instance is in.
func (i *Instance) serves(ctx context.Context) bool {
	c, ok := ctx.Value(callKey{i}).(*callContext)
	return ok && i.call == context.Context(c)
}

// around makes c the context of a call whose caller gave ctx.
func (c *callContext) around(ctx context.Context) context.Context {
	c.Context = ctx
	return c
}

// Value gives the instance for instanceKey and moduleKey, and the call itself for callKey and keptKey.
func (c *callContext) Value(key any) any {
	switch key := key.(type) {
	case instanceKey:
		return c.inst
	case moduleKey:
		if c.inst.pool.module == key.module {
			return c.inst
		}
	case callKey:
		if c.inst == key.inst {
			return c
		}
	case keptKey:
		if key.kept == c.kept {
			return c
		}
	}
	return c.Context.Value(key)
}

// instanceOf gives the instance whose call ctx belongs to; nil outside of calls.
func instanceOf(ctx context.Context) *Instance {
	if c, ok := ctx.(*callContext); ok {
		return c.inst
	}
	inst, _ := ctx.Value(instanceKey{}).(*Instance)
	return inst
}

// carriedBy gives a context by which host functions find the instance: ctx, or one around it when the caller gave
// another context than that of the call.
func (i *Instance) carriedBy(ctx context.Context) context.Context {
	if instanceOf(ctx) == i {
		return ctx
	}
	return &callContext{Context: ctx, inst: i}
}

// App gives the name of the app whose guest ctx belongs to, "" outside of a guest's call.
func App(ctx context.Context) string {
	if inst := instanceOf(ctx); inst != nil {
		return inst.pool.app
	}
	return ""
}

// GuestOf gives the instance whose call ctx belongs to, nil outside of a guest's call.
func GuestOf(ctx context.Context) abi.Guest {
	if inst := instanceOf(ctx); inst != nil {
		return inst
	}
	return nil
}
