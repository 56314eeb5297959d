package witgen_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/echo"
	all "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/host"
)

// liar is a guest whose memory and answers are arbitrary. It keeps only what the engine guarantees: cabi_realloc's
// result lies in memory and is aligned.
type liar struct {
	mem     []byte
	answers []byte
}

func (l *liar) next() uint32 {
	var b [4]byte
	l.answers = l.answers[copy(b[:], l.answers):]
	return binary.LittleEndian.Uint32(b[:])
}

func (l *liar) Memory() []byte { return l.mem }

func (l *liar) Realloc(_ context.Context, _, _, align, size uint32) uint32 {
	if uint64(size)+uint64(align) > uint64(len(l.mem)) {
		abi.Trapf("cabi_realloc: out of memory")
	}
	return l.next() % (uint32(len(l.mem)) - size - align + 1) &^ (align - 1)
}

func (l *liar) Call(_ context.Context, name string, stack []uint64) error {
	if l.next()%16 == 1 {
		return &abi.Trap{Kind: abi.TrapGuest, Func: name, Reason: "trapped"}
	}
	for i := range stack {
		stack[i] = uint64(l.next())<<32 | uint64(l.next())
	}
	if l.next()%2 == 0 && len(stack) > 0 {
		stack[0] = uint64(l.next() % uint32(len(l.mem)+1) &^ 7)
	}
	return nil
}

func (l *liar) Has(string) bool { return l.next()%2 == 0 }

// callers are typed callers whose results have every type.
var callers = map[string]func(context.Context, abi.Guest) (any, error){
	"deep": func(ctx context.Context, g abi.Guest) (any, error) { return all.CallEchoDeepRecord(ctx, g, all.Deep{}) },
	"list": func(ctx context.Context, g abi.Guest) (any, error) { return all.CallEchoDeepList(ctx, g, nil) },
	"shape": func(ctx context.Context, g abi.Guest) (any, error) {
		return all.CallEchoShapeVariant(ctx, g, all.Shape{})
	},
	"scalars": func(ctx context.Context, g abi.Guest) (any, error) {
		return all.CallEchoScalarsRecord(ctx, g, all.Scalars{})
	},
	"color": func(ctx context.Context, g abi.Guest) (any, error) { return all.CallEchoColorEnum(ctx, g, 0) },
	"big":   func(ctx context.Context, g abi.Guest) (any, error) { return all.CallEchoBigEnum(ctx, g, 0) },
	"char":  func(ctx context.Context, g abi.Guest) (any, error) { return all.CallEchoChar(ctx, g, 'a') },
	"plain": func(ctx context.Context, g abi.Guest) (any, error) {
		return all.CallEchoPlainVariant(ctx, g, all.Plain{})
	},
	"empty": func(ctx context.Context, g abi.Guest) (any, error) {
		return all.CallEchoEmptyRecord(ctx, g, all.EmptyIsh{})
	},
	"flags": func(ctx context.Context, g abi.Guest) (any, error) {
		return all.CallEchoMoreFlags(ctx, g, 0, 0, all.Flags70{})
	},
	"strings": func(ctx context.Context, g abi.Guest) (any, error) {
		return all.CallEchoStrings(ctx, g, []string{"a", "bc"})
	},
	"bytes": func(ctx context.Context, g abi.Guest) (any, error) { return all.CallEchoBytes(ctx, g, []byte("abc")) },
	"maybe": func(ctx context.Context, g abi.Guest) (any, error) { return all.CallEchoMaybeTwice(ctx, g, nil) },
	"items": func(ctx context.Context, g abi.Guest) (any, error) { return all.CallStoreItems(ctx, g) },
	"failure": func(ctx context.Context, g abi.Guest) (any, error) {
		return all.CallEchoFailRecord(ctx, g, canon.Result[*string, all.Failure]{Err: &all.Failure{Reason: "x"}})
	},
	"problem": func(ctx context.Context, g abi.Guest) (any, error) {
		return nil, all.CallEchoFailProblem(ctx, g, canon.Result[struct{}, all.Problem]{})
	},
	"unit": func(ctx context.Context, g abi.Guest) (any, error) {
		return nil, all.CallEchoFailUnit(ctx, g, canon.Result[struct{}, struct{}]{})
	},
}

// lie lifts what an arbitrary guest gives, through each import and each caller, and fails the test when that does
// anything but succeed within the limits or trap.
func lie(t *testing.T, stack, mem, answers []byte) {
	t.Helper()
	if len(mem) == 0 || len(mem) > 1<<20 {
		return
	}
	host := &echo.Host{}
	for _, f := range host.Funcs() {
		host.Seen = nil
		if trap := importOf(t, f, stack, &liar{append([]byte(nil), mem...), answers}); trap != nil && trap.Func != f.ExportName() {
			t.Errorf("%s: want the trap to name the function, got %q", f.ExportName(), trap.Func)
		}
		checkSize(t, f.ExportName(), host.Seen)
	}
	for name, call := range callers {
		got, err := call(t.Context(), &liar{append([]byte(nil), mem...), answers})
		if trap, ok := errors.AsType[*abi.Trap](err); ok && trap.Func == "" {
			t.Errorf("%s: want the trap to name the function, got none: %v", name, trap)
		}
		checkSize(t, name, got)
	}
}

// importOf calls an import and gives the trap that it ends with.
func importOf(t *testing.T, f abi.Func, stack []byte, g *liar) (trap *abi.Trap) {
	t.Helper()
	slots := make([]uint64, max(len(f.Params), len(f.Results)))
	for i := range slots {
		var b [8]byte
		stack = stack[copy(b[:], stack):]
		slots[i] = binary.LittleEndian.Uint64(b[:])
	}
	defer func() {
		if p := recover(); p != nil {
			var ok bool
			if trap, ok = p.(*abi.Trap); !ok {
				t.Fatalf("%s: want only traps, got a panic: %v", f.ExportName(), p)
			}
		}
	}()
	f.Call(t.Context(), g, slots)
	return nil
}

// checkSize wants v, with all that it points to, to be within the limits.
func checkSize(t *testing.T, name string, v any) {
	t.Helper()
	if v == nil {
		return
	}
	if n := sizeOf(reflect.ValueOf(v)); n > abi.MaxCallBytes {
		t.Errorf("%s: want at most %d bytes, got %d", name, abi.MaxCallBytes, n)
	}
}

func sizeOf(v reflect.Value) (n uintptr) {
	switch v.Kind() {
	case reflect.String:
		return uintptr(v.Len())
	case reflect.Slice:
		n = uintptr(v.Len()) * v.Type().Elem().Size()
		if v.Type().Elem().Kind() >= reflect.Array {
			for i := range v.Len() {
				n += sizeOf(v.Index(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			n = v.Type().Elem().Size() + sizeOf(v.Elem())
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			n += sizeOf(f)
		}
	case reflect.Interface:
		return sizeOf(v.Elem())
	default:
	}
	return n
}

// Small numbers and addresses are the lies that get far.
func TestHostileMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		mem := make([]byte, 1<<(4+r.IntN(9)))
		for i := 0; i+4 <= len(mem); i += 4 {
			var v uint32
			switch r.IntN(5) {
			case 0:
				v = uint32(r.IntN(len(mem))) &^ 7
			case 1, 2:
				v = uint32(r.IntN(4))
			case 3:
				v = uint32(r.IntN(300))
			default:
				v = r.Uint32()
			}
			binary.LittleEndian.PutUint32(mem[i:], v)
		}
		stack, answers := make([]byte, 17*8), make([]byte, 200)
		for i := 0; i < len(stack); i += 8 {
			v := r.Uint64N(uint64(len(mem)))
			if r.IntN(2) == 0 {
				v = r.Uint64N(4)
			}
			binary.LittleEndian.PutUint64(stack[i:], v)
		}
		for i := range answers {
			answers[i] = byte(r.Uint32())
		}
		lie(t, stack, mem, answers)
		if t.Failed() {
			return
		}
	}
}

func FuzzHostileMemory(f *testing.F) {
	f.Add([]byte{8, 0, 0, 0, 0, 0, 0, 0, 2}, []byte("\x08\x00\x00\x00\x02\x00\x00\x00text"), []byte{1, 2, 3})
	f.Add([]byte{}, make([]byte, 256), []byte{})
	f.Fuzz(lie)
}

// A small memory can describe a huge value: lists of lists that are all the same one. The budget of the call ends it.
func TestHostileAmplification(t *testing.T) {
	mem := make([]byte, 1<<20)
	// Every pair is (pointer to the start, many): a list of lists, seen from anywhere.
	for i := 0; i < len(mem); i += 8 {
		binary.LittleEndian.PutUint32(mem[i+4:], 1<<16)
	}
	host := &echo.Host{}
	counts := map[string]uint64{"strings": 5000, "deep-list": 4000}
	for _, f := range host.Funcs() {
		count, ok := counts[f.Name]
		if !ok {
			continue
		}
		stack := make([]byte, 24)
		binary.LittleEndian.PutUint64(stack[8:], count)
		trap := importOf(t, f, stack, &liar{mem: mem})
		if trap == nil || !strings.Contains(trap.Reason, "expected at most") {
			t.Errorf("%s: want a trap for the limit of a call, got %v", f.Name, trap)
		}
	}
}

// Each lie is named in the trap.
func TestHostileReasons(t *testing.T) {
	le := binary.LittleEndian.AppendUint32
	tests := map[string]struct {
		fn    string
		stack []uint64
		mem   []byte
		want  string
	}{
		"past the end":    {"string", []uint64{60, 10, 0}, nil, "10 bytes at 0x3c: expected them inside the memory of 64 bytes"},
		"address wraps":   {"string", []uint64{0xffffffff, 10, 0}, nil, "expected them inside the memory of 64 bytes"},
		"too long":        {"string", []uint64{0, abi.MaxBytes + 1, 0}, nil, "expected at most 67108864 bytes"},
		"not UTF-8":       {"string", []uint64{16, 2, 0}, append(make([]byte, 16), 0xff, 0xfe), "expected UTF-8"},
		"too many":        {"strings", []uint64{0, abi.MaxElements + 1, 0}, nil, "expected at most 1048576 elements"},
		"not aligned":     {"strings", []uint64{2, 1, 0}, nil, "expected a multiple of 4"},
		"result area":     {"string", []uint64{0, 0, 61}, nil, "expected a multiple of 4"},
		"area past end":   {"string", []uint64{0, 0, 60}, nil, "expected them inside the memory"},
		"no such case":    {"color-enum", []uint64{3}, nil, "enum mrt:all/types@1.2.3.color: expected a case below 3, found 3"},
		"no such variant": {"problem-variant", []uint64{9, 0, 0, 16}, nil, "variant mrt:all/types@1.2.3.problem: expected a case below 3, found 9"},
		"no such option":  {"maybe-twice", []uint64{2, 0, 0, 0, 16}, nil, "option<option<string>>: expected a case below 2, found 2"},
		"surrogate":       {"char", []uint64{0xd800}, nil, "char: expected a Unicode scalar value, found 0xd800"},
		"parameters":      {"seventeen", []uint64{32, 0}, nil, "expected them inside the memory"},
		"in a list":       {"strings", []uint64{0, 1, 16}, le(le(nil, 100), 5), "5 bytes at 0x64"},
	}
	funcs := (&echo.Host{}).Funcs()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			mem := make([]byte, 64)
			copy(mem, test.mem)
			stack := make([]byte, 0, 8*len(test.stack))
			for _, v := range test.stack {
				stack = binary.LittleEndian.AppendUint64(stack, v)
			}
			for _, f := range funcs {
				if f.Name != test.fn {
					continue
				}
				trap := importOf(t, f, stack, &liar{mem: mem})
				if trap == nil || !strings.Contains(trap.Error(), test.want) || !strings.Contains(trap.Error(), "mrt:all/echo@1.2.3#"+test.fn) {
					t.Errorf("want a trap of %s with %q, got %v", test.fn, test.want, trap)
				}
			}
		})
	}
}
