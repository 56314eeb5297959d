package witgen_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/witgen"
)

func itoa(n int) string { return strconv.Itoa(n) }

// write makes files by name and content below a new folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadRefuses(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		// path is below the folder of files.
		path string
		want []string
	}{
		"nothing there":   {path: "missing", want: []string{"expected a .wit file or a folder", "missing"}},
		"an empty folder": {files: map[string]string{"a/readme": ""}, path: "a", want: []string{"expected .wit files", "found none"}},
		"another file":    {files: map[string]string{"a.txt": ""}, path: "a.txt", want: []string{"expected a .wit file", "a.txt"}},
		"bad syntax": {
			files: map[string]string{"a.wit": "package x:y;\n\ninterface i {\n  f: func(a: u8 -> u8;\n}\n"},
			want:  []string{"a.wit:4:17: expected ')', found `->`", "f: func(a: u8 -> u8;"},
		},
		"bad syntax in a dependency": {
			files: map[string]string{
				"a.wit":         "package x:y;\ninterface i { use b:c/d.{e}; }\n",
				"deps/b/bc.wit": "package b:c;\ninterface d {\n  type e = nope;\n}\n",
			},
			want: []string{"deps/b/bc.wit:3:12: ", "nope", "does not exist"},
		},
		"an unknown package": {
			files: map[string]string{"a.wit": "package x:y;\nworld w {\n  import b:c/d;\n}\n"},
			want:  []string{"a.wit:3:10: package 'b:c' not found. known packages: x:y\n"},
		},
		"a resource of a world": {
			files: map[string]string{"a.wit": "package x:y;\nworld w {\n  resource file;\n}\n"},
			want:  []string{"type file", "a resource of a world itself is not supported", "define it in an interface"},
		},
		"a stream": {
			files: map[string]string{"a.wit": "package x:y;\ninterface i {\n  f: func(body: stream<u8>);\n}\n"},
			want:  []string{"x:y/i#f: parameter body: a stream is not supported"},
		},
		"a future in a record": {
			files: map[string]string{"a.wit": "package x:y;\ninterface i {\n  record r { later: future<u8> }\n}\n"},
			want:  []string{"type r: field later: a future is not supported"},
		},
		"an error-context": {
			files: map[string]string{"a.wit": "package x:y;\ninterface i {\n  f: func() -> error-context;\n}\n"},
			want:  []string{"x:y/i#f: result: an error-context is not supported"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := write(t, test.files)
			_, err := witgen.Load(t.Context(), filepath.Join(dir, test.path))
			if err == nil {
				t.Fatal("want an error, got none")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("want %q in the error, got: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "witgen") {
				t.Errorf("want the user's own file names, got: %v", err)
			}
		})
	}
}

const twoWorlds = `package x:y@1.0.0;
interface i { f: func(a: string) -> u32; }
world one { import i; }
world two { export i; }
`

func TestWorlds(t *testing.T) {
	two := load(t, write(t, map[string]string{"a.wit": twoWorlds}))
	none := load(t, write(t, map[string]string{"a.wit": "package x:y;\ninterface i { f: func(); }\n"}))
	tests := map[string]struct {
		set  *witgen.Set
		opts witgen.Options
		// want is in the source, or in the error if it starts with "error: ".
		want, wantNot string
	}{
		"import only":      {two, witgen.Options{World: "one", Package: "p"}, "type IHost interface", "CallIF"},
		"export only":      {two, witgen.Options{World: "two", Package: "p"}, "func CallIF(", "IHost"},
		"full name":        {two, witgen.Options{World: "x:y/two@1.0.0", Package: "p"}, "func CallIF(", "IHost"},
		"without version":  {two, witgen.Options{World: "x:y/one", Package: "p"}, "type IHost interface", "CallIF"},
		"no name":          {two, witgen.Options{Package: "p"}, "error: several: x:y/one@1.0.0, x:y/two@1.0.0", ""},
		"unknown name":     {two, witgen.Options{World: "three", Package: "p"}, `error: world "three": there is none`, ""},
		"no world at all":  {none, witgen.Options{Package: "p"}, "func CallIF(", "nothing"},
		"no package":       {two, witgen.Options{World: "one"}, "error: expected a Go package name", ""},
		"an import path":   {two, witgen.Options{World: "one", Package: "a/b"}, "error: expected a Go package name", ""},
		"a keyword":        {two, witgen.Options{World: "one", Package: "func"}, "error: expected a Go package name", ""},
		"starts otherwise": {two, witgen.Options{World: "one", Package: "1st"}, "error: expected a Go package name", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			files, err := witgen.Host(test.set, test.opts)
			if want, ok := strings.CutPrefix(test.want, "error: "); ok {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("want an error with %q, got %v", want, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			src := string(files[0].Data)
			if !strings.Contains(src, test.want) || strings.Contains(src, test.wantNot) {
				t.Errorf("want %q and not %q in:\n%s", test.want, test.wantNot, src)
			}
		})
	}
}

func TestBindgen(t *testing.T) {
	dir := write(t, map[string]string{"a.wit": twoWorlds})
	for side, want := range map[string][]string{"host": {"p.wit.go"}, "guest": {"p.wit.go", "p_wasip1.wit.go"}} {
		out := filepath.Join(t.TempDir(), "deep", side)
		names, err := witgen.Bindgen(t.Context(), witgen.Request{
			Path: filepath.Join(dir, "a.wit"), World: "one", Side: side, Package: "p", Out: out,
		})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(names, " ") != strings.Join(want, " ") {
			t.Errorf("%s: want the files %v, got %v", side, want, names)
		}
		for _, name := range names {
			src, err := os.ReadFile(filepath.Join(out, name))
			if err != nil {
				t.Error(err)
			} else if header := "// Code generated by mrt-wasm bindgen from x:y@1.0.0. DO NOT EDIT.\n"; !strings.HasPrefix(string(src), header) {
				t.Errorf("%s: want the header %s, got %.80s", name, header, src)
			}
		}
	}
	for want, r := range map[string]witgen.Request{
		"side: expected host or guest": {Path: dir, Side: "middle", Package: "p", Out: "x"},
		"out: expected the folder":     {Path: dir, Side: "host", Package: "p"},
	} {
		if _, err := witgen.Bindgen(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}
