package engine

// tracker finds the pages that an instance wrote to since its memory was mapped over its image.
type tracker interface {
	// dirty calls f for each run of such pages in region, in ascending order, with offsets and lengths in bytes.
	// region starts at a page. f may write to the pages that it is told of.
	dirty(region []byte, f func(off, n uint64)) error
	// close ends the tracker.
	close() error
}

// tailToClear is how much of what an instance wrote behind its image is cleared in place, in bytes. More is given
// back to the system: clearing keeps the pages, which the next call is then spared to fault in.
const tailToClear = 1 << 20

// restore makes memory what the image says; what lies behind the image is zero again. Without a tracker it copies
// everything.
func (m *memory) restore(img *image, t tracker) error {
	if t == nil {
		copy(m.buf, img.bytes)
		wipe(m.buf[img.size():], m.mapped)
		return nil
	}
	end, tail := img.size(), uint64(0)
	err := t.dirty(m.buf, func(off, n uint64) {
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
