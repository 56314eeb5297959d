package dapryaml

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// TestLoads: the files load as they are.
func TestLoads(t *testing.T) {
	t.Setenv("NAMESPACE", "")
	m, err := manifest.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := [3]int{len(m.Components), len(m.Subscriptions), len(m.HTTPEndpoints)}, [3]int{14, 2, 1}; got != want {
		t.Errorf("components, subscriptions and endpoints: got %v, want %v", got, want)
	}
}

// TestValidates: the command holds them against the drivers too, and warns of what has no effect and of nothing else.
func TestValidates(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "mrt-wasm")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../cmd/mrt-wasm").CombinedOutput(); err != nil {
		t.Fatalf("building mrt-wasm: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), bin, "validate", ".")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mrt-wasm validate: %v\n%s", err, out)
	}
	want, err := os.ReadFile("warnings.txt")
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(out)) != strings.TrimSpace(string(want)) {
		t.Errorf("mrt-wasm validate: got\n%s\nwant, as in warnings.txt\n%s", out, want)
	}
}
