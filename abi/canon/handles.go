package canon

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Handles is the handle table of one component instance [Table]: what its resource handles stand for. Handles are
// indices from 1; 0 is none. It is not safe for concurrent use: it belongs to an instance, which serves one call at a
// time. The zero value is an empty table.
//
// Its methods panic with an *abi.Trap when the guest names a handle that it does not have, or not of that type.
type Handles struct {
	entries []handle
	free    uint32 // the first free entry's handle, 0 for none
	live    int
}

// handle is one entry; a free one has no resource and in next the handle of the next free one.
type handle struct {
	res   *Resource
	rep   Rep
	scope *Scope // of a borrowed handle
	lends uint32
	next  uint32
}

// Scope is one call's count of the borrowed handles that the callee was given [Task]; the call may not end before it
// has dropped them. The zero value is that of a call without.
type Scope struct{ borrows int }

// Add puts an owned handle into the table.
func (h *Handles) Add(r *Resource, rep Rep) uint32 { return h.insert(handle{res: r, rep: rep}) }

// Borrow puts a handle into the table that is borrowed for the call of scope.
func (h *Handles) Borrow(r *Resource, rep Rep, scope *Scope) uint32 {
	scope.borrows++
	return h.insert(handle{res: r, rep: rep, scope: scope})
}

// Take takes an owned handle out of the table: the value passes to another owner [lift_own].
func (h *Handles) Take(r *Resource, i uint32) Rep {
	e := h.get(r, i)
	if e.scope != nil {
		abi.Trapf("%s: expected an owned handle, found %d, which is borrowed", r.Name, i)
	}
	return h.remove(r, i)
}

// Get gives what a handle, owned or borrowed, stands for [lift_borrow, resource.rep].
func (h *Handles) Get(r *Resource, i uint32) Rep { return h.get(r, i).rep }

// Lend is Get for a value that is lent to another component instance for a call: the handle cannot be dropped or
// taken until Return.
func (h *Handles) Lend(r *Resource, i uint32) Rep {
	e := h.get(r, i)
	e.lends++
	return e.rep
}

// Return ends what Lend began. It ignores a handle that is not lent, as after Reset.
func (h *Handles) Return(i uint32) {
	if i != 0 && uint64(i) <= uint64(len(h.entries)) && h.entries[i-1].lends > 0 {
		h.entries[i-1].lends--
	}
}

// Drop drops a handle; an owned one's resource is destroyed [resource.drop].
func (h *Handles) Drop(ctx context.Context, r *Resource, i uint32) {
	owned := h.get(r, i).scope == nil
	rep := h.remove(r, i)
	if owned && r.Drop != nil {
		r.Drop(ctx, rep)
	}
}

// Len is how many handles there are.
func (h *Handles) Len() int { return h.live }

// End ends the call of scope. It traps when the callee still has handles that it was lent.
func (s *Scope) End() {
	if s.borrows > 0 {
		abi.Trapf("the call ended with %d borrowed handles that were not dropped", s.borrows)
	}
}

func (h *Handles) insert(e handle) uint32 {
	h.live++
	if i := h.free; i != 0 {
		h.free = h.entries[i-1].next
		h.entries[i-1] = e
		return i
	}
	if len(h.entries) >= MaxHandles {
		abi.Trapf("handles: expected at most %d, found more", MaxHandles)
	}
	h.entries = append(h.entries, e)
	return uint32(len(h.entries))
}

func (h *Handles) get(r *Resource, i uint32) *handle {
	if i == 0 || uint64(i) > uint64(len(h.entries)) || h.entries[i-1].res == nil {
		abi.Trapf("%s: expected a handle of the caller, found %d, which is none", r.Name, i)
	}
	e := &h.entries[i-1]
	if !e.res.Is(r) {
		abi.Trapf("handle %d: expected a %s, found a %s", i, r.Name, e.res.Name)
	}
	return e
}

// remove frees the entry of i, which get has checked.
func (h *Handles) remove(r *Resource, i uint32) Rep {
	e := &h.entries[i-1]
	if e.lends > 0 {
		abi.Trapf("%s: expected a handle that is not lent, found %d, which is", r.Name, i)
	}
	if e.scope != nil {
		e.scope.borrows--
	}
	rep := e.rep
	*e = handle{next: h.free}
	h.free = i
	h.live--
	return rep
}

// spareHandles is how many entries an empty table keeps room for.
const spareHandles = 1024

// Reset drops all handles, as the end of an instance does: the destructors of the host's resources run, those of a
// guest's do not, since the guest is gone.
func (h *Handles) Reset(ctx context.Context) {
	for i := range h.entries {
		if e := &h.entries[i]; e.res != nil && e.scope == nil && e.res.Host && e.res.Drop != nil {
			e.res.Drop(ctx, e.rep)
		}
	}
	clear(h.entries)
	if cap(h.entries) > spareHandles {
		h.entries = nil
	}
	h.entries, h.free, h.live = h.entries[:0], 0, 0
}
