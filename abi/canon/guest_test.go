package canon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// heap is a guest that is nothing but a memory and an allocator. Each allocation moves the memory, as a growing
// engine may, and overwrites the old view, so that code which keeps a view fails.
type heap struct {
	mem  []byte
	next uint32
	// lie, if set, gives what Realloc answers for a request.
	lie func(align, size uint32) uint32
	// shrink makes Realloc give memory back.
	shrink bool
	allocs int
}

var _ abi.Guest = (*heap)(nil)

// newHeap gives a guest whose memory starts with data; allocations lie behind it.
func newHeap(data ...byte) *heap {
	return &heap{mem: append([]byte(nil), data...), next: uint32(len(data))}
}

func (h *heap) Memory() []byte { return h.mem }

func (h *heap) Realloc(_ context.Context, old, oldSize, align, size uint32) uint32 {
	h.allocs++
	if old != 0 || oldSize != 0 {
		panic("test guest: the host never resizes")
	}
	if h.lie != nil {
		return h.lie(align, size)
	}
	ptr := uint32(alignTo(uint64(h.next), align))
	h.next = ptr + size
	grown := make([]byte, max(len(h.mem), int(h.next)))
	copy(grown, h.mem)
	for i := range h.mem {
		h.mem[i] = 0xcc
	}
	h.mem = grown
	if h.shrink {
		h.mem = h.mem[:0]
	}
	return ptr
}

func (h *heap) Call(context.Context, string, []uint64) error {
	return errors.New("test guest: no code")
}

func (h *heap) Has(string) bool { return false }

// trapOf runs f and gives the trap that it panics with; nil if it does not. Other panics pass.
func trapOf(f func()) (trap *abi.Trap) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *abi.Trap:
			trap = p
		default:
			panic(p)
		}
	}()
	f()
	return nil
}

// wantTrap checks that f traps for a reason that has all of the words.
func wantTrap(t *testing.T, f func(), words ...string) {
	t.Helper()
	trap := trapOf(f)
	if trap == nil {
		t.Errorf("got no trap, want one with %q", words)
		return
	}
	if trap.Kind != abi.TrapABI {
		t.Errorf("got trap kind %v, want %v", trap.Kind, abi.TrapABI)
	}
	for _, w := range words {
		if !strings.Contains(trap.Reason, w) {
			t.Errorf("got trap %q, want %q in it", trap.Reason, w)
		}
	}
}

// must gives the type; a test's types are valid.
func must(t *Type, err error) *Type {
	if err != nil {
		panic(fmt.Sprintf("test type: %v", err))
	}
	return t
}

func field(name string, t *Type) Field { return Field{Name: name, Type: t} }

func labels(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("f%d", i)
	}
	return out
}

// randomType gives a type of at most depth levels.
func randomType(r *rand.Rand, depth int) *Type {
	if depth <= 1 || r.IntN(4) == 0 {
		return Prim(Kind(r.IntN(int(KindString) + 1)))
	}
	fields := make([]Field, 1+r.IntN(5))
	for i := range fields {
		fields[i] = field(fmt.Sprintf("m%d", i), randomType(r, depth-1))
	}
	maybe := func() *Type {
		if r.IntN(3) == 0 {
			return nil
		}
		return randomType(r, depth-1)
	}
	kinds := []Kind{KindList, KindRecord, KindTuple, KindVariant, KindEnum, KindOption, KindResult, KindFlags, KindFixedList, KindMap}
	switch kinds[r.IntN(len(kinds))] {
	case KindList:
		return must(ListOf(fields[0].Type))
	case KindFixedList:
		return must(FixedListOf(fields[0].Type, uint32(1+r.IntN(5))))
	case KindMap:
		return must(MapOf(Prim(Kind(r.IntN(int(KindString)+1))), fields[0].Type))
	case KindRecord:
		return must(RecordOf(fields...))
	case KindTuple:
		return must(TupleOf(fields[0].Type, fields[len(fields)-1].Type))
	case KindVariant:
		fields[0].Type = maybe()
		return must(VariantOf(fields...))
	case KindEnum:
		return must(EnumOf(labels([]int{1, 2, 256, 257}[r.IntN(4)])...))
	case KindOption:
		return must(OptionOf(fields[0].Type))
	case KindResult:
		return must(ResultOf(maybe(), maybe()))
	default:
		return must(FlagsOf(labels(1 + r.IntN(70))...))
	}
}

// randomValue gives a value of t.
func randomValue(r *rand.Rand, t *Type) Value {
	switch t.kind {
	case KindString:
		return Str([]string{"", "a", "grün", "\x00", "日本", "\U0010ffff", strings.Repeat("x", 300)}[r.IntN(7)])
	case KindChar:
		return CharOf([]rune{0, 'A', 0xd7ff, 0xe000, 0x10ffff}[r.IntN(5)])
	case KindList, KindFixedList, KindMap:
		n := r.IntN(5)
		if t.kind == KindFixedList {
			n = int(t.count)
		}
		if t.elem.kind == KindU8 {
			return Str(strings.Repeat("\xff\x00", n)[:n])
		}
		v := Value{}
		for range n {
			v.Elems = append(v.Elems, randomValue(r, t.elem))
		}
		return v
	case KindRecord, KindTuple:
		v := Value{}
		for _, f := range t.members {
			v.Elems = append(v.Elems, randomValue(r, f.Type))
		}
		return v
	case KindVariant, KindEnum, KindOption, KindResult:
		i := r.IntN(len(t.members))
		if p := t.members[i].Type; p != nil {
			return Case(uint32(i), randomValue(r, p))
		}
		return Case(uint32(i))
	case KindFlags:
		var set []int
		for i := range t.members {
			if r.IntN(2) == 0 {
				set = append(set, i)
			}
		}
		return Flags(len(t.members), set...)
	default:
		return t.liftFlat(nil, []uint64{r.Uint64()})
	}
}
