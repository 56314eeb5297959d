package engine

import "github.com/tetratelabs/wazero/experimental"

// memory is the linear memory of one instance. The whole limit is reserved at once, outside of the Go heap where the
// system allows it, so that growth never copies and costs nothing until pages are touched.
//
// The runtime calls Free when it closes a module, which it also does inside of a call that exits or runs out of time.
// So Free does nothing, and the instance calls release when its last call has returned.
type memory struct {
	// region is the reservation and buf the guest's part of it.
	region, buf []byte
	mapped      bool
	limit       uint64
	// slots is where region comes from if an image is mapped there; nil otherwise.
	slots *slots
	// dirty are the pages that the guest has written to, so far as they are known.
	dirty dirtyPages
	// of is what the memory is a part of, whose limit it counts against and which has in used what its parts have; nil for
	// a memory that is the only one of its instance. allocated tells that the core instance has a memory of its own.
	of        *memory
	used      uint64
	allocated bool
	// refused is the size, in bytes, of a growth that was over the limit; 0 if there was none.
	refused uint64
}

var (
	_ experimental.MemoryAllocator = (*memory)(nil)
	_ experimental.LinearMemory    = (*memory)(nil)
)

// Allocate implements experimental.MemoryAllocator.
func (m *memory) Allocate(capacity, maximum uint64) experimental.LinearMemory {
	m.allocated = true
	if m.slots != nil {
		return m
	}
	size := min(m.limit, maximum)
	if region, err := reserve(size); err == nil {
		m.region, m.mapped = region, true
	} else {
		// No reservation: the memory lives on the heap and moves when it grows.
		m.region = make([]byte, min(capacity, size))
	}
	return m
}

// Reallocate implements experimental.LinearMemory. It gives nil over the limit, so that the guest's growth fails.
func (m *memory) Reallocate(size uint64) []byte {
	if w := m.of; w != nil {
		total := w.used - uint64(len(m.buf)) + size
		if total > w.limit {
			w.refused = total
			return nil
		}
		w.used = total
	}
	if size > m.limit {
		m.refused = size
		return nil
	}
	if size > uint64(len(m.region)) {
		if m.mapped {
			m.refused = size
			return nil
		}
		region := make([]byte, min(max(size, size+size/4), m.limit))
		copy(region, m.buf)
		m.region = region
	}
	m.buf = m.region[:size:size]
	return m.buf
}

// place maps an image over a slot, which becomes the region.
func (m *memory) place(s *slots, img *image) error {
	region, err := s.take(img)
	if err != nil {
		return err
	}
	m.region, m.slots = region, s
	m.mapped = true
	return nil
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() {}

// release gives the memory back. No guest code may run after it.
func (m *memory) release() error {
	region, mapped, slots := m.region, m.mapped, m.slots
	m.region, m.buf, m.mapped, m.slots, m.dirty = nil, nil, false, nil, dirtyPages{}
	if slots != nil {
		return slots.give(region)
	}
	if mapped {
		return unreserve(region)
	}
	return nil
}
