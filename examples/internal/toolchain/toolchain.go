// Package toolchain builds the examples that are not in Go, for their tests only. The toolchains are those that setup.sh makes
// ready, which make test-setup calls.
package toolchain

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// MrtWasm builds the command mrt-wasm and gives its path.
func MrtWasm(t *testing.T) string {
	t.Helper()
	mrt := filepath.Join(t.TempDir(), "mrt-wasm")
	Run(t, ".", "go", "build", "-o", mrt, "github.com/mrt-wasm/mrt-wasm/cmd/mrt-wasm")
	return mrt
}

// Build runs the command of a recipe in a folder, with setup.sh's toolchains in front of those of the machine. What npm
// installs is there when the folder has a package.json; Rust keeps what it built for other examples.
func Build(t *testing.T, dir string, recipe ...string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(cache, "mrt-wasm-test", "toolchain")
	if _, err := os.Stat(filepath.Join(tools, "bin")); err != nil {
		t.Fatalf("the toolchains of the examples are not there: run make test-setup (%v)", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "package.json")); err == nil {
		if err := os.Symlink(filepath.Join(tools, "npm", "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, []string{
		"PATH=" + filepath.Join(tools, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
		"CARGO_TARGET_DIR=" + filepath.Join(tools, "rust-target"),
	}, recipe)
}

// Run runs a command in a folder. The test ends if it fails.
func Run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	run(t, dir, nil, append([]string{name}, args...))
}

// run runs a command with more environment variables.
func run(t *testing.T, dir string, env, command []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}
