package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	randv2 "math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// trackers are all that this system should have.
func trackers(t *testing.T) map[string]tracker {
	t.Helper()
	found := map[string]tracker{"copied": nil}
	if runtime.GOOS != "linux" {
		return found
	}
	for name, scan := range map[string]bool{"scan": true, "read": false} {
		tr, err := newTracker(scan)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { _ = tr.close() })
		found[name] = tr
	}
	return found
}

// placed gives a memory made from the image: in a slot if there is a tracker.
func placed(t *testing.T, img *image, s *slots, limit uint64) *memory {
	t.Helper()
	m := &memory{limit: limit}
	if img.file != nil {
		if err := m.place(s, img); err != nil {
			t.Fatal(err)
		}
	}
	m.Allocate(limit, limit)
	m.Reallocate(img.size())
	if img.file == nil {
		copy(m.buf, img.bytes)
	}
	return m
}

// Whatever is written, the memory is the image again, and zero behind it.
func TestRestore(t *testing.T) {
	const size, limit = 10 * pageSize, 64 * pageSize
	want := make([]byte, size)
	random := randv2.NewChaCha8([32]byte{1})
	_, _ = random.Read(want[3*pageSize : 7*pageSize])
	for name, tr := range trackers(t) {
		t.Run(name, func(t *testing.T) {
			slotSize := uint64(0)
			if tr != nil {
				slotSize = limit
			}
			img, err := newImage(want, slotSize)
			if err != nil {
				t.Fatal(err)
			}
			defer img.close()
			s := newSlots(limit, 3, newSlotBudget(10))
			defer s.close()
			m, other := placed(t, img, s, limit), placed(t, img, s, limit)
			for round := range 50 {
				r := rand.New(rand.NewSource(int64(round)))
				m.Reallocate(uint64(size + r.Intn(limit-size)/pageSize*pageSize))
				for range 1 << r.Intn(12) {
					at := r.Intn(len(m.buf))
					clear := min(len(m.buf)-at, r.Intn(5000))
					for k := range clear {
						m.buf[at+k] ^= byte(k | 1)
					}
				}
				if err := m.restore(img, tr); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(m.buf[:size], want) || len(bytes.Trim(m.buf[size:], "\x00")) > 0 {
					t.Fatalf("round %d: the memory is not the image", round)
				}
			}
			if !bytes.Equal(other.buf, want) || !bytes.Equal(img.bytes, want) {
				t.Error("writes of one instance reach the image or another instance")
			}
			for range 2 {
				if err := errors.Join(m.release(), other.release()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// calm is a tracker of a process that has no page faults but those that the test says; it counts the searches.
type calm struct {
	tracker
	count    int64
	searches int
}

func (c *calm) faults() (int64, bool) { return c.count, true }

func (c *calm) dirty(region []byte, f func(off, n uint64)) error {
	c.searches++
	return c.tracker.dirty(region, f)
}

// TestRestoreWithoutSearch: where nothing faulted since the last search the pages known from it are all, unless the
// memory is larger than what was searched.
func TestRestoreWithoutSearch(t *testing.T) {
	const size, limit = 4 * pageSize, 64 * pageSize
	want := bytes.Repeat([]byte{7}, size)
	for name, tr := range trackers(t) {
		if tr == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			c := &calm{tracker: tr}
			img, err := newImage(want, limit)
			if err != nil {
				t.Fatal(err)
			}
			defer img.close()
			s := newSlots(limit, 1, newSlotBudget(1))
			defer s.close()
			m := placed(t, img, s, limit)
			steps := []struct {
				size, write uint64 // write is where the guest writes
				faults      int64
				searches    int
			}{
				{size, pageSize, 0, 1},
				{size, pageSize + 5, 0, 1},                // the same page
				{size, 3 * pageSize, 1, 2},                // another one
				{size, pageSize, 0, 2},                    // one of both
				{9 * pageSize, 8 * pageSize, 1, 3},        // grown
				{size, pageSize, 0, 3},                    // and smaller again
				{9 * pageSize, 8*pageSize + 1, 0, 3},      // grown again, and no fault
				{size, 2 * pageSize, 1, 4},                // a search of the smaller memory
				{9 * pageSize, 8*pageSize + 2, 0, 5},      // does for the smaller one only
				{limit, limit - pageSize, 1, 6},           // all of it
				{limit, limit - pageSize, 0, 6},           // again
				{limit, 0, 0, 7},                          // so much that it is given back
				{limit, size + tailToClear/2, 1, 8},       // what was given back is not known any more
				{limit, size + tailToClear/2 + 9, 0, 8},   // written to without a fault
				{limit - pageSize, size + pageSize, 1, 9}, // a search of nearly all
				{limit - pageSize, size + pageSize, 0, 9}, // again
			}
			for n, step := range steps {
				m.Reallocate(step.size)
				c.count += step.faults
				if m.buf[step.write]++; step.write == 0 {
					c.count++
					for at := uint64(size); at < limit; at += 4 << 10 {
						m.buf[at] = 1
					}
				}
				if err := m.restore(img, c); err != nil {
					t.Fatal(err)
				}
				m.Reallocate(limit)
				if !bytes.Equal(m.buf[:size], want) || len(bytes.Trim(m.buf[size:], "\x00")) > 0 {
					t.Fatalf("step %d: the memory is not the image", n)
				}
				if c.searches != step.searches {
					t.Errorf("step %d: want %d searches, got %d", n, step.searches, c.searches)
				}
			}
			if err := m.release(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFaultsAreCounted: on the systems of the tests the search can be spared.
func TestFaultsAreCounted(t *testing.T) {
	for name, tr := range trackers(t) {
		if tr == nil {
			continue
		}
		if _, ok := tr.faults(); !ok {
			t.Errorf("%s: want page faults counted", name)
		}
	}
}

// growing is a module that grows its memory and reads from it.
func growing() []byte {
	// (memory (export "memory") 1) with grow, size and load.
	return []byte("\x00asm\x01\x00\x00\x00" +
		"\x01\x0a\x02\x60\x01\x7f\x01\x7f\x60\x00\x01\x7f" +
		"\x03\x04\x03\x00\x01\x00" +
		"\x05\x03\x01\x00\x01" +
		"\x07\x1f\x04\x06memory\x02\x00\x04grow\x00\x00\x04size\x00\x01\x04load\x00\x02" +
		"\x0a\x15\x03\x06\x00\x20\x00\x40\x00\x0b\x04\x00\x3f\x00\x0b\x07\x00\x20\x00\x28\x02\x00\x0b")
}

// shrink relies on a field of the runtime, compiled and interpreted.
func TestShrink(t *testing.T) {
	for name, rc := range map[string]wazero.RuntimeConfig{
		"compiled": wazero.NewRuntimeConfigCompiler(), "interpreted": wazero.NewRuntimeConfigInterpreter(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			r := wazero.NewRuntimeWithConfig(ctx, rc)
			defer r.Close(ctx)
			m := &memory{limit: 1 << 20}
			mod, err := r.InstantiateWithConfig(experimental.WithMemoryAllocator(ctx, m), growing(), wazero.NewModuleConfig())
			if err != nil {
				t.Fatal(err)
			}
			call := func(fn string, args ...uint64) (uint64, error) {
				results, err := mod.ExportedFunction(fn).Call(ctx, args...)
				if err != nil {
					return 0, err
				}
				return results[0], nil
			}
			for range 3 {
				if got, err := call("grow", 5); err != nil || got != 1 {
					t.Fatalf("grow: want 1, got %d, %v", got, err)
				}
				if _, err := call("load", 5*pageSize); err != nil {
					t.Errorf("load from the grown memory: %v", err)
				}
				if err := shrink(mod.Memory(), m, pageSize); err != nil {
					t.Fatal(err)
				}
				if got, err := call("size"); err != nil || got != 1 || len(m.buf) != pageSize {
					t.Errorf("want one page, got %d, %v", got, err)
				}
				if _, err := call("load", pageSize); err == nil {
					t.Error("want a trap behind the end of the shrunk memory")
				}
			}
			if err := shrink(mod.Memory(), m, 0); err == nil {
				t.Error("want an error for an empty memory")
			}
			if err := m.release(); err != nil {
				t.Error(err)
			}
		})
	}
}

// chachaState writes the state of a generator after so many numbers, as it is in a guest's memory.
func chachaState(t *testing.T, mem []byte, seed byte, draws int) {
	t.Helper()
	c := randv2.NewChaCha8([32]byte(bytes.Repeat([]byte{seed}, 32)))
	for range draws {
		c.Uint64()
	}
	// The standard library's own state is the same on this machine, if it is one of 64 bits and little endian.
	copy(mem, unsafe.Slice((*byte)(unsafe.Pointer(c)), chachaSize))
}

func TestFindGenerators(t *testing.T) {
	const at1, at2, atLagged = 64, 1024, 4096
	memories := [2][]byte{make([]byte, 16<<10), make([]byte, 16<<10)}
	for k, mem := range memories {
		seed := byte(k + 1)
		chachaState(t, mem[at1:], seed, 0)
		binary.LittleEndian.PutUint64(mem[at1-8:], uint64(seed)) // a random word right before it
		chachaState(t, mem[at2:], seed+10, 100)
		binary.LittleEndian.PutUint64(mem[atLagged:], 5)
		binary.LittleEndian.PutUint64(mem[atLagged+8:], 5+laggedGap)
		r := rand.New(rand.NewSource(int64(seed)))
		for i := range laggedLen {
			binary.LittleEndian.PutUint64(mem[atLagged+16+8*i:], r.Uint64())
		}
		// The same in both, and random but no generator: a key.
		chachaState(t, mem[12<<10:], 99, 3)
		_, _ = r.Read(mem[14<<10 : 14<<10+512])
	}
	found, unknown := findGenerators(memories[0], memories[1])
	want := []generator{{chacha8, at1}, {chacha8, at2}, {lagged, atLagged}}
	if len(found) != 3 || found[0] != want[0] || found[1] != want[1] || found[2] != want[2] || unknown != 512+8 {
		t.Fatalf("want %v and 520 other bytes, got %v and %d", want, found, unknown)
	}
	a, b := bytes.Clone(memories[0]), bytes.Clone(memories[0])
	reseed(a, found)
	reseed(b, found)
	for _, g := range found {
		if bytes.Equal(a[g.offset:g.offset+320], b[g.offset:g.offset+320]) {
			t.Errorf("%v is the same after it was seeded anew", g)
		}
	}
	if !bytes.Equal(a[12<<10:], memories[0][12<<10:]) || !bytes.Equal(a[:at1], memories[0][:at1]) {
		t.Error("something else was overwritten")
	}
	// A seeded state goes on as the standard library's does.
	var c randv2.ChaCha8
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&c)), chachaSize), a[at1:at1+chachaSize])
	seen := map[uint64]bool{}
	for range 1000 {
		seen[c.Uint64()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("want 1000 different numbers, got %d", len(seen))
	}
}

// An instance that has been idle for a while holds no memory, and serves calls as before.
func TestIdleInstanceIsCooled(t *testing.T) {
	e, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Compile(t.Context(), "m", growing())
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Pool(t.Context(), PoolConfig{App: "a", Policy: Reset, IdleTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	grow := func() {
		t.Helper()
		err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
			stack := []uint64{3}
			err := g.Call(ctx, "grow", stack)
			if err == nil && (stack[0] != 1 || len(g.Memory()) != 4*pageSize) {
				t.Errorf("want a memory that grows from one page to four, got %d and %d bytes", stack[0], len(g.Memory()))
			}
			g.Memory()[10], g.Memory()[3*pageSize] = 1, 1
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	for range 3 {
		grow()
		p.mu.Lock()
		p.idle[0].idleSince = time.Now().Add(-p.idleTimeout / 2)
		p.mu.Unlock()
		p.trim()
		p.mu.Lock()
		inst := p.idle[0]
		if !inst.cooled && inst.mem.slots != nil || p.trimmer == nil {
			t.Errorf("want an instance that is cooled and will be closed")
		}
		if t := e.tracker; t != nil {
			err = t.dirty(inst.mem.region, func(off, n uint64) { err = fmt.Errorf("%d bytes at %#x are its own", n, off) })
		}
		p.mu.Unlock()
		if err != nil {
			t.Error(err)
		}
	}
	if s := p.Stats(); s.Started != 1 {
		t.Errorf("want one instance, got %+v", s)
	}
	for range 2 {
		if err := errors.Join(p.Close(t.Context()), e.Close(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

func TestJoinSegments(t *testing.T) {
	in := []wasm.Segment{
		{Offset: 10, Bytes: []byte("abc")},
		{Offset: 13, Bytes: []byte("def")},
		{Offset: 20, Bytes: []byte("g")},
		{Offset: 12, Bytes: []byte("XY")},
		{Offset: 1 << 20, Bytes: []byte("far")},
		{Offset: 1<<20 + 5, Bytes: []byte("!")},
	}
	apply := func(segments []wasm.Segment) []byte {
		mem := make([]byte, 2<<20)
		for _, s := range segments {
			copy(mem[s.Offset:], s.Bytes)
		}
		return mem
	}
	out := join(in)
	if !bytes.Equal(apply(out), apply(in)) || len(out) != 3 {
		t.Errorf("want the same memory from 3 segments, got %v", out)
	}
	if string(in[0].Bytes) != "abc" {
		t.Errorf("the segments given were changed: %q", in[0].Bytes)
	}
}
