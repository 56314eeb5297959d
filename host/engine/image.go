package engine

// image is the state of a guest that has started: what every instance of a pool begins with, and what it is brought
// back to.
type image struct {
	// bytes is the memory. Nobody writes to it.
	bytes []byte
	// globals are the values of the module's mutable globals.
	globals []uint64
	// generators are the random number generators of the guest, to be seeded anew in each instance.
	generators []generator
	// ahead is how far the guest's monotonic clock was ahead of the engine's at the end of the start, in nanoseconds.
	ahead int64
	// file is the mapped image; it is nil if instances get copies.
	file *imageFile
}

// size is the memory's length in bytes.
func (g *image) size() uint64 { return uint64(len(g.bytes)) }

// kind names how instances get their memory.
func (g *image) kind() string {
	if g.file != nil {
		return "mapped"
	}
	return "copied"
}

// close gives the image back, once. No instance may use it any more.
func (g *image) close() {
	if g.file != nil {
		g.file.close(g.bytes)
	}
}

// newImage makes an image of a memory: a mapped one for slots of slotSize bytes, or a copy if slotSize is 0.
func newImage(memory []byte, slotSize uint64) (*image, error) {
	if slotSize > 0 {
		return newMappedImage(memory, slotSize)
	}
	return &image{bytes: append([]byte(nil), memory...)}, nil
}
