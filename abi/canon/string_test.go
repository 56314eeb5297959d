package canon

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// stringCase is a case of testdata/strings.jsonl.
type stringCase struct {
	Text, Src, Dst string
	From, To       Encoding
	N, Units       uint32
	Log            []string
}

func readStrings(t *testing.T) []stringCase {
	f, err := os.Open("testdata/strings.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []stringCase
	for d := json.NewDecoder(f); d.More(); {
		var c stringCase
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// TestStringReference compares strings between guests of all encodings with those of the executable specification, and
// what cabi_realloc is asked for.
func TestStringReference(t *testing.T) {
	all := readStrings(t)
	if len(all) < 250 {
		t.Fatalf("got %d cases, want at least 250", len(all))
	}
	u := fuse(t, Prim(KindString))
	for i, c := range all {
		src, dst, text := unhex(t, c.Src), unhex(t, c.Dst), string(unhex(t, c.Text))
		caller, callee := newInstance(c.From), newInstance(c.To)
		caller.mem = append(caller.mem, src...)
		stack := []uint64{8, uint64(c.N)}
		if err := u.Call(t.Context(), caller, &Callee{Side: callee, Call: noCall}, stack); err != nil {
			t.Fatal(err)
		}
		got := callee.mem[stack[0]:]
		if uint32(stack[1]) != c.Units || len(got) < len(dst) || !bytes.Equal(got[:len(dst)], dst) || !slices.Equal(callee.log, c.Log) {
			t.Errorf("case %d: %q from %d to %d:\ngot  %#x units % x %q\nwant %#x units % x %q",
				i, text, c.From, c.To, stack[1], got, callee.log, c.Units, dst, c.Log)
		}
		// The host lifts the source, and lowers what a guest of UTF-8 would give.
		l := NewLift(caller)
		if got := l.String(8, c.N); got != text {
			t.Errorf("case %d: lifted %q, want %q", i, got, text)
		}
		if c.From != UTF8 {
			continue
		}
		to := newInstance(c.To)
		w := NewLower(t.Context(), to)
		ptr, n := w.String(text)
		if n != c.Units || !bytes.Equal(to.mem[ptr:][:len(dst)], dst) || !slices.Equal(to.log, c.Log) {
			t.Errorf("case %d: lowered %q to %d: got %#x units % x %q, want %#x units % x %q",
				i, text, c.To, n, to.mem[ptr:], to.log, c.Units, dst, c.Log)
		}
	}
}

// TestStringTraps checks strings of a guest that are not valid in its encoding.
func TestStringTraps(t *testing.T) {
	for _, tt := range []struct {
		name     string
		encoding Encoding
		mem      []byte
		ptr, n   uint32
		want     string
	}{
		{"utf16 misaligned", UTF16, make([]byte, 8), 1, 1, "multiple of 2"},
		{"utf16 misaligned and empty", UTF16, make([]byte, 8), 1, 0, "multiple of 2"},
		{"utf16 past memory", UTF16, make([]byte, 8), 6, 2, "inside the memory"},
		{"utf16 empty past memory", UTF16, make([]byte, 8), 10, 0, "inside the memory"},
		{"utf16 wraps", UTF16, make([]byte, 8), 0, 1 << 31, "at most"},
		{"utf16 too long", UTF16, make([]byte, 8), 0, 1 << 27, "at most"},
		{"utf16 high alone", UTF16, []byte{0x41, 0, 0, 0xd8}, 0, 2, "lone surrogate 0xd800 at offset 2"},
		{"utf16 low alone", UTF16, []byte{0, 0xdc, 0x41, 0}, 0, 2, "lone surrogate 0xdc00"},
		{"utf16 high high", UTF16, []byte{0, 0xd8, 0, 0xd8}, 0, 2, "lone surrogate"},
		{"utf16 swapped", UTF16, []byte{0, 0xdc, 0, 0xd8}, 0, 2, "lone surrogate"},
		{"utf16 cut", UTF16, []byte{0, 0xd8, 0, 0xdc}, 0, 1, "lone surrogate"},
		{"mixed misaligned", Latin1UTF16, make([]byte, 8), 1, 0, "multiple of 2"},
		{"mixed utf16 misaligned", Latin1UTF16, make([]byte, 8), 1, utf16Tag, "multiple of 2"},
		{"mixed past memory", Latin1UTF16, make([]byte, 8), 0, 9, "inside the memory"},
		{"mixed utf16 past memory", Latin1UTF16, make([]byte, 8), 0, 5 | utf16Tag, "inside the memory"},
		{"mixed utf16 lone", Latin1UTF16, []byte{0, 0xd8}, 0, 1 | utf16Tag, "lone surrogate"},
		{"mixed too long", Latin1UTF16, make([]byte, 8), 0, 1<<31 - 1, "at most"},
		{"mixed utf16 too long", Latin1UTF16, make([]byte, 8), 0, 1<<32 - 1, "at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newInstance(tt.encoding)
			g.mem = tt.mem
			l := NewLift(g)
			wantTrap(t, func() { _ = l.String(tt.ptr, tt.n) }, tt.want)
			for _, to := range encodings {
				callee := newInstance(to)
				wantTrap(t, func() {
					_ = fuse(t, Prim(KindString)).Call(t.Context(), g, &Callee{Side: callee, Call: noCall}, []uint64{uint64(tt.ptr), uint64(tt.n)})
				}, tt.want)
				if len(callee.log) > 0 {
					t.Errorf("to %d: the callee was asked for memory: %q", to, callee.log)
				}
			}
		})
	}
}

// TestStringReallocLies has a guest that resizes blocks wrongly, at each step of every pair of encodings.
func TestStringReallocLies(t *testing.T) {
	for _, c := range readStrings(t) {
		for step := range c.Log {
			caller, callee := newInstance(c.From), newInstance(c.To)
			caller.mem = append(caller.mem, unhex(t, c.Src)...)
			callee.mem = make([]byte, 1<<12)
			left := step
			callee.lie = func(uint32, uint32) uint32 {
				if left--; left < 0 {
					return 0xffffffff
				}
				return 0
			}
			wantTrap(t, func() {
				_ = fuse(t, Prim(KindString)).Call(t.Context(), caller, &Callee{Side: callee, Call: noCall}, []uint64{8, uint64(c.N)})
			}, "expected")
		}
	}
}

// TestStringBudget lifts strings that are longer as UTF-8 than in memory.
func TestStringBudget(t *testing.T) {
	g := newInstance(Latin1UTF16)
	g.mem = bytes.Repeat([]byte{0xff}, 1000)
	l := NewLift(g)
	l.left = 1999
	wantTrap(t, func() { _ = l.String(0, 1000) }, "one call")
	l.left = 2000
	if got := l.String(0, 1000); len(got) != 2000 || l.left != 0 {
		t.Errorf("got %d bytes and a rest of %d, want 2000 and 0", len(got), l.left)
	}
	g.mem = make([]byte, abi.MaxBytes+1)
	l = NewLift(g)
	wantTrap(t, func() { _ = l.String(0, abi.MaxBytes+1) }, "at most")
}

// TestLowerInvalid lowers what is not UTF-8.
func TestLowerInvalid(t *testing.T) {
	for name, e := range encodings {
		g := newInstance(e)
		w := NewLower(t.Context(), g)
		ptr, n := w.String("a\xffb")
		l := NewLift(g)
		if got := l.String(ptr, n); got != "a\ufffdb" {
			t.Errorf("%s: got %q, want %q", name, got, "a\ufffdb")
		}
	}
}

// encode gives s as a guest of e has it, UTF-16 for Latin1UTF16 if wide.
func encode(e Encoding, s string, wide bool) (b []byte, n uint32) {
	latin1 := strings.IndexFunc(s, func(r rune) bool { return r > 0xff }) < 0
	switch {
	case e == UTF8:
		return []byte(s), uint32(len(s))
	case e == Latin1UTF16 && latin1 && !wide:
		for _, r := range s {
			b = append(b, byte(r))
		}
		return b, uint32(len(b))
	}
	units := utf16.Encode([]rune(s))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	n = uint32(len(units))
	if e == Latin1UTF16 {
		n |= utf16Tag
	}
	return b, n
}

// FuzzTranscode passes any bytes between guests of any encodings: what is valid, as package unicode has it, arrives as it
// was, all else traps.
func FuzzTranscode(f *testing.F) {
	for _, s := range []string{"", "grün", "hö☃🍰", "plain ASCII", "\xed\xa0\x80", "a\x00\xd8b", "\xff\xff"} {
		for i := range uint8(6) {
			f.Add([]byte(s), i)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, how uint8) {
		from, wide := Encoding(how%3), how >= 3
		want, n := decodeAny(from, b, wide)
		for _, to := range encodings {
			caller, callee := newInstance(from), newInstance(to)
			caller.mem = append(caller.mem, b...)
			stack := []uint64{8, uint64(n)}
			trap := trapOf(func() {
				_ = fuse(t, Prim(KindString)).Call(t.Context(), caller, &Callee{Side: callee, Call: noCall}, stack)
			})
			l := NewLift(caller)
			lifted := ""
			if hostTrap := trapOf(func() { lifted = l.String(8, n) }); (trap == nil) != (want != nil) || (hostTrap == nil) != (want != nil) {
				t.Fatalf("% x from %d: got traps %v and %v, want valid: %v", b, from, trap, hostTrap, want != nil)
			}
			if want == nil {
				continue
			}
			wantBytes, wantUnits := encode(to, *want, false)
			got := callee.mem[stack[0]:]
			if lifted != *want || uint32(stack[1]) != wantUnits || !bytes.Equal(got[:min(len(wantBytes), len(got))], wantBytes) {
				t.Fatalf("% x from %d to %d: got %q, %#x units % x, want %q, %#x units % x",
					b, from, to, lifted, stack[1], got, *want, wantUnits, wantBytes)
			}
		}
	})
}

// decodeAny gives the string in b, nil if it is not valid, and its length as a guest gives it.
func decodeAny(e Encoding, b []byte, wide bool) (*string, uint32) {
	var s string
	switch {
	case e == UTF8:
		if s = string(b); !utf8.ValidString(s) {
			return nil, uint32(len(b))
		}
		return &s, uint32(len(b))
	case e == Latin1UTF16 && !wide:
		for _, c := range b {
			s += string(rune(c))
		}
		return &s, uint32(len(b))
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	n := uint32(len(units))
	if e == Latin1UTF16 {
		n |= utf16Tag
	}
	s = string(utf16.Decode(units))
	back := utf16.Encode([]rune(s))
	if !slices.Equal(back, units) {
		return nil, n
	}
	return &s, n
}

// TestValid8 puts a byte that is not ASCII, valid and not, at each place of long strings.
func TestValid8(t *testing.T) {
	for n := range 200 {
		for _, odd := range []string{"", "\x80", "é", "\xc3", "\xed\xa0\x80", "\xff"} {
			for at := 0; at <= n; at += 1 + n/40 {
				b := []byte(strings.Repeat("x", at) + odd + strings.Repeat("y", n-at))
				if got, want := valid8(b), utf8.Valid(b); got != want {
					t.Fatalf("%q at %d of %d bytes: got %t, want %t", odd, at, n, got, want)
				}
			}
		}
	}
}
