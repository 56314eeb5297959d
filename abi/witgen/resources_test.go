package witgen_test

import (
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
	"github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluedraft"
	"github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluespin"
	"github.com/mrt-wasm/mrt-wasm/abi/witgen"
)

// Dialects of one package have one Go type for what they have in common, and differ in the types of functions.
func TestDialects(t *testing.T) {
	for _, same := range []func(keyvalue.Bucket){func(keyvaluespin.Bucket) {}} { // or it would not compile
		same(nil)
	}
	typeOf := func(funcs []abi.Func, name string) string {
		t.Helper()
		for _, f := range funcs {
			if f.Name == name {
				return f.Type
			}
		}
		t.Fatalf("want the function %s, found none", name)
		return ""
	}
	head := "func(bucket: borrow<wasi:keyvalue/store@0.2.0-draft2/bucket>, keys: list<string>) -> result<list<"
	tail := ">, variant { no-such-store, access-denied, other(string) }>"
	if want, got := head+"option<tuple<string, list<u8>>>"+tail, typeOf(keyvalue.BatchFuncs(nil), "get-many"); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	if want, got := head+"tuple<string, option<list<u8>>>"+tail, typeOf(keyvaluespin.BatchFuncs(nil), "get-many"); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	if got := typeOf(keyvaluedraft.StoreFuncs(nil), "[method]bucket.list-keys"); !strings.Contains(got, "cursor: option<u64>)") {
		t.Errorf("want a number as the cursor, got %s", got)
	}
}

// What cannot be written is refused with what to do.
func TestResourcesRefused(t *testing.T) {
	const both = `package x:y@1.0.0;
interface i { resource r; f: func(r: r); }
world w { import i; export i; }
`
	const apart = `package x:y@1.0.0;
interface i { resource r; }
interface j { use i.{r}; f: func(r: r) -> option<r>; }
world w { export i; export j; }
`
	tests := map[string]struct {
		wit  string
		call func(*witgen.Set) error
		want string
	}{
		"imported and exported": {
			wit:  both,
			call: func(s *witgen.Set) error { _, err := witgen.Host(s, witgen.Options{Package: "p"}); return err },
			want: "interface x:y/i@1.0.0 is imported and exported, and has the resource r",
		},
		"imported and exported by a guest": {
			wit:  both,
			call: func(s *witgen.Set) error { _, err := witgen.GuestTree(s, "a/b"); return err },
			want: "generate a package for each side",
		},
		"of another package": {
			wit:  apart,
			call: func(s *witgen.Set) error { _, err := witgen.GuestTree(s, "a/b"); return err },
			want: "x:y/j@1.0.0#f: the resource r is exported by x:y/i@1.0.0, which goes into another package",
		},
		"of the same package": {
			wit:  apart,
			call: func(s *witgen.Set) error { _, err := witgen.Guest(s, witgen.Options{Package: "p"}); return err },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.call(load(t, write(t, map[string]string{"a.wit": test.wit})))
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Errorf("want the error %q, got %v", test.want, err)
			}
		})
	}
}

// Of a deps folder only what is referred to is read, and what that refers to; a folder in deps finds its siblings.
func TestDependencies(t *testing.T) {
	dir := write(t, map[string]string{
		"a.wit":             "package x:y;\n// not a reference: p:broken/i\ninterface i { use p:one/i@1.0.0.{t}; }\n",
		"deps/one/one.wit":  "package p:one@1.0.0;\ninterface i { use p:two/i.{t}; }\n",
		"deps/old/one.wit":  "package p:one@0.9.0;\ninterface i { nonsense }\n",
		"deps/two.wit":      "package p:two;\ninterface i { type t = u8; }\n",
		"deps/broken/b.wit": "package p:broken;\nnonsense\n",
	})
	load(t, dir)
	load(t, dir+"/deps/one")
	if _, err := witgen.Load(t.Context(), dir+"/deps/broken"); err == nil {
		t.Error("want an error of the broken package, got none")
	}
}
