package engine

import (
	"context"
	"runtime"

	"github.com/tetratelabs/wazero/api"
)

// fuelSlice is how much fuel a guest gets at a time. A unit is at most one instruction in loops, and in code that calls
// much often a tenth of one, since a call costs the longest way through what is called. So a guest comes back to the
// host every 10 to 300 microseconds: for its deadline, and for the garbage collector, which cannot stop compiled code.
const fuelSlice = 300_000

// slicesPerTurn is after how many slices of fuel a guest lets others run.
const slicesPerTurn = 8

// yield is what a guest calls when its fuel is used up: it gives more, or ends the call if its context has ended.
func yield(ctx context.Context, _ api.Module, stack []uint64) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	inst := instanceOf(ctx)
	if inst != nil {
		inst.given += fuelSlice - int64(stack[0])
		inst.yields++
	}
	stack[0] = fuelSlice
	// A host function that is called is where the garbage collector can stop this goroutine: a slice is short for that.
	// Now and then whoever waits for a CPU goes first: many guests that compute then share the CPUs in slices of less
	// than a millisecond, and not of the 10 ms that Go lets a goroutine run, so that short calls are served between
	// them. To do it at each slice would cost a guest that computes alone several percent.
	if inst == nil || inst.yields%slicesPerTurn == 0 {
		runtime.Gosched()
	}
}

// spent is the fuel that the instance has used since it was made.
func (i *Instance) spent() uint64 {
	left := int64(0)
	switch {
	case i.fuel != nil:
		left = int64(i.fuel.Get())
	case len(i.fuels) == 0:
		return 0
	}
	for _, g := range i.fuels {
		left += int64(g.Get())
	}
	return uint64(max(i.given-left, 0))
}
