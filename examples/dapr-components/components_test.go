package daprcomponents

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestValidates: every file loads and fits its driver. Nothing of it is without effect but what warnings.txt has.
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
