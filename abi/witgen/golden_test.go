package witgen_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/witgen"

	// The generated packages have to compile.
	_ "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/guest/all"
	_ "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/host"
	_ "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/tree/guest/other/store"
	_ "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/tree/host/other"
)

var update = flag.Bool("update", false, "write the golden files")

// testdata is the import path of the golden packages.
const testdata = "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata"

func load(t testing.TB, path string) *witgen.Set {
	t.Helper()
	set, err := witgen.Load(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestGolden(t *testing.T) {
	opts := witgen.Options{World: "all", Package: "all"}
	set := load(t, "testdata/all/wit")
	tests := map[string]func() ([]witgen.File, error){
		"testdata/all/host":      func() ([]witgen.File, error) { return witgen.Host(set, opts) },
		"testdata/all/guest/all": func() ([]witgen.File, error) { return witgen.Guest(set, opts) },
		"testdata/tree/host":     func() ([]witgen.File, error) { return witgen.HostTree(set, testdata+"/tree/host") },
		"testdata/tree/guest":    func() ([]witgen.File, error) { return witgen.GuestTree(set, testdata+"/tree/guest") },
		"testdata/tree/docs":     func() ([]witgen.File, error) { return witgen.Docs(set), nil },
	}
	for dir, generate := range tests {
		t.Run(dir, func(t *testing.T) {
			files, err := generate()
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := witgen.Write(dir, files); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, dir, files)
		})
	}
}

// The glue and pages of this repository are what the generator makes of its WIT.
func TestRepositoryIsCurrent(t *testing.T) {
	files, err := witgen.Repository(t.Context(), "../../wit")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join("../..", f.Name))
		if err != nil {
			t.Errorf("%v; run make generate", err)
		} else if !bytes.Equal(got, f.Data) {
			t.Errorf("%s: %s; run make generate", f.Name, firstDifference(got, f.Data))
		}
	}
}

// compare wants dir to hold files and nothing else.
func compare(t *testing.T, dir string, files []witgen.File) {
	t.Helper()
	want := map[string][]byte{}
	for _, f := range files {
		want[f.Name] = f.Data
	}
	var found []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		found = append(found, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := want[name]; !ok {
			t.Errorf("%s: is not generated any more; remove it", name)
		} else if !bytes.Equal(got, data) {
			t.Errorf("%s: %s; run go test ./abi/witgen -update and look at the difference", name, firstDifference(got, data))
		}
	}
	for name := range want {
		if !slices.Contains(found, name) {
			t.Errorf("%s: is missing; run go test ./abi/witgen -update", name)
		}
	}
}

func firstDifference(old, now []byte) string {
	a, b := strings.Split(string(old), "\n"), strings.Split(string(now), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "differs first in line " + itoa(i+1) + ":\n\thave " + a[i] + "\n\twant " + b[i]
		}
	}
	return "one is longer, from line " + itoa(min(len(a), len(b))+1) + " on"
}
