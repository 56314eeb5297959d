package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// room is a guest's memory without a guest: all that is allocated lies at one place.
type room struct {
	mem []byte
	at  uint32
}

func (r *room) Memory() []byte                                                 { return r.mem }
func (r *room) Realloc(context.Context, uint32, uint32, uint32, uint32) uint32 { return r.at }
func (r *room) Call(context.Context, string, []uint64) error                   { return errors.New("there is no guest") }
func (r *room) Has(string) bool                                                { return false }

// entry is a record as generated glue has it: record { key: string, value: list<u8>, version: u64, ttl: option<u32> }.
type entry struct {
	key     string
	value   []byte
	version uint64
	ttl     *uint32
}

const (
	entrySize, entryAlign = 32, 8
	entries               = 100
	textAt, textSize      = 8192, 1024
)

// BenchmarkComponentLift compares package canon, in the shape of generated glue and by types that are only known at run
// time ("dynamic"), with a reader and a writer by hand that check as much: bounds, alignment, UTF-8 and cases.
func BenchmarkComponentLift(b *testing.B) {
	g := newRoom(b)
	typ := entryType(b)
	list := must(canon.ListOf(typ))
	text := string(g.mem[textAt : textAt+textSize])
	dynamic := func(t *canon.Type, ptr uint32) canon.Value {
		l := canon.NewLift(g)
		return t.Load(&l, l.Area(ptr, t.Size(), t.Align()))
	}
	binary.LittleEndian.PutUint32(g.mem[entries*entrySize+4:], entries) // the list itself, after its elements
	value, values := dynamic(typ, 0), dynamic(list, entries*entrySize)
	one, all := liftEntries(g, 1)[0], liftEntries(g, entries)
	lower := func(t *canon.Type, v canon.Value) func() {
		return func() {
			w := canon.NewLower(b.Context(), g)
			t.Store(&w, g.at, v)
		}
	}
	for _, c := range []struct {
		name                string
		hand, glue, dynamic func()
	}{
		{"lift/string", func() { handString(g.mem, textAt, textSize) }, func() {
			l := canon.NewLift(g)
			l.String(textAt, textSize)
		}, nil},
		{"lift/record", func() { handEntry(g.mem, 0) }, func() { liftEntries(g, 1) }, func() { dynamic(typ, 0) }},
		{"lift/list", func() { handEntries(g.mem) }, func() { liftEntries(g, entries) }, func() { dynamic(list, entries*entrySize) }},
		{"lower/string", func() { handPut(g, text) }, func() {
			w := canon.NewLower(b.Context(), g)
			w.String(text)
		}, nil},
		{"lower/record", func() { handPutEntry(g, g.at, &one) }, func() { lowerEntries(b.Context(), g, all[:1]) }, lower(typ, value)},
		{"lower/list", func() { handPutEntries(g, all) }, func() { lowerEntries(b.Context(), g, all) }, lower(list, values)},
	} {
		b.Run(c.name, func(b *testing.B) {
			ways := []func(){c.hand, c.glue, c.dynamic}
			if c.dynamic == nil {
				ways = ways[:2]
			}
			took := turns(b, len(ways), 1000, func(k int) error {
				ways[k]()
				return nil
			})
			for k, name := range []string{"hand", "glue", "dynamic"}[:len(ways)] {
				b.ReportMetric(took[k]*1000, "ns-"+name)
				if k > 0 {
					b.ReportMetric(took[k]/took[0], name+"/hand")
				}
			}
		})
	}
}

// newRoom gives a memory with entries from address 0 on, whose keys and values are those of textAt.
func newRoom(b *testing.B) *room {
	b.Helper()
	g := &room{mem: make([]byte, 1<<16), at: 32768}
	copy(g.mem[textAt:], strings.Repeat("x", textSize))
	for k := range uint32(entries) {
		e := g.mem[k*entrySize:]
		for i, v := range []uint32{textAt, 16, textAt, 64, 7, 0, 1, 60} {
			binary.LittleEndian.PutUint32(e[4*i:], v)
		}
	}
	return g
}

func must(t *canon.Type, err error) *canon.Type {
	if err != nil {
		panic(err)
	}
	return t
}

func entryType(b *testing.B) *canon.Type {
	b.Helper()
	t := must(canon.RecordOf(
		canon.Field{Name: "key", Type: canon.Prim(canon.KindString)}, canon.Field{Name: "value", Type: must(canon.ListOf(canon.Prim(canon.KindU8)))},
		canon.Field{Name: "version", Type: canon.Prim(canon.KindU64)}, canon.Field{Name: "ttl", Type: must(canon.OptionOf(canon.Prim(canon.KindU32)))}))
	if t.Size() != entrySize || t.Align() != entryAlign {
		b.Fatalf("want a record of %d bytes, got %d", entrySize, t.Size())
	}
	return t
}

func liftEntries(g *room, n uint32) []entry {
	l := canon.NewLift(g)
	out, area := canon.List[entry](&l, 0, n, entrySize, entryAlign)
	for i := range out {
		b := area[i*entrySize : (i+1)*entrySize]
		out[i] = entry{key: l.StringAt(b, 0), value: l.BytesAt(b, 8), version: canon.U64(b, 16)}
		if canon.Disc("option", uint32(canon.U8(b, 24)), 2) == 1 {
			out[i].ttl = canon.New[uint32](&l)
			*out[i].ttl = canon.U32(b, 28)
		}
	}
	return out
}

func lowerEntries(ctx context.Context, g *room, all []entry) {
	w := canon.NewLower(ctx, g)
	ptr, _ := w.List(len(all), entrySize, entryAlign)
	for i := range all {
		e, at := &all[i], ptr+uint32(i)*entrySize
		w.PutString(at, e.key)
		w.PutBytes(at+8, e.value)
		w.PutU64(at+16, e.version)
		w.PutBool(at+24, e.ttl != nil)
		if e.ttl != nil {
			w.PutU32(at+28, *e.ttl)
		}
	}
}

func handBytes(mem []byte, ptr, n uint32) []byte {
	if uint64(ptr)+uint64(n) > uint64(len(mem)) {
		panic("past the memory")
	}
	return mem[ptr : ptr+n]
}

func handString(mem []byte, ptr, n uint32) string {
	b := handBytes(mem, ptr, n)
	if !utf8.Valid(b) {
		panic("not UTF-8")
	}
	return string(b)
}

func handEntry(mem []byte, at uint32) entry {
	if at%entryAlign != 0 {
		panic("not aligned")
	}
	b := handBytes(mem, at, entrySize)
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
	e := entry{key: handString(mem, u32(0), u32(4)), version: binary.LittleEndian.Uint64(b[16:])}
	e.value = append([]byte{}, handBytes(mem, u32(8), u32(12))...)
	switch b[24] {
	case 0:
	case 1:
		ttl := u32(28)
		e.ttl = &ttl
	default:
		panic("no such case")
	}
	return e
}

func handEntries(mem []byte) []entry {
	out := make([]entry, entries)
	for k := range out {
		out[k] = handEntry(mem, uint32(k)*entrySize)
	}
	return out
}

func handPut(g *room, s string) (ptr, n uint32) {
	ptr = g.Realloc(context.Background(), 0, 0, 1, uint32(len(s)))
	copy(handBytes(g.mem, ptr, uint32(len(s))), s)
	return ptr, uint32(len(s))
}

func handPutEntry(g *room, at uint32, e *entry) {
	ptr, n := handPut(g, e.key)
	vptr := g.Realloc(context.Background(), 0, 0, 1, uint32(len(e.value)))
	copy(handBytes(g.mem, vptr, uint32(len(e.value))), e.value)
	b := handBytes(g.mem, at, entrySize)
	for i, v := range []uint32{ptr, n, vptr, uint32(len(e.value))} {
		binary.LittleEndian.PutUint32(b[4*i:], v)
	}
	binary.LittleEndian.PutUint64(b[16:], e.version)
	b[24] = 0
	if e.ttl != nil {
		b[24] = 1
		binary.LittleEndian.PutUint32(b[28:], *e.ttl)
	}
}

func handPutEntries(g *room, all []entry) {
	ptr := g.Realloc(context.Background(), 0, 0, entryAlign, uint32(len(all))*entrySize)
	for k := range all {
		handPutEntry(g, ptr+uint32(k)*entrySize, &all[k])
	}
}
