package engine

import (
	"fmt"
	"slices"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// blockSize is the unit in which an instance is compared with its image, in bytes. It divides every page size.
const blockSize = 64

// delta is an instance's difference from its image.
type delta struct {
	// size is the memory's size in bytes.
	size uint64
	// globals are the values of the module's mutable globals.
	globals []uint64
	// runs are the parts of the memory that differ, in ascending order, and data is what is there.
	runs []blockRun
	data []byte
	// handles are the guest's by component instance, unless sameHandles tells that they are the image's.
	handles     []*canon.Saved
	sameHandles bool
	// scratch is for what makes a record of a delta, and the other way round.
	scratch []byte
}

// blockRun is a part of a memory, in blocks.
type blockRun struct{ at, n uint32 }

// deltas are used again: they are as large as what a call writes.
type deltas struct{ pool sync.Pool }

// maxSpareDelta is the size of the largest delta that is kept for its next use, in bytes.
const maxSpareDelta = 8 << 20

func (d *deltas) get() *delta {
	if found, ok := d.pool.Get().(*delta); ok {
		return found
	}
	return new(delta)
}

func (d *deltas) put(used *delta) {
	used.handles = nil
	if cap(used.data)+cap(used.scratch) <= maxSpareDelta {
		d.pool.Put(used)
	}
}

// diff makes d the instance's difference from its image. It fails with ErrHeld for handles that cannot be remembered.
func (i *Instance) diff(d *delta) error {
	handles, held := i.saveHandles()
	if held != nil {
		return heldError(held)
	}
	d.handles, d.sameHandles = handles, slices.EqualFunc(handles, i.image.handles, (*canon.Saved).Equal)
	if handles == nil && !d.sameHandles {
		d.handles = make([]*canon.Saved, len(i.components))
	}
	mem, img := i.mem.buf, i.image.bytes
	d.size, d.globals, d.runs, d.data = uint64(len(mem)), d.globals[:0], d.runs[:0], d.data[:0]
	for _, g := range i.globals {
		d.globals = append(d.globals, g.Get())
	}
	t := i.tracker()
	if t == nil {
		d.compare(mem, img, 0, uint64(len(mem)))
		return nil
	}
	return t.dirty(mem, func(off, n uint64) { d.compare(mem, img, off, off+n) })
}

// tracker finds the pages that the instance has written to; nil if nothing does.
func (i *Instance) tracker() tracker {
	if i.image.file == nil {
		return nil
	}
	return i.pool.module.engine.tracker
}

// compare adds the blocks of mem from start to end that differ from the image. Behind the image all is zero.
func (d *delta) compare(mem, img []byte, start, end uint64) {
	var zero [blockSize]byte
	size := uint64(len(img))
	for at := start; at < end; at += blockSize {
		same := &zero
		if at < size {
			same = (*[blockSize]byte)(img[at:])
		}
		if block := (*[blockSize]byte)(mem[at:]); *block != *same {
			d.add(uint32(at/blockSize), block)
		}
	}
}

// add adds one block behind all others.
func (d *delta) add(at uint32, block *[blockSize]byte) {
	if n := len(d.runs) - 1; n >= 0 && d.runs[n].at+d.runs[n].n == at {
		d.runs[n].n++
	} else {
		d.runs = append(d.runs, blockRun{at: at, n: 1})
	}
	d.data = append(d.data, block[:]...)
}

// apply brings an instance that is as its image is to where d was taken.
func (i *Instance) apply(d *delta) error {
	if grow := (d.size - uint64(len(i.mem.buf))) / pageSize; grow > 0 {
		if _, ok := i.module.Memory().Grow(uint32(grow)); !ok {
			return fmt.Errorf("app %s: the memory does not grow to the %s that the instance had", i.pool.app, size(d.size))
		}
	}
	data := d.data
	for _, r := range d.runs {
		n := copy(i.mem.buf[int(r.at)*blockSize:], data[:int(r.n)*blockSize])
		data = data[n:]
	}
	for k, g := range i.globals {
		g.Set(d.globals[k])
	}
	if !d.sameHandles {
		i.resetHandles(d.handles)
	}
	return nil
}
