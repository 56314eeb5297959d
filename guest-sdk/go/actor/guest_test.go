//go:build !wasip1

package actor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// TestGuest builds an app with actors and looks at what the module imports and exports.
func TestGuest(t *testing.T) {
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-buildvcs=false", "-ldflags=-w", "-o", out, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build of testdata/guest: %v\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the guest has %d bytes", len(b))
	m, err := wasm.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	var exports, imports []string
	for _, e := range m.Exports {
		if name, ok := strings.CutPrefix(e.Name, "mrt:actor/actor@0.1.0#"); ok {
			exports = append(exports, name)
		}
	}
	for _, i := range m.Imports {
		if name, ok := strings.CutPrefix(i.Module, "mrt:actor/"); ok {
			imports = append(imports, strings.TrimSuffix(name, "@0.1.0")+"."+i.Name)
		}
	}
	slices.Sort(exports)
	if want := []string{"activate", "deactivate", "invoke", "reminder", "timer"}; !slices.Equal(exports, want) {
		t.Errorf("exports of mrt:actor/actor: got %q, want %q", exports, want)
	}
	slices.Sort(imports)
	want := []string{
		"client.invoke", "context.self", "reminders.get", "reminders.list", "reminders.register", "reminders.unregister",
		"state.get", "state.remove", "state.set", "timers.register", "timers.unregister",
	}
	if !slices.Equal(imports, want) {
		t.Errorf("imports of mrt:actor: got %q, want %q", imports, want)
	}
}
