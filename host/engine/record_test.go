package engine

import (
	"errors"
	"slices"
	"testing"
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

// equal tells whether two deltas are the same.
func (d *delta) equal(o *delta) bool {
	return d.size == o.size && slices.Equal(d.globals, o.globals) && slices.Equal(d.runs, o.runs) && slices.Equal(d.data, o.data)
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
		record, _ := encodeRecord(img, d, want, nil)
		var got delta
		at, _, err := decodeRecord(record, img, testLimit, &got, nil)
		if err != nil || at != want || !got.equal(d) {
			t.Errorf("%v: want %+v at %v, got %+v at %v, %v", change, d.runs, want, got.runs, at, err)
		}
		if len(change) > 1 && change[len(change)-1] == len(full)-1 {
			if _, _, err := decodeRecord(record, img, testLimit-pageSize, &got, nil); !errors.Is(err, errDamaged) {
				t.Errorf("want a memory over the limit refused, got %v", err)
			}
		}
		other := testImage()
		other.globals[1]++
		if _, _, err := decodeRecord(record, other, testLimit, &got, nil); !errors.Is(err, ErrChanged) {
			t.Errorf("want ErrChanged, got %v", err)
		}
		record[len(recordMagic)]++
		if _, _, err := decodeRecord(record, img, testLimit, &got, nil); !errors.Is(err, ErrChanged) {
			t.Errorf("want ErrChanged for another format, got %v", err)
		}
	}
}

// FuzzRecord decodes anything as a record, as what was compressed in one, and what comes of that once more.
func FuzzRecord(f *testing.F) {
	img := testImage()
	d := &delta{size: 3 * pageSize, globals: []uint64{1, 2, 3}, runs: []blockRun{{0, 1}, {7, 2}}, data: make([]byte, 3*blockSize)}
	record, body := encodeRecord(img, d, moment{mono: 1, wall: 2}, nil)
	f.Add(record)
	f.Add(body)
	f.Add(body[:len(body)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second delta
		if _, _, err := decodeRecord(data, img, testLimit, &first, nil); err != nil && !errors.Is(err, errDamaged) && !errors.Is(err, ErrChanged) {
			t.Errorf("want damage or a change, got %v", err)
		}
		at, err := decodeBody(data, img, testLimit, &first)
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
		again, _ := encodeRecord(img, &first, at, nil)
		if got, _, err := decodeRecord(again, img, testLimit, &second, nil); err != nil || got != at || !second.equal(&first) {
			t.Fatalf("want the same once more, got %v", err)
		}
	})
}
