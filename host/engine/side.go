package engine

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

// componentState is what a component instance has besides its core instances [ComponentInstance]. A core module's
// instance has one.
type componentState struct {
	handles canon.Handles
	// mayNotLeave is true while the guest allocates for its caller or cleans up after a call: it may then call nothing.
	mayNotLeave bool
	// entered is true while a call is in the component instance, which may not be entered again from outside of it.
	entered bool
}

// side is an instance as canonical options see it.
type side struct {
	*Instance
	comp *componentState
	// index is the number of the component instance.
	index    int
	encoding canon.Encoding
	mem      *memory
	// allocator is the core function that allocates; its name is empty if there is none.
	allocator    coreRef
	realloc      api.Function
	reallocStack [4]uint64
}

// coreRef is an exported core function of one of the instance's modules; of the only one where there is only one.
type coreRef struct {
	part int
	name string
}

var _ canon.Part = (*side)(nil)

// noPart is the part of a coreRef that is a trampoline.
const noPart = -1

// core gives a new function object; nil if there is no such function.
func (i *Instance) core(ref coreRef) api.Function {
	switch {
	case ref.part == noPart:
		return i.pool.linked[link.TrampolineModule].module.ExportedFunction(ref.name)
	case i.parts != nil && i.parts[ref.part] != nil:
		return i.parts[ref.part].ExportedFunction(ref.name)
	case i.module != nil:
		return i.module.ExportedFunction(ref.name)
	case i.starting != nil:
		return i.starting.ExportedFunction(ref.name)
	default:
		return nil
	}
}

// callerOf gives the instance that calls a host function. mod is its module, or a module between.
func callerOf(ctx context.Context, mod api.Module) *Instance {
	inst := instanceOf(ctx)
	if inst.module == nil && inst.parts == nil {
		// The runtime runs the start function before it gives the module.
		inst.starting = mod
	}
	return inst
}

// Whole implements canon.Part.
func (s *side) Whole() abi.Guest { return s.Instance }

// Handles implements canon.Side.
func (s *side) Handles() *canon.Handles { return &s.comp.handles }

// Encoding implements canon.Side.
func (s *side) Encoding() canon.Encoding { return s.encoding }

// Memory implements abi.Guest.
func (s *side) Memory() []byte {
	if s.mem == nil {
		return nil
	}
	return s.mem.buf
}

// Realloc implements abi.Guest.
func (s *side) Realloc(ctx context.Context, old, oldSize, align, size uint32) uint32 {
	i := s.Instance
	if i.trap != nil {
		panic(i.trap)
	}
	name := s.allocator.name
	if s.realloc == nil && name != "" {
		s.realloc = i.core(s.allocator)
	}
	if s.realloc == nil {
		abi.Trapf("the guest gives no %s, which is needed to pass strings and lists to it", reallocName)
	}
	if s.comp.mayNotLeave {
		abi.Trapf("%s is entered twice", name)
	}
	ctx = i.carriedBy(ctx)
	s.comp.mayNotLeave = true
	s.reallocStack = [4]uint64{uint64(old), uint64(oldSize), uint64(align), uint64(size)}
	err := i.enterInside(ctx, name, s.realloc, s.reallocStack[:])
	s.comp.mayNotLeave = false
	if err != nil {
		panic(i.trap)
	}
	ptr := uint32(s.reallocStack[0])
	if align != 0 && ptr%align != 0 {
		i.lied(ctx, name, "%s(align %d, size %d) gave %#x, which is not aligned", name, align, size, ptr)
	}
	if length := len(s.Memory()); uint64(ptr)+uint64(size) > uint64(length) {
		i.lied(ctx, name, "%s(align %d, size %d) gave %#x, which ends past the memory of %#x bytes",
			name, align, size, ptr, length)
	}
	return ptr
}

// lied ends the instance for breaking the ABI.
func (i *Instance) lied(ctx context.Context, name, format string, args ...any) {
	trap := &abi.Trap{Kind: abi.TrapABI, Reason: fmt.Sprintf(format, args...)}
	panic(i.ended(ctx, name, trap))
}
