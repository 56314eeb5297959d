package plugin

import (
	"context"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// The exports by which a guest of our SDKs is known, and which it has for each export.
const (
	arenaName  = "cabi_arena"
	postReturn = "cabi_post_"
)

// instance is an instance of a plugin as its callers see it. It spares a guest of our SDKs what costs more than most
// values that are passed: calls that allocate (the host cuts short values off the guest's arena), and calls of the
// clean-up of an export, since such a guest cleans up by itself when the next one is called.
type instance struct {
	abi.Guest
	arena uint32
}

var _ canon.Exports = (*instance)(nil)

// view gives the instance behind g, for as long as it lives.
func view(ctx context.Context, g abi.Guest) (*instance, error) {
	v := &instance{Guest: g}
	if !g.Has(arenaName) {
		return v, nil
	}
	if known, ok := g.(interface{ Arena() uint32 }); ok {
		v.arena = known.Arena()
	}
	if v.arena != 0 {
		return v, nil
	}
	var stack [1]uint64
	if err := g.Call(ctx, arenaName, stack[:]); err != nil {
		return nil, err
	}
	v.arena = uint32(stack[0]) //nolint:gosec // an i32
	return v, nil
}

// Arena is the address of the guest's arena; 0 if it has none.
func (i *instance) Arena() uint32 { return i.arena }

// Export gives the guest as the exported function sees it: a component has an encoding of strings, a memory and a table
// of handles for each.
func (i *instance) Export(name string) abi.Guest {
	if i.arena != 0 {
		return i
	}
	return canon.At(i.Guest, name)
}

// Has tells whether the guest exports the function and wants it called.
func (i *instance) Has(name string) bool {
	if i.arena != 0 && strings.HasPrefix(name, postReturn) {
		return false
	}
	return i.Guest.Has(name)
}
