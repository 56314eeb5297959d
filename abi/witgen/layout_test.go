package witgen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.bytecodealliance.org/wit"
)

// Sizes, alignments and flat forms are those that the parser's library computes on its own.
func TestLayout(t *testing.T) {
	for _, path := range []string{"testdata/all/wit", "testdata/things/wit", "../../wit", "../../wit/deps/http", "../../wit/deps/keyvalue"} {
		l := layouter{dir: t.TempDir(), path: path, real: map[string]string{}, refs: map[string]bool{}}
		if err := l.lay(path); err != nil {
			t.Fatal(err)
		}
		res, err := wit.LoadWIT(l.dir)
		if err != nil {
			t.Fatal(err)
		}
		r := newResolver()
		if _, err := r.resolve(res); err != nil {
			t.Fatal(err)
		}
		if len(r.types) < 10 {
			t.Errorf("%s: want many types, got %d", path, len(r.types))
		}
		for def, got := range r.types {
			if size, align := uint32(def.Size()), uint32(def.Align()); got.size != size || got.align != align {
				t.Errorf("%s: want size %d and alignment %d, got %d and %d", got, size, align, got.size, got.align)
			}
			if want := flatNames(def.Flat()); want != joinCores(got.flat) {
				t.Errorf("%s: want the flat form %s, got %s", got, want, joinCores(got.flat))
			}
		}
	}
}

func flatNames(flat []wit.Type) string {
	var out []core
	for _, t := range flat {
		switch t.(type) {
		case wit.U64, wit.S64:
			out = append(out, coreI64)
		case wit.F32:
			out = append(out, coreF32)
		case wit.F64:
			out = append(out, coreF64)
		default:
			out = append(out, coreI32)
		}
	}
	return joinCores(out)
}

func joinCores(cs []core) string {
	var out []string
	for _, c := range cs {
		out = append(out, string(c))
	}
	return strings.Join(out, " ")
}

// Core signatures follow the limits on flat parameters and results.
func TestSignature(t *testing.T) {
	text := &typ{kind: kindString}
	text.setLayout()
	number := &typ{kind: kindU64}
	number.setLayout()
	params := func(texts, numbers int) (out []field) {
		for range texts {
			out = append(out, field{typ: text})
		}
		for range numbers {
			out = append(out, field{typ: number})
		}
		return out
	}
	tests := map[string]struct {
		f                    function
		imported, exported   string
		inMemory, hasCleanUp bool
	}{
		"nothing":           {f: function{}, imported: " -> ", exported: " -> "},
		"scalar result":     {f: function{params: params(0, 1), result: number}, imported: "I64 -> I64", exported: "I64 -> I64"},
		"result in memory":  {f: function{result: text}, imported: "I32 -> ", exported: " -> I32", hasCleanUp: true},
		"sixteen":           {f: function{params: params(7, 2)}, imported: strings.Repeat("I32 ", 14) + "I64 I64 -> ", exported: strings.Repeat("I32 ", 14) + "I64 I64 -> "},
		"seventeen":         {f: function{params: params(8, 1)}, imported: "I32 -> ", exported: "I32 -> ", inMemory: true},
		"both in memory":    {f: function{params: params(9, 0), result: text}, imported: "I32 I32 -> ", exported: "I32 -> I32", inMemory: true, hasCleanUp: true},
		"area is the 17th ": {f: function{params: params(8, 0), result: text}, imported: strings.Repeat("I32 ", 17) + "-> ", exported: strings.Repeat("I32 ", 16) + "-> I32", hasCleanUp: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			show := func(export bool) string {
				p, r := test.f.signature(export)
				return joinCores(p) + " -> " + joinCores(r)
			}
			if got := show(false); got != test.imported {
				t.Errorf("import: want %q, got %q", test.imported, got)
			}
			if got := show(true); got != test.exported {
				t.Errorf("export: want %q, got %q", test.exported, got)
			}
			if got := test.f.paramsInMemory(); got != test.inMemory {
				t.Errorf("parameters in memory: want %v, got %v", test.inMemory, got)
			}
			if got := test.f.ownsMemory(); got != test.hasCleanUp {
				t.Errorf("clean-up: want %v, got %v", test.hasCleanUp, got)
			}
		})
	}
}

func TestNames(t *testing.T) {
	tests := []struct{ wit, pascal, camel, pkg string }{
		{"get", "Get", "get", "get"},
		{"bulk-get", "BulkGet", "bulkGet", "bulkget"},
		{"ttl-seconds", "TTLSeconds", "ttlSeconds", "ttlseconds"},
		{"etag", "ETag", "etag", "etag"},
		{"entry-id", "EntryID", "entryID", "entryid"},
		{"timeout-ms", "TimeoutMS", "timeoutMS", "timeoutms"},
		{"a1-b2", "A1B2", "a1B2", "a1b2"},
		{"HTTP-get", "HTTPGet", "httpGet", "httpget"},
	}
	for _, test := range tests {
		if got := pascal(test.wit); got != test.pascal {
			t.Errorf("pascal(%s): want %s, got %s", test.wit, test.pascal, got)
		}
		if got := camel(test.wit); got != test.camel {
			t.Errorf("camel(%s): want %s, got %s", test.wit, test.camel, got)
		}
		if got := packageName(test.wit); got != test.pkg {
			t.Errorf("packageName(%s): want %s, got %s", test.wit, test.pkg, got)
		}
	}
}

func TestWriteLeavesWhatIsCurrent(t *testing.T) {
	dir := t.TempDir()
	files := []File{{Name: "a/b.go", Data: []byte("package b\n")}}
	if err := Write(dir, files); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "a", "b.go")
	// Writing to a file without permission fails, so that a second write is seen.
	if err := os.Chmod(name, 0o444); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, files); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("want a current file left alone, got it written at %v after %v", after.ModTime(), before.ModTime())
	}
}
