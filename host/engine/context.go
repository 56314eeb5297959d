package engine

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// instanceKey is the context key of the calling Instance.
type instanceKey struct{}

// callContext is the context of a call into an instance. It is a type of its own so that a host function finds its
// instance by a type assertion in the usual case.
type callContext struct {
	context.Context //nolint:containedctx // it is a context
	inst            *Instance
}

// Value gives the instance for instanceKey.
func (c *callContext) Value(key any) any {
	if _, ok := key.(instanceKey); ok {
		return c.inst
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
