package engine

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
)

// A guest that draws random numbers while it starts keeps a random state, which all instances made from its image
// would share: two of them would then produce the same numbers. So the guest is started twice, with other random
// numbers and another time of day, and where the memories differ generators are looked for. Only what certainly is the
// state of a generator is changed: whatever else is random may be a key or the seed of a hash table, and breaks when
// it is overwritten.

// generatorKind is what a guest's random number generator is.
type generatorKind uint8

const (
	// chacha8 is the generator behind math/rand and math/rand/v2 of standard Go, and of math/rand/v2.ChaCha8:
	//
	//	buf [32]uint64; seed [4]uint64; i, n, c uint32
	chacha8 generatorKind = iota
	// lagged is the generator of math/rand.NewSource:
	//
	//	tap, feed int; vec [607]int64
	lagged
)

const (
	word = 8

	chachaBuf   = 32 // words
	chachaSeed  = chachaBuf * word
	chachaIndex = chachaSeed + 4*word
	chachaSize  = chachaIndex + 3*4
	// chachaStep is what the block counter goes up by, and chachaBlocks how many blocks a seed serves; the last one's
	// last words are the next seed.
	chachaStep   = 4
	chachaBlocks = 4

	laggedLen = 607
	laggedGap = 334 // feed is so far before tap
	laggedVec = 2 * word
)

// generator is the state of a random number generator in a guest's memory.
type generator struct {
	kind   generatorKind
	offset uint64
}

// findGenerators compares the memories of two starts. It also gives how many bytes of a differ from b that are no
// generator.
func findGenerators(a, b []byte) (found []generator, unknown int) {
	n := min(len(a), len(b)) / word * word
	differ := func(off int) bool {
		return binary.LittleEndian.Uint64(a[off:]) != binary.LittleEndian.Uint64(b[off:])
	}
	for off := 0; off < n; {
		if !differ(off) {
			off += word
			continue
		}
		run := off + word
		for run < n && differ(run) {
			run += word
		}
		for off < run {
			g, size, ok := generatorAt(a, b, off, run)
			if !ok {
				unknown += word
				off += word
				continue
			}
			found = append(found, g)
			off += size
		}
	}
	return found, unknown
}

// generatorAt tells whether a generator has its first random word at off; the words from there to end differ.
func generatorAt(a, b []byte, off, end int) (g generator, size int, ok bool) {
	switch {
	case end-off >= chachaIndex && isChaCha8(a, off) && isChaCha8(b, off):
		return generator{chacha8, uint64(off)}, chachaIndex, true
	case end-off >= laggedLen*word && isLagged(a, off) && isLagged(b, off):
		return generator{lagged, uint64(off - laggedVec)}, laggedLen * word, true
	default:
		return generator{}, 0, false
	}
}

// isChaCha8 computes the numbers that the seed gives and compares them with those that are there.
func isChaCha8(mem []byte, off int) bool {
	if off+chachaSize > len(mem) {
		return false
	}
	i := binary.LittleEndian.Uint32(mem[off+chachaIndex:])
	n := binary.LittleEndian.Uint32(mem[off+chachaIndex+4:])
	c := binary.LittleEndian.Uint32(mem[off+chachaIndex+8:])
	if n > chachaBuf || i > chachaBuf || c%chachaStep != 0 || c/chachaStep >= chachaBlocks {
		return false
	}
	source := mathrand.NewChaCha8([32]byte(mem[off+chachaSeed:]))
	for range c / chachaStep * chachaBuf {
		source.Uint64()
	}
	known := chachaBuf
	if c/chachaStep == chachaBlocks-1 {
		known -= 4 // the next seed, which is not given out
	}
	for k := range known {
		if binary.LittleEndian.Uint64(mem[off+k*word:]) != source.Uint64() {
			return false
		}
	}
	return true
}

// isLagged looks at the two indices before the numbers: they keep their distance.
func isLagged(mem []byte, off int) bool {
	if off < laggedVec {
		return false
	}
	tap := binary.LittleEndian.Uint64(mem[off-2*word:])
	feed := binary.LittleEndian.Uint64(mem[off-word:])
	return tap < laggedLen && feed < laggedLen && (tap+laggedGap)%laggedLen == feed
}

// reseed gives the generators in mem states that nobody else has.
func reseed(mem []byte, generators []generator) {
	for _, g := range generators {
		switch at := mem[g.offset:]; g.kind {
		case chacha8:
			fill(at[chachaSeed:chachaIndex])
			// All numbers are used up, so that the next ones come from the new seed.
			binary.LittleEndian.PutUint32(at[chachaIndex:], chachaBuf)
			binary.LittleEndian.PutUint32(at[chachaIndex+4:], chachaBuf)
			binary.LittleEndian.PutUint32(at[chachaIndex+8:], 0)
		case lagged:
			var seed [32]byte
			fill(seed[:])
			source := mathrand.NewChaCha8(seed)
			for k := range laggedLen {
				binary.LittleEndian.PutUint64(at[laggedVec+k*word:], source.Uint64())
			}
		}
	}
}

// reseedFound is reseed for a guest that ran since its image was taken: places that hold a generator no more stay as
// they are. What it leaves can be told to be a generator even before a number is drawn from it.
func reseedFound(mem []byte, generators []generator) {
	for n, g := range generators {
		switch {
		case g.kind == chacha8 && isChaCha8(mem, int(g.offset)):
			at := mem[g.offset:]
			fill(at[chachaSeed:chachaIndex])
			source := mathrand.NewChaCha8([32]byte(at[chachaSeed:]))
			for k := range chachaBuf {
				binary.LittleEndian.PutUint64(at[k*word:], source.Uint64())
			}
			binary.LittleEndian.PutUint32(at[chachaIndex:], 0)
			binary.LittleEndian.PutUint32(at[chachaIndex+4:], chachaBuf)
			binary.LittleEndian.PutUint32(at[chachaIndex+8:], 0)
		case g.kind == lagged && isLagged(mem, int(g.offset)+laggedVec):
			reseed(mem, generators[n:n+1])
		}
	}
}

// fill reads random bytes; it does not fail.
func fill(b []byte) {
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand documents that it ends the process itself
	}
}
