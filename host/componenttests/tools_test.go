package componenttests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tools builds wasm-tools, which its project has as a Go program, in a folder of its own.
func tools(t testing.TB) (bin string) {
	t.Helper()
	bin = filepath.Join(t.TempDir(), "wasm-tools")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "go.bytecodealliance.org/internal/cmd/wasm-tools")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build wasm-tools, which makes components of core modules: %v\n%s", err, msg)
	}
	return bin
}

// componentOf makes a component of a core module for a world of a WIT package; without core module one whose functions
// only trap.
func componentOf(t testing.TB, bin, wit, world string, core []byte, options ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{"package.wit": []byte(wit), "core.wasm": core} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source := "core.wasm"
	if core == nil {
		source = "--dummy"
	}
	embed := append([]string{"component", "embed", "package.wit", source, "--world", world}, options...)
	embedded := output(t, dir, bin, embed...)
	if err := os.WriteFile(filepath.Join(dir, "embedded.wasm"), embedded, 0o644); err != nil {
		t.Fatal(err)
	}
	return output(t, dir, bin, "component", "new", "embedded.wasm")
}

// output runs a program in dir and gives what it prints.
func output(t testing.TB, dir, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", filepath.Base(program), args, err, stderr.Bytes(), stdout.Bytes())
	}
	return stdout.Bytes()
}
