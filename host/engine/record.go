package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/s2"
)

// A record is a saved instance:
//
//	magic, version   5 bytes
//	identity         32 bytes: SHA-256 of the image that it is the difference from
//	check            4 bytes: CRC-32C of what follows, little endian
//	body             compressed: numbers as varints: memory size in pages, the guest's monotonic clock and the wall
//	                 clock in nanoseconds, the number of globals, of runs; then the globals, 8 bytes each; the runs as
//	                 the gap after the last and the length, in blocks; and the runs' bytes
//
// Nothing in a record is trusted: it comes from a store.
const (
	recordMagic   = "mrtk"
	recordVersion = 1
	recordHeader  = len(recordMagic) + 1 + sha256.Size + crc32.Size

	// maxClock bounds the clocks of a record, in nanoseconds: no sum of two overflows.
	maxClock = 1 << 61
)

// errDamaged says that a record is not what Save gave.
var errDamaged = errors.New("the saved instance is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
}

// moment is where the clocks of a guest were, in nanoseconds.
type moment struct{ mono, wall int64 }

// checkSum is the one that CPUs have an instruction for.
func checkSum(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }

// encodeRecord makes a record, and uses scratch and gives it back.
func encodeRecord(img *image, d *delta, at moment, scratch []byte) (record, body []byte) {
	body = binary.AppendUvarint(scratch[:0], d.size/pageSize)
	body = binary.AppendUvarint(body, uint64(at.mono))
	body = binary.AppendUvarint(body, uint64(at.wall))
	body = binary.AppendUvarint(body, uint64(len(d.globals)))
	body = binary.AppendUvarint(body, uint64(len(d.runs)))
	for _, g := range d.globals {
		body = binary.LittleEndian.AppendUint64(body, g)
	}
	end := uint32(0)
	for _, r := range d.runs {
		body = binary.AppendUvarint(binary.AppendUvarint(body, uint64(r.at-end)), uint64(r.n))
		end = r.at + r.n
	}
	body = append(body, d.data...)
	identity := img.identity()
	record = append(make([]byte, 0, recordHeader+s2.MaxEncodedLen(len(body))), recordMagic...)
	record = append(append(record, recordVersion), identity[:]...)
	packed := s2.EncodeBetter(record[recordHeader:cap(record)], body)
	binary.LittleEndian.AppendUint32(record, checkSum(packed))
	return bytes.Clone(record[:recordHeader+len(packed)]), body
}

// decodeRecord reads a record of an instance of img whose memory may have limit bytes into d. It also uses scratch,
// and gives it back.
func decodeRecord(record []byte, img *image, limit uint64, d *delta, scratch []byte) (moment, []byte, error) {
	if len(record) < recordHeader || string(record[:len(recordMagic)]) != recordMagic {
		return moment{}, scratch, damaged("want %d bytes or more that begin with %q, found %d bytes", recordHeader, recordMagic, len(record))
	}
	if version := record[len(recordMagic)]; version != recordVersion {
		return moment{}, scratch, fmt.Errorf("%w: it was saved in format %d, this host has format %d", ErrChanged, version, recordVersion)
	}
	identity := img.identity()
	if found := record[len(recordMagic)+1:]; !bytes.Equal(found[:sha256.Size], identity[:]) {
		return moment{}, scratch, fmt.Errorf("%w: it is the difference from the image %x, the app's image is %x",
			ErrChanged, found[:4], identity[:4])
	}
	packed := record[recordHeader:]
	if want := binary.LittleEndian.Uint32(record[recordHeader-crc32.Size:]); checkSum(packed) != want {
		return moment{}, scratch, damaged("its check sum is not %08x", want)
	}
	n, err := s2.DecodedLen(packed)
	// Each run has a byte of its own for its gap and its length, at least.
	if most := limit + limit/blockSize*2*binary.MaxVarintLen32 + 1<<20; err != nil || uint64(n) > most {
		return moment{}, scratch, damaged("want at most %d bytes, found %d (%v)", most, n, err)
	}
	body, err := s2.Decode(scratch[:cap(scratch)], packed)
	if err != nil {
		return moment{}, scratch, damaged("%v", err)
	}
	at, err := decodeBody(body, img, limit, d)
	return at, body, err
}

// decodeBody reads what was compressed.
func decodeBody(body []byte, img *image, limit uint64, d *delta) (moment, error) {
	r := bodyReader{b: body}
	pages, mono, wall := r.number(), r.number(), r.number()
	globals, runs := r.number(), r.number()
	switch {
	case r.failed:
		return moment{}, damaged("it is cut off")
	case pages > limit/pageSize || pages < img.size()/pageSize:
		return moment{}, damaged("want a memory of %s to %s, found %d pages", size(img.size()), size(limit), pages)
	case mono > maxClock || wall > maxClock:
		return moment{}, damaged("its clocks are at %d and %d", mono, wall)
	case globals != uint64(len(img.globals)):
		return moment{}, damaged("want %d globals, found %d", len(img.globals), globals)
	case runs > uint64(len(r.b)):
		return moment{}, damaged("it cannot have %d runs in %d bytes", runs, len(r.b))
	}
	d.size = pages * pageSize
	d.globals = d.globals[:0]
	for range globals {
		d.globals = append(d.globals, r.word())
	}
	total, ok := d.readRuns(&r, runs)
	if !ok || total*blockSize != uint64(len(r.b)) {
		return moment{}, damaged("its runs do not fit its memory of %s and its %d bytes", size(d.size), len(r.b))
	}
	d.data = append(d.data[:0], r.b...)
	return moment{mono: int64(mono), wall: int64(wall)}, nil
}

// readRuns reads the runs and gives how many blocks they have together. It is false for runs that are not in memory.
func (d *delta) readRuns(r *bodyReader, n uint64) (total uint64, ok bool) {
	d.runs = d.runs[:0]
	blocks, end := d.size/blockSize, uint64(0)
	for range n {
		gap, length := r.number(), r.number()
		if r.failed || length == 0 || gap > blocks-end || length > blocks-end-gap {
			return 0, false
		}
		d.runs = append(d.runs, blockRun{at: uint32(end + gap), n: uint32(length)})
		end += gap + length
		total += length
	}
	return total, !r.failed
}

// bodyReader reads a record's body; after an error it gives zeroes.
type bodyReader struct {
	b      []byte
	failed bool
}

func (r *bodyReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *bodyReader) word() uint64 {
	if len(r.b) < word {
		r.failed, r.b = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[word:]
	return v
}

// now is where the clocks of the instance's guest are.
func (i *Instance) now() moment {
	return moment{mono: i.nanotime(), wall: max(time.Now().UnixNano(), 0)}
}

// catchUp puts the guest's monotonic clock forward to where it was at the moment, and by the time that has gone by
// since then.
func (i *Instance) catchUp(at moment) {
	now := i.now()
	i.ahead += max(0, at.mono+max(0, min(now.wall-at.wall, maxClock))-now.mono)
}
