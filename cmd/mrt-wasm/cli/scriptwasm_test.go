package cli

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// wasmFiles gives a folder with the wasm files that scripts run: programs of rustc, by their names without
// .component, and what the tests of package host have.
func wasmFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	z, err := zip.OpenReader(filepath.Join("..", "..", "..", "host", "componenttests", "testdata", "wasip2-cli.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if err := os.CopyFS(filepath.Join(dir, "rustc"), z); err != nil {
		t.Fatal(err)
	}
	others, err := filepath.Glob(filepath.Join("..", "..", "..", "host", "testdata", "*", "*.wasm"))
	if err != nil || len(others) == 0 {
		t.Fatalf("want the wasm files of package host, got %q, %v", others, err)
	}
	programs, err := filepath.Glob(filepath.Join(dir, "rustc", "*.component.wasm"))
	if err != nil || len(programs) == 0 {
		t.Fatalf("want the programs of the archive, got %q, %v", programs, err)
	}
	for _, file := range append(others, programs...) {
		wasm, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Replace(filepath.Base(file), ".component", "", 1)
		if err := os.WriteFile(filepath.Join(dir, name), wasm, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// appears FILE waits until a file is there.
func appears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: appears FILE")
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("no %s within %s", args[0], patience)
}
