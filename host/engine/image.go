package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

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
	// arena is where the guest's arena is, 0 if it has none.
	arena uint32
	// handles are the guest's, by component instance.
	handles []*canon.Saved
	// key tells what was started, and sum, made by sumOnce, what has come of it.
	key, sum [sha256.Size]byte
	sumOnce  sync.Once
	// file is the mapped image; it is nil if instances get copies.
	file *imageFile
}

// size is the memory's length in bytes.
func (g *image) size() uint64 { return uint64(len(g.bytes)) }

// identity is a hash of all that an instance made from the image starts with.
func (g *image) identity() [sha256.Size]byte {
	g.sumOnce.Do(func() {
		h := sha256.New()
		head := append([]byte(nil), g.key[:]...)
		head = binary.LittleEndian.AppendUint64(head, uint64(len(g.globals)))
		for _, v := range g.globals {
			head = binary.LittleEndian.AppendUint64(head, v)
		}
		h.Write(head)
		h.Write(g.bytes)
		h.Sum(g.sum[:0])
	})
	return g.sum
}

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
