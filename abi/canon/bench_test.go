package canon

import (
	"context"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// still is a guest with room for one block, which it gives out again and again.
type still struct {
	heap
}

// item stands for a record of generated glue: record { key: string, value: list<u8>, version: u64, ttl: option<u32> }.
type item struct {
	key     string
	value   []byte
	version uint64
	ttl     *uint32
}

const itemSize, itemAlign = 32, 8

func liftItem(l *Lift, b []byte) item {
	v := item{key: l.StringAt(b, 0), value: l.BytesAt(b, 8), version: U64(b, 16)}
	if Disc("option", uint32(U8(b, 24)), 2) == 1 {
		v.ttl = New[uint32](l)
		*v.ttl = U32(b, 28)
	}
	return v
}

func lowerItem(w *Lower, at uint32, v *item) {
	w.PutString(at, v.key)
	w.PutBytes(at+8, v.value)
	w.PutU64(at+16, v.version)
	w.PutBool(at+24, v.ttl != nil)
	if v.ttl != nil {
		w.PutU32(at+28, *v.ttl)
	}
}

// itemType is item's dynamic type.
func itemType() *Type {
	return must(RecordOf(field("key", Prim(KindString)), field("value", must(ListOf(Prim(KindU8)))),
		field("version", Prim(KindU64)), field("ttl", must(OptionOf(Prim(KindU32))))))
}

// benchGuest gives a guest with count items from address 0 on, of keys of 16 and values of 64 bytes, and room.
func benchGuest(count int) *still {
	h := newHeap(make([]byte, count*itemSize)...)
	w := NewLower(context.Background(), h)
	ttl := uint32(60)
	for i := range uint32(count) {
		lowerItem(&w, i*itemSize, &item{strings.Repeat("k", 16), make([]byte, 64), 7, &ttl})
	}
	room := w.Alloc(1<<16, 8)
	h.lie = func(uint32, uint32) uint32 { return room }
	return &still{*h}
}

func BenchmarkString1KiB(b *testing.B) {
	g := &still{*newHeap(make([]byte, 4096)...)}
	g.lie = func(uint32, uint32) uint32 { return 1024 }
	text := strings.Repeat("x", 1024)
	copy(g.mem, text)
	b.Run("lift", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l := NewLift(g)
			_ = l.String(0, 1024)
		}
	})
	b.Run("lower", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := NewLower(b.Context(), g)
			w.String(text)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	g := benchGuest(1)
	l := NewLift(g)
	v := liftItem(&l, l.Area(0, itemSize, itemAlign))
	b.Run("lift", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l := NewLift(g)
			_ = liftItem(&l, l.Area(0, itemSize, itemAlign))
		}
	})
	b.Run("lower", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := NewLower(b.Context(), g)
			w.Area(0, itemSize, itemAlign)
			lowerItem(&w, 0, &v)
		}
	})
	typ := itemType()
	b.Run("lift dynamic", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l := NewLift(g)
			_ = typ.Load(&l, l.Area(0, itemSize, itemAlign))
		}
	})
	l = NewLift(g)
	dynamic := typ.Load(&l, l.Area(0, itemSize, itemAlign))
	b.Run("lower dynamic", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := NewLower(b.Context(), g)
			typ.Store(&w, 0, dynamic)
		}
	})
}

func BenchmarkList100(b *testing.B) {
	g := benchGuest(100)
	l := NewLift(g)
	items := liftItems(&l, 0, 100)
	b.Run("lift", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l := NewLift(g)
			_ = liftItems(&l, 0, 100)
		}
	})
	b.Run("lower", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := NewLower(b.Context(), g)
			ptr, _ := w.List(len(items), itemSize, itemAlign)
			for i := range items {
				lowerItem(&w, ptr+uint32(i)*itemSize, &items[i])
			}
		}
	})
}

// BenchmarkFused calls from one instance to another; the core functions cost nothing and memory is given out at once.
func BenchmarkFused(b *testing.B) {
	record := must(ListOf(itemType()))
	for _, tt := range []struct {
		name     string
		typ      *Type
		from, to Encoding
		n        uint64
	}{
		{"u32", Prim(KindU32), UTF8, UTF8, 1},
		{"string1KiB", Prim(KindString), UTF8, UTF8, 1024},
		{"string1KiB utf16 to utf8", Prim(KindString), UTF16, UTF8, 1024},
		{"string1KiB utf8 to utf16", Prim(KindString), UTF8, UTF16, 1024},
		{"list<u64> 1024", must(ListOf(Prim(KindU64))), UTF8, UTF8, 1024},
		{"list<f64> 1024", must(ListOf(Prim(KindF64))), UTF8, UTF8, 1024},
		{"list of 100 records", record, UTF8, UTF8, 100},
	} {
		b.Run(tt.name, func(b *testing.B) {
			f, err := NewFunc([]Field{field("p", tt.typ)}, nil)
			if err != nil {
				b.Fatal(err)
			}
			u, caller, callee := NewFused(f), newInstance(tt.from), quietInstance{newInstance(tt.to)}
			caller.mem, callee.mem = benchGuest(100).mem, make([]byte, 1<<16)
			if tt.typ.kind == KindString {
				caller.mem, _ = encode(tt.from, strings.Repeat("x", 1024), true)
			}
			target := &Callee{Side: callee, Call: noCall}
			stack := make([]uint64, 2)
			b.ReportAllocs()
			for b.Loop() {
				stack[0], stack[1] = 0, tt.n
				if err := u.Call(b.Context(), caller, target, stack); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func liftItems(l *Lift, ptr, n uint32) []item {
	out, b := List[item](l, ptr, n, itemSize, itemAlign)
	for i := range out {
		out[i] = liftItem(l, b[i*itemSize:(i+1)*itemSize])
	}
	return out
}

// TestItem checks the glue of the benchmarks, which is the shape of generated glue, against the dynamic layer.
func TestItem(t *testing.T) {
	typ := itemType()
	if typ.Size() != itemSize || typ.Align() != itemAlign {
		t.Fatalf("got size %d align %d, want %d and %d", typ.Size(), typ.Align(), itemSize, itemAlign)
	}
	g := benchGuest(3)
	l := NewLift(g)
	for i, v := range liftItems(&l, 0, 3) {
		want := Elems(Str(v.key), Str(string(v.value)), Uint(v.version), Case(1, Uint(uint64(*v.ttl))))
		got := typ.Load(&l, l.Area(uint32(i*itemSize), itemSize, itemAlign))
		if !got.Equal(want) || v.key != strings.Repeat("k", 16) || len(v.value) != 64 || v.version != 7 || *v.ttl != 60 {
			t.Errorf("item %d: got %+v and %+v", i, v, got)
		}
	}
}

// TestAllocations checks that what is scalar, and the Lift and Lower themselves, stay off the heap.
func TestAllocations(t *testing.T) {
	g := benchGuest(1)
	var abiGuest abi.Guest = g
	ctx := t.Context()
	var sink uint64
	if got := testing.AllocsPerRun(100, func() {
		l := NewLift(abiGuest)
		b := l.Area(0, itemSize, itemAlign)
		sink += U64(b, 16) + uint64(FlatChar(65)) + uint64(Disc("option", 1, 2)) + BoolBits(Bool(b, 24))
		w := NewLower(ctx, abiGuest)
		w.PutU64(16, sink)
		w.PutF32(16, FlatF32(sink))
		w.PutString(0, "some key")
	}); got != 0 {
		t.Errorf("scalars: got %v allocations, want 0", got)
	}
	if got := testing.AllocsPerRun(100, func() {
		l := NewLift(abiGuest)
		sink += uint64(len(l.String(itemSize, 16)))
	}); got != 1 {
		t.Errorf("string: got %v allocations, want 1", got)
	}
}
