package notes

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/examples/internal/toolchain"
)

// sameAsNew checks that the current folder is what mrt-wasm new makes, besides tests and the example's own files; the WIT
// of the blocks is not kept with the examples.
func sameAsNew(t *testing.T, mrt string, e Example) {
	t.Helper()
	made := filepath.Join(t.TempDir(), "new")
	toolchain.Run(t, ".", mrt, "new", "app", e.Name, "--lang", e.Lang, "--dir", made)
	want, got := files(t, made), files(t, ".")
	for _, name := range e.Own {
		delete(got, name)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s is not what mrt-wasm new makes; it made\n%.2000s", name, text)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("mrt-wasm new does not make %s", name)
	}
}

// files reads a folder's files, but not tests, what is built, and the blocks' WIT.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	built := []string{".mrt", "build", "target", "node_modules", ".venv", "__pycache__", "deps"}
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(built, d.Name()):
			return fs.SkipDir
		case d.IsDir(), strings.HasSuffix(name, ".go"), strings.HasSuffix(name, ".wasm"):
			return nil
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		all[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err = errors.Join(err); err != nil {
		t.Fatal(err)
	}
	return all
}
