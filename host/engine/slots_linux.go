package engine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// chunkSlots and chunkBytes bound the slots that are reserved at a time: a reservation costs addresses only, but all
// pools have those of one process.
const (
	chunkSlots = 1024
	chunkBytes = 64 << 30
)

// sparedMaps is how many memory mappings are left to the host. Without mappings the Go runtime ends the process.
const sparedMaps = 20_000

// slotBudget bounds the slots of all pools: each is a memory mapping, of which a process may have so many.
type slotBudget struct {
	total int64
	used  atomic.Int64
}

func newSlotBudget(total int64) *slotBudget { return &slotBudget{total: total} }

// systemSlots is how many slots the system allows.
func systemSlots() int64 {
	maps := int64(65_530)
	if text, err := os.ReadFile("/proc/sys/vm/max_map_count"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			maps = n
		}
	}
	return max(maps-sparedMaps, maps/2)
}

func (b *slotBudget) take() error {
	if b.used.Add(1) > b.total {
		b.used.Add(-1)
		return fmt.Errorf("%w: the host has %d instances, which is all that the system's limit on memory mappings allows: "+
			"raise it with sysctl -w vm.max_map_count=%d, or lower spec.limits.maxInstances", ErrNoRoom, b.total, 2*(b.total+sparedMaps))
	}
	return nil
}

func (b *slotBudget) give() { b.used.Add(-1) }

// slots are the places for the memories of a pool's instances: parts of equal size of reservations.
type slots struct {
	size   uint64
	chunk  int
	budget *slotBudget

	mu     sync.Mutex
	chunks []unsafe.Pointer // guarded by mu
	free   []unsafe.Pointer // guarded by mu
	closed bool             // guarded by mu
}

// newSlots makes places of size bytes, of which at most n are expected to be in use.
func newSlots(size uint64, n int, budget *slotBudget) *slots {
	size = (size + pageSize - 1) / pageSize * pageSize
	return &slots{size: size, chunk: max(1, min(n, chunkSlots, chunkBytes/int(size))), budget: budget}
}

// take maps the image, copy on write, over a free slot.
func (s *slots) take(img *image) ([]byte, error) {
	if err := s.budget.take(); err != nil {
		return nil, err
	}
	p, err := s.pop()
	if err == nil {
		err = s.place(p, unix.PROT_READ|unix.PROT_WRITE, 0, int(img.file.f.Fd()))
		if err != nil {
			s.push(p)
		}
	}
	if err != nil {
		s.budget.give()
		return nil, fmt.Errorf("map the memory of an instance: %w", err)
	}
	return unsafe.Slice((*byte)(p), s.size), nil
}

// give takes a slot back, with all that is in it.
func (s *slots) give(region []byte) error {
	p := unsafe.Pointer(unsafe.SliceData(region))
	// One reservation again, which merges with its free neighbours.
	if err := s.place(p, unix.PROT_NONE, unix.MAP_ANON, -1); err != nil {
		return fmt.Errorf("unmap the memory of an instance: %w", err)
	}
	s.push(p)
	s.budget.give()
	return nil
}

// place maps a file or nothing over the slot at p.
func (s *slots) place(p unsafe.Pointer, prot, flags, fd int) error {
	_, err := unix.MmapPtr(fd, 0, p, uintptr(s.size), prot, flags|unix.MAP_FIXED|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	return err
}

func (s *slots) push(p unsafe.Pointer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, p)
}

func (s *slots) pop() (unsafe.Pointer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the pool's memory is given back")
	}
	if len(s.free) == 0 {
		length := uintptr(s.size) * uintptr(s.chunk)
		p, err := unix.MmapPtr(-1, 0, nil, length, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err != nil {
			return nil, fmt.Errorf("reserve %d bytes of addresses: %w", length, err)
		}
		s.chunks = append(s.chunks, p)
		for i := s.chunk - 1; i >= 0; i-- {
			s.free = append(s.free, unsafe.Add(p, uintptr(i)*uintptr(s.size)))
		}
	}
	p := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return p, nil
}

// close gives the reservations back. All slots must have been given back.
func (s *slots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if used := len(s.chunks)*s.chunk - len(s.free); used > 0 {
		// Unmapping memory that is in use would end the process; addresses cost nothing.
		return
	}
	for _, p := range s.chunks {
		_ = unix.MunmapPtr(p, uintptr(s.size)*uintptr(s.chunk))
	}
	s.chunks, s.free, s.closed = nil, nil, true
}
