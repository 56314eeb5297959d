package cabi

// Handle is a handle of a resource that the host or another component defines. The zero Handle is one that is gone.
type Handle struct{ index uint32 }

// HandleOf gives the handle of an index of the app's handle table.
func HandleOf(index uint32) Handle { return Handle{index} }

// Index gives the index, to lend the resource for a call. It panics if the handle is gone.
func (h *Handle) Index() uint32 {
	if h.index == 0 {
		panic("expected a resource, found one that was dropped or given away")
	}
	return h.index
}

// Give gives the index to a new owner; the handle is gone. It panics if it is gone already.
func (h *Handle) Give() uint32 {
	i := h.Index()
	h.index = 0
	return i
}

// Drop gives the index to be dropped, 0 if the handle is gone; it is gone then.
func (h *Handle) Drop() uint32 {
	i := h.index
	h.index = 0
	return i
}

// Table has the values that the resources of an app stand for. Their representations are indices from 1. The zero
// Table is empty.
type Table[T any] struct {
	entries []entry[T]
	// free are the representations without an entry.
	free []uint32
}

// entry is the value of a resource; a resource whose value was taken still has its entry.
type entry[T any] struct {
	value T
	held  bool
}

// Add puts v into the table and gives its representation.
func (t *Table[T]) Add(v T) uint32 {
	e := entry[T]{value: v, held: true}
	if n := len(t.free); n > 0 {
		rep := t.free[n-1]
		t.free = t.free[:n-1]
		t.entries[rep-1] = e
		return rep
	}
	t.entries = append(t.entries, e)
	return uint32(len(t.entries))
}

// Get gives the value of rep, which is the representation of a resource that is alive.
func (t *Table[T]) Get(rep uint32) T {
	e := &t.entries[rep-1]
	if !e.held {
		panic("expected a resource, found one that was given away")
	}
	return e.value
}

// Take gives the value of rep, which is its resource's no more: Destroy will not drop it.
func (t *Table[T]) Take(rep uint32) T {
	v := t.Get(rep)
	t.entries[rep-1] = entry[T]{}
	return v
}

// Destroy takes rep out of the table and calls its value's method Drop, if it has one and was not taken.
func (t *Table[T]) Destroy(rep uint32) {
	e := t.entries[rep-1]
	t.entries[rep-1] = entry[T]{}
	t.free = append(t.free, rep)
	if d, ok := any(e.value).(interface{ Drop() }); ok && e.held {
		d.Drop()
	}
}
