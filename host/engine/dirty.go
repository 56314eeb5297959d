package engine

// tracker finds the pages that an instance wrote to since its memory was mapped over its image.
type tracker interface {
	// dirty calls f for each run of such pages in region, in ascending order, with offsets and lengths in bytes.
	// region starts at a page. f may write to the pages that it is told of.
	dirty(region []byte, f func(off, n uint64)) error
	// faults gives how many page faults the process has had; ok is false if the system does not tell exactly.
	faults() (n int64, ok bool)
	// close ends the tracker.
	close() error
}

// tailToClear is how much of what an instance wrote behind its image is cleared in place, in bytes. More is given
// back to the system: clearing keeps the pages, which the next call is then spared to fault in.
const tailToClear = 1 << 20

// dirtyPages are the pages of a memory that were found dirty. Such a page stays so until its slot is discarded, and
// another one becomes dirty by a page fault only. So where no fault has happened since, these are all.
type dirtyPages struct {
	runs []pageRun
	// size is how much of the memory was looked at, in bytes, and faults how many the process had had before.
	size   uint64
	faults int64
	// known tells that all of this holds.
	known bool
}

// pageRun is a part of a memory, in bytes.
type pageRun struct{ off, n uint64 }

// each calls f for each dirty run of buf, as a tracker does, and spares the search if it can.
func (d *dirtyPages) each(buf []byte, t tracker, f func(off, n uint64)) error {
	size := uint64(len(buf))
	faults, ok := t.faults()
	if !ok || !d.known || d.faults != faults || d.size < size {
		d.runs = d.runs[:0]
		err := t.dirty(buf, func(off, n uint64) { d.runs = append(d.runs, pageRun{off, n}) })
		if d.known = ok && err == nil; err != nil {
			return err
		}
		d.size, d.faults = size, faults
	}
	for _, r := range d.runs {
		if r.off < size { // it may have been larger
			f(r.off, min(r.n, size-r.off))
		}
	}
	return nil
}

// restore makes memory what the image says; what lies behind the image is zero again. Without a tracker it copies
// everything.
func (m *memory) restore(img *image, t tracker) error {
	if t == nil {
		copy(m.buf, img.bytes)
		wipe(m.buf[img.size():], m.mapped)
		return nil
	}
	end, tail := img.size(), uint64(0)
	err := m.dirty.each(m.buf, t, func(off, n uint64) {
		if off < end {
			k := min(n, end-off)
			copy(m.buf[off:off+k], img.bytes[off:])
			off, n = off+k, n-k
		}
		if tail += n; tail <= tailToClear {
			clear(m.buf[off : off+n])
		}
	})
	if err == nil && tail > tailToClear {
		m.dirty.known = false
		err = discard(m.buf[end:])
	}
	return err
}

// wipe zeroes b, which is a part of a mapping of its own if mapped is set.
func wipe(b []byte, mapped bool) {
	if mapped && len(b) > tailToClear && discardZeroes && discard(b) == nil {
		return
	}
	clear(b)
}
