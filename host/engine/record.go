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

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// A record is a saved instance:
//
//	magic, version   5 bytes
//	identity         32 bytes: SHA-256 of the image that it is the difference from
//	check            4 bytes: CRC-32C of what follows, little endian
//	body             compressed: numbers as varints: memory size in pages, the guest's monotonic clock and the wall
//	                 clock in nanoseconds, the number of globals, of runs, and of handle tables, which is that of the
//	                 component instances, or 0 if the handles are the image's; then the tables (see canon.Saved); the
//	                 globals, 8 bytes each; the runs as the gap after the last and the length, in blocks; and the runs'
//	                 bytes
//
// Version 1 has no number of handle tables and no tables. It is still read.
//
// Nothing in a record is trusted: it comes from a store.
const (
	recordMagic    = "mrtk"
	recordVersion1 = 1
	recordVersion  = 2
	recordHeader   = len(recordMagic) + 1 + sha256.Size + crc32.Size

	// maxClock bounds the clocks of a record, in nanoseconds: no sum of two overflows.
	maxClock = 1 << 61
	// maxTablesSize bounds the handle tables of a record, in bytes: each entry has one number, or two.
	maxTablesSize = canon.MaxHandles * binary.MaxVarintLen32
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

// frame is what a record has to fit into: the image, the bytes of memory that an instance may have, the objects of which
// it may have handles, and its component instances.
type frame struct {
	img        *image
	limit      uint64
	objects    canon.Objects
	components int
}

// encodeRecord makes a record, unless there are handles of other than the objects.
func encodeRecord(img *image, d *delta, at moment, objects canon.Objects) (record []byte, held canon.Held) {
	body, held := d.encodeBody(at, objects)
	d.scratch = body
	if held != nil {
		return nil, held
	}
	identity := img.identity()
	record = append(make([]byte, 0, recordHeader+s2.MaxEncodedLen(len(body))), recordMagic...)
	record = append(append(record, recordVersion), identity[:]...)
	packed := s2.EncodeBetter(record[recordHeader:cap(record)], body)
	binary.LittleEndian.AppendUint32(record, checkSum(packed))
	return bytes.Clone(record[:recordHeader+len(packed)]), nil
}

// encodeBody makes what is compressed, in d's scratch.
func (d *delta) encodeBody(at moment, objects canon.Objects) (body []byte, held canon.Held) {
	body = binary.AppendUvarint(d.scratch[:0], d.size/pageSize)
	body = binary.AppendUvarint(body, uint64(at.mono))
	body = binary.AppendUvarint(body, uint64(at.wall))
	body = binary.AppendUvarint(body, uint64(len(d.globals)))
	body = binary.AppendUvarint(body, uint64(len(d.runs)))
	body, held = d.appendHandles(body, objects)
	for _, g := range d.globals {
		body = binary.LittleEndian.AppendUint64(body, g)
	}
	end := uint32(0)
	for _, r := range d.runs {
		body = binary.AppendUvarint(binary.AppendUvarint(body, uint64(r.at-end)), uint64(r.n))
		end = r.at + r.n
	}
	return append(body, d.data...), held
}

// appendHandles adds the number of tables and the tables.
func (d *delta) appendHandles(body []byte, objects canon.Objects) (_ []byte, held canon.Held) {
	if d.sameHandles {
		return binary.AppendUvarint(body, 0), nil
	}
	body = binary.AppendUvarint(body, uint64(len(d.handles)))
	for _, s := range d.handles {
		var missing canon.Held
		body, missing = s.Append(body, objects)
		held = held.Plus(missing)
	}
	return body, held
}

// decodeRecord reads a record into d. It fails with ErrChanged for one that belongs to another image.
func decodeRecord(record []byte, f frame, d *delta) (moment, error) {
	if len(record) < recordHeader || string(record[:len(recordMagic)]) != recordMagic {
		return moment{}, damaged("want %d bytes or more that begin with %q, found %d bytes", recordHeader, recordMagic, len(record))
	}
	version := record[len(recordMagic)]
	if version != recordVersion && version != recordVersion1 {
		return moment{}, fmt.Errorf("%w: it was saved in format %d, this host has format %d", ErrChanged, version, recordVersion)
	}
	identity := f.img.identity()
	if found := record[len(recordMagic)+1:]; !bytes.Equal(found[:sha256.Size], identity[:]) {
		return moment{}, fmt.Errorf("%w: it is the difference from the image %x, the app's image is %x",
			ErrChanged, found[:4], identity[:4])
	}
	packed := record[recordHeader:]
	if want := binary.LittleEndian.Uint32(record[recordHeader-crc32.Size:]); checkSum(packed) != want {
		return moment{}, damaged("its check sum is not %08x", want)
	}
	n, err := s2.DecodedLen(packed)
	// Each run has a byte of its own for its gap and its length, at least.
	if most := f.limit + f.limit/blockSize*2*binary.MaxVarintLen32 + 1<<20 + maxTablesSize; err != nil || uint64(n) > most {
		return moment{}, damaged("want at most %d bytes, found %d (%v)", most, n, err)
	}
	body, err := s2.Decode(d.scratch[:cap(d.scratch)], packed)
	if err != nil {
		return moment{}, damaged("%v", err)
	}
	d.scratch = body
	return decodeBody(body, version, f, d)
}

// decodeBody reads what was compressed.
func decodeBody(body []byte, version byte, f frame, d *delta) (moment, error) {
	r := bodyReader{b: body}
	img := f.img
	pages, mono, wall := r.number(), r.number(), r.number()
	globals, runs := r.number(), r.number()
	tables := uint64(0)
	if version > recordVersion1 {
		tables = r.number()
	}
	switch {
	case r.failed:
		return moment{}, damaged("it is cut off")
	case pages > f.limit/pageSize || pages < img.size()/pageSize:
		return moment{}, damaged("want a memory of %s to %s, found %d pages", size(img.size()), size(f.limit), pages)
	case mono > maxClock || wall > maxClock:
		return moment{}, damaged("its clocks are at %d and %d", mono, wall)
	case globals != uint64(len(img.globals)):
		return moment{}, damaged("want %d globals, found %d", len(img.globals), globals)
	case runs > uint64(len(r.b)):
		return moment{}, damaged("it cannot have %d runs in %d bytes", runs, len(r.b))
	}
	if err := d.readHandles(&r, tables, f); err != nil {
		return moment{}, err
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

// readHandles reads the tables.
func (d *delta) readHandles(r *bodyReader, tables uint64, f frame) error {
	d.handles, d.sameHandles = nil, tables == 0
	if tables > 0 && tables != uint64(f.components) {
		return damaged("want the handle tables of %d component instances, found %d", f.components, tables)
	}
	for range tables {
		s, rest, err := canon.ReadSaved(r.b, f.objects, canon.MaxHandles/f.components)
		if unknown, ok := errors.AsType[*canon.UnknownObjectError](err); ok {
			return unknown
		}
		if err != nil {
			return damaged("%w", err)
		}
		d.handles = append(d.handles, s)
		r.b = rest
	}
	return nil
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
