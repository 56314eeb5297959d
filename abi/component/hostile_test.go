package component_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// TestHostile has components that are made to cost more than they are long. Each must be refused for what it does, and
// that at once: a test that hangs fails by the test binary's timeout.
func TestHostile(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"ten million nested types", nestedTypes(10_000_000), "at most 200000"},
		{"a type of great depth", nestedTypes(component.MaxTypeDepth + 1), "100 deep"},
		{"types that double", doubledTypes(40), "parts, written out"},
		{"functions of types that double", comp(vec(idType, cat(tupleCode, 100, bytes.Repeat([]byte{u8Code}, 100)),
			cat(tupleCode, 100, bytes.Repeat([]byte{0}, 100)), cat(tupleCode, 100, bytes.Repeat([]byte{1}, 100)))), "parts, written out"},
		{"nested components", nestedComponents(200), "deep in each other"},
		{"nested component types", comp(nestedDecls(compCode, 200)), "deep in each other"},
		{"nested instance types", comp(nestedDecls(instCode, 200)), "deep in each other"},
		{"nested instance types by index", nestedInstanceTypes(), "deep"},
		{"a million types in a row", comp(repeat(idType, 1_000_000, cat(u8Code))), "at most 200000 types"},
		{"types in many sections", comp(bytes.Repeat(repeat(idType, 1_000, cat(u8Code)), 300)), "at most 200000 definitions"},
		{"parts", comp(repeat(idType, 200, cat(tupleCode, 10_000, bytes.Repeat([]byte{u8Code}, 10_000)))), "at most 1000000 fields"},
		{"a long record", comp(repeat(idType, 1, cat(tupleCode, 20_000, bytes.Repeat([]byte{u8Code}, 20_000)))), "at most 10000 types"},
		{"a long name", comp(vec(idImport, cat(byte(0), strings.Repeat("a", component.MaxNameLength+1), byte(1), 0))), "at most 100000 bytes"},
		{"a huge value", comp(vec(idType, cat(byte(0x67), u8Code, 1<<28))), "at most 268435455 bytes"},
		{"a huge nested value", comp(vec(idType, cat(byte(0x67), u8Code, 1<<27), cat(byte(0x67), byte(0), 1<<31))), "bytes"},
		{"modules", comp(bytes.Repeat(sec(idModule, []byte("\x00asm\x01\x00\x00\x00")), 1_001)), "at most 1000 core modules"},
		{"components", comp(bytes.Repeat(sec(idComponent, comp()), 1_001)), "at most 1000 nested components"},
		{"instances", comp(repeat(idInstance, 10_001, []byte{1, 0})), "at most 10000 instances"},
		{"core instances", comp(repeat(idCoreInstance, 10_001, []byte{1, 0})), "at most 10000 core instances"},
		{"instances of a large component", largeInstances(), "steps"},
		{"instance types that double", doubledInstances(60), "steps"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := component.Parse(tt.b)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// nestedTypes has n types, each a list of the one before.
func nestedTypes(n int) []byte {
	body := cat(n, u8Code)
	for i := range n - 1 {
		body = append(append(body, listCode), index(i)...)
	}
	return comp(sec(idType, body))
}

// doubledTypes has n types, each a tuple of a list of the one before, twice.
func doubledTypes(n int) []byte {
	items := [][]byte{cat(u8Code)}
	for range n {
		items = append(items, cat(listCode, index(len(items)-1)), cat(tupleCode, 2, index(len(items)), index(len(items))))
	}
	return comp(vec(idType, items...))
}

func nestedComponents(n int) []byte {
	b := comp()
	for range n {
		b = comp(sec(idComponent, b))
	}
	return b
}

// nestedDecls is a type section with a component or instance type n deep.
func nestedDecls(code byte, n int) []byte {
	b := []byte{code, 0}
	for range n {
		b = cat(code, 1, byte(1), b)
	}
	return vec(idType, b)
}

// nestedInstanceTypes has instance types each of which exports one of the type before it.
func nestedInstanceTypes() []byte {
	items := [][]byte{{instCode, 0}}
	for i := range 200 {
		items = append(items, cat(instCode, 2,
			byte(2), byte(3), byte(2), 1, i, // alias outer 1 i (type)
			byte(4), byte(0), "x", byte(5), 0)) // export "x" (instance (type 0))
	}
	return comp(vec(idType, items...))
}

// resourceInstance is an instance type with a resource and n functions that use it.
func resourceInstance(n int) []byte {
	decls := [][]byte{
		cat(byte(4), byte(0), "r", byte(3), byte(1)),               // export "r" (type (sub resource))
		cat(byte(1), byte(0x69), 0),                                // type (own 0)
		cat(byte(1), funcCode, 1, "x", index(1), byte(1), byte(0)), // type (func (param "x" (own 0)))
	}
	for i := range n {
		decls = append(decls, cat(byte(4), byte(0), "f"+strings.Repeat("-a", i%50)+strings.Repeat("-b", i/50), byte(1), 2))
	}
	return cat(instCode, len(decls), bytes.Join(decls, nil))
}

// largeInstances imports one large instance type many times: each import makes its resource anew.
func largeInstances() []byte {
	var imports [][]byte
	for i := range 9_000 {
		imports = append(imports, cat(byte(0), "i"+strings.Repeat("-a", i%100)+strings.Repeat("-b", i/100), byte(5), 0))
	}
	return comp(vec(idType, resourceInstance(2_000)), vec(idImport, imports...))
}

// doubledInstances has instance types each of which exports two of the type before it, down to a resource: all of its
// instances are different.
func doubledInstances(n int) []byte {
	items := [][]byte{resourceInstance(0)}
	for i := range n {
		items = append(items, cat(instCode, 3,
			byte(2), byte(3), byte(2), 1, i,
			byte(4), byte(0), "x", byte(5), 0,
			byte(4), byte(0), "y", byte(5), 0))
	}
	return comp(vec(idType, items...))
}

// TestMemory: what decoding a component makes is in proportion to its length, and bounded.
func TestMemory(t *testing.T) {
	b := comp(repeat(idType, component.MaxDefs, cat(listCode, u8Code)))
	got := testing.Benchmark(func(b2 *testing.B) {
		b2.ReportAllocs()
		for b2.Loop() {
			if _, err := component.Parse(b); err != nil {
				b2.Fatal(err)
			}
		}
	})
	if most := int64(256 << 20); got.AllocedBytesPerOp() > most {
		t.Errorf("%d bytes of types: got %d bytes allocated, want at most %d", len(b), got.AllocedBytesPerOp(), most)
	}
}
