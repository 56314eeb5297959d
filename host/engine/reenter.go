package engine

import (
	"context"
	"fmt"
)

// A guest that has called a host function can be entered again from there: the outer call waits in its host function,
// and the inner one runs on top of it, on the same goroutine. The runtime's function objects have a stack each and
// must not be entered twice, so that each depth has objects of its own.

// claim makes cctx the innermost call of the instance. outer is the call that ctx comes from, nil for a call from
// outside.
func (k *Kept) claim(ctx context.Context, cctx *callContext) (outer *callContext, err error) {
	outer, _ = ctx.Value(keptKey{k}).(*callContext)
	if outer != nil && outer.ended.Load() {
		// The context has outlived its call.
		outer = nil
	}
	if !k.top.CompareAndSwap(outer, cctx) {
		return nil, k.refused()
	}
	if outer != nil && k.pool.module.program != nil {
		k.top.Store(outer)
		return nil, fmt.Errorf("app %s: the guest is a component, which cannot be called while it is in a call; "+
			"switch reentrancy off", k.pool.app)
	}
	if outer != nil && !k.inst.outside {
		// The guest runs, or has not been called yet.
		k.top.Store(outer)
		return nil, k.refused()
	}
	return outer, nil
}

// suspended is what an outer call has of the instance while an inner one runs.
type suspended struct {
	funcs map[string]function
	call  context.Context //nolint:containedctx // see Instance.call
}

// suspend gets the instance ready for an inner call.
func (i *Instance) suspend() suspended {
	s := suspended{funcs: i.funcs, call: i.call}
	i.funcs = nil
	i.outside = false
	i.calling.Store(false)
	return s
}

// resume goes on with the outer call.
func (i *Instance) resume(s suspended) {
	i.funcs, i.call = s.funcs, s.call
	i.outside = true
	i.calling.Store(true)
}
