package engine

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// testImage is a small image with a memory of two pages.
func testImage() *image {
	img := &image{bytes: make([]byte, 2*pageSize), globals: []uint64{1, 2, 3}}
	for n := range img.bytes {
		img.bytes[n] = byte(n * 7)
	}
	return img
}

const testLimit = 8 * pageSize

// testFrame is what the tests' records have to fit into.
func testFrame(img *image) frame {
	res := &canon.Resource{Name: "a:b/c@0.1/r", Host: true}
	objects, err := canon.NewObjects([]canon.SharedObject{{Resource: res, Object: testObject("one")}, {Resource: res, Object: testObject("two")}})
	if err != nil {
		panic(err)
	}
	return frame{img: img, limit: testLimit, objects: objects, components: 2}
}

// testObject is a shared object.
type testObject string

func (o testObject) SharedResource() string { return string(o) }

// testHandles are the tables of two component instances.
func testHandles(f frame) []*canon.Saved {
	var out []*canon.Saved
	for range f.components {
		var h canon.Handles
		for range 2 {
			for _, o := range f.objects {
				h.Add(o.Resource, canon.Rep{Obj: o.Object})
			}
		}
		for _, n := range []uint32{3, 2} {
			for _, o := range f.objects {
				h.Take(o.Resource, n)
				break
			}
		}
		saved, _ := h.Save()
		out = append(out, saved)
	}
	return out
}

// equal tells whether two deltas are the same.
func (d *delta) equal(o *delta) bool {
	return d.sameHandles == o.sameHandles && slices.EqualFunc(d.handles, o.handles, (*canon.Saved).Equal) && d.size == o.size && slices.Equal(d.globals, o.globals) && slices.Equal(d.runs, o.runs) && slices.Equal(d.data, o.data)
}

func TestRecord(t *testing.T) {
	img := testImage()
	full := make([]byte, testLimit)
	copy(full, img.bytes)
	for _, change := range [][]int{{}, {0}, {63, 64}, {len(img.bytes) - 1}, {len(img.bytes), len(full) - 1}, {5, 500, 50_000, 200_000}} {
		mem := slices.Clone(full)
		for _, at := range change {
			mem[at]++
		}
		d := &delta{size: testLimit, globals: []uint64{9, 8, 1 << 63}}
		d.compare(mem, img.bytes, 0, testLimit)
		want := moment{mono: 12345, wall: 1 << 60}
		f := testFrame(img)
		if d.sameHandles = len(change)%2 == 0; !d.sameHandles {
			d.handles = testHandles(f)
		}
		record, _ := encodeRecord(img, d, want, f.objects)
		var got delta
		at, err := decodeRecord(record, f, &got)
		if err != nil || at != want || !got.equal(d) {
			t.Errorf("%v: want %+v at %v, got %+v at %v, %v", change, d.runs, want, got.runs, at, err)
		}
		if len(change) > 1 && change[len(change)-1] == len(full)-1 {
			if _, err := decodeRecord(record, frame{img: img, limit: testLimit - pageSize, objects: f.objects, components: 2}, &got); !errors.Is(err, errDamaged) {
				t.Errorf("want a memory over the limit refused, got %v", err)
			}
		}
		other := testImage()
		other.globals[1]++
		if _, err := decodeRecord(record, testFrame(other), &got); !errors.Is(err, ErrChanged) {
			t.Errorf("want ErrChanged, got %v", err)
		}
		record[len(recordMagic)]++
		if _, err := decodeRecord(record, testFrame(img), &got); !errors.Is(err, ErrChanged) {
			t.Errorf("want ErrChanged for another format, got %v", err)
		}
	}
}

// Records of the version before handles were saved are of instances that have the image's.
func TestRecord_version1(t *testing.T) {
	f := testFrame(testImage())
	d := &delta{size: 2 * pageSize, globals: []uint64{1, 2, 3}, sameHandles: true}
	record, _ := encodeRecord(f.img, d, moment{mono: 1, wall: 2}, nil)
	body := slices.Delete(slices.Clone(d.scratch), 5, 6) // the number of tables: all before it are of one byte
	packed := s2.Encode(nil, body)
	record = append(record[:recordHeader:recordHeader], packed...)
	record[len(recordMagic)] = recordVersion1
	binary.LittleEndian.PutUint32(record[recordHeader-crc32.Size:], checkSum(packed))
	var got delta
	if at, err := decodeRecord(record, f, &got); err != nil || at != (moment{mono: 1, wall: 2}) || !got.equal(d) {
		t.Errorf("got %+v at %v, %v", got, at, err)
	}
}

func TestRecord_hostileHandles(t *testing.T) {
	f := testFrame(testImage())
	d := &delta{size: 2 * pageSize, globals: []uint64{1, 2, 3}, handles: testHandles(f)}
	body, held := d.encodeBody(moment{mono: 1, wall: 2}, f.objects)
	if held != nil {
		t.Fatal(held)
	}
	const tables = 5 // the offset of their number
	for name, change := range map[string]struct {
		at   int
		put  []byte
		want string
	}{
		"tables of another component":      {tables, []byte{3}, "want the handle tables of 2 component instances, found 3"},
		"more entries than bytes":          {tables + 1, []byte{0xff, 0xff, 3}, "cut off"},
		"more free entries than there are": {tables + 2, []byte{5}, "found 4, of them 5 free"},
		"a free entry out of the table":    {tables + 3, []byte{5}, "want each free entry once"},
		"a free entry of number 0":         {tables + 3, []byte{0}, "want each free entry once"},
		"a free entry twice":               {tables + 3, []byte{3}, "want each free entry once"},
		"more objects than handles":        {tables + 5, []byte{3}, "want at most 2 objects"},
		"a name without end":               {tables + 6, []byte{0x7f}, ""},
		"another resource":                 {tables + 7, []byte("x"), "which the app does not have now"},
	} {
		bad := slices.Clone(body)
		copy(bad[change.at:], change.put)
		var got delta
		_, err := decodeBody(bad, recordVersion, f, &got)
		if err == nil || !strings.Contains(err.Error(), change.want) {
			t.Errorf("%s: want %q, got %v", name, change.want, err)
		}
	}
}

// FuzzRecord decodes anything as a record, as what was compressed in one, and what comes of that once more.
func FuzzRecord(f *testing.F) {
	img := testImage()
	d := &delta{size: 3 * pageSize, globals: []uint64{1, 2, 3}, runs: []blockRun{{0, 1}, {7, 2}}, data: make([]byte, 3*blockSize)}
	fit := testFrame(img)
	for _, handles := range [][]*canon.Saved{nil, testHandles(fit)} {
		d.handles, d.sameHandles = handles, handles == nil
		record, _ := encodeRecord(img, d, moment{mono: 1, wall: 2}, fit.objects)
		body := slices.Clone(d.scratch)
		f.Add(record)
		f.Add(body)
		f.Add(body[:len(body)-1])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second delta
		_, err := decodeRecord(data, fit, &first)
		if _, unknown := errors.AsType[*canon.UnknownObjectError](err); err != nil && !unknown && !errors.Is(err, errDamaged) && !errors.Is(err, ErrChanged) {
			t.Errorf("want damage or a change, got %v", err)
		}
		at, err := decodeBody(data, recordVersion, fit, &first)
		if err != nil {
			return
		}
		n := 0
		for _, r := range first.runs {
			if n += int(r.n) * blockSize; (uint64(r.at)+uint64(r.n))*blockSize > first.size {
				t.Fatalf("the run %+v is not in %d bytes", r, first.size)
			}
		}
		if n != len(first.data) || first.size > testLimit {
			t.Fatalf("want %d bytes, found %d, in a memory of %d", n, len(first.data), first.size)
		}
		again, _ := encodeRecord(img, &first, at, fit.objects)
		if got, err := decodeRecord(again, fit, &second); err != nil || got != at || !second.equal(&first) {
			t.Fatalf("want the same once more, got %v", err)
		}
	})
}
