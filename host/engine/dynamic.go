package engine

import (
	"context"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// Func gives the type of a component's exported function, named as in Exports or by another version of its interface's
// track; nil if there is none, or the module is no component.
func (m *Module) Func(export string) *canon.Func {
	if m.program == nil {
		return nil
	}
	name, _ := m.find(export)
	return m.program.exports[name].fn
}

// Invoke calls an exported function of a component with values that are only known now, and gives its result. g is what
// Pool.Do gives. It fails as g.Call does, and when args are not of the types of the parameters.
func Invoke(ctx context.Context, g abi.Guest, export string, args ...canon.Value) (result canon.Value, err error) {
	inst, ok := g.(*Instance)
	if !ok {
		return result, fmt.Errorf("invoke %s: want an instance of the engine, found a %T", export, g)
	}
	f := inst.pool.module.Func(export)
	if f == nil {
		return result, fmt.Errorf("invoke %s: the module is no component that exports this function", export)
	}
	defer canon.Catch(export, &err)
	at := inst.Export(export)
	stack := make([]uint64, max(f.StackLen(), 1))
	w := canon.NewLower(ctx, at)
	if err := f.LowerParams(&w, stack, args); err != nil {
		return result, fmt.Errorf("invoke %s: %w", export, err)
	}
	if err := g.Call(ctx, export, stack); err != nil {
		return result, err
	}
	w.End()
	l := canon.NewLift(at)
	result = f.LiftResult(&l, stack)
	fn := postReturn + export
	if g.Has(fn) {
		err = g.Call(ctx, fn, stack)
	}
	return result, err
}
