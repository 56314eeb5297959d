package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kinds are the blocks that have drivers.
var kinds = map[string]bool{"state": true, "pubsub": true, "configuration": true, "secret": true, "binding": true, "http": true, "lock": true, "crypto": true}

// TestBlocksAreWhole wants every building block that has a contract to have all its other sides, under the same
// name, and no side without a contract.
func TestBlocksAreWhole(t *testing.T) {
	top := root(t)
	blocks := folders(t, filepath.Join(top, "wit"))
	if len(blocks) == 0 {
		t.Fatal("wit/ has no blocks")
	}
	for name := range blocks {
		want := []string{
			filepath.Join("wit", name, name+".wit"), filepath.Join("abi", name), filepath.Join("host", name),
			filepath.Join("guest-sdk", "go", name), filepath.Join("docs", "blocks", name+".md"),
		}
		if kinds[name] {
			want = append(want, filepath.Join("host", name, name+"test"), filepath.Join("components", name))
		}
		for _, side := range want {
			if _, err := os.Stat(filepath.Join(top, side)); err != nil {
				t.Errorf("block %s is not whole: %s is missing", name, side)
			}
		}
	}
	for _, dir := range []string{"abi", "guest-sdk/go"} {
		for name := range folders(t, filepath.Join(top, dir)) {
			switch name {
			case "canon", "witgen", "wasm", "component", "wasi", "cabi", "internal", "warmup":
				continue
			}
			if !blocks[name] {
				t.Errorf("%s/%s has no contract in wit/%s", dir, name, name)
			}
		}
	}
	for name := range folders(t, filepath.Join(top, "components")) {
		switch name {
		case "standard", "internal", "contrib": // contrib is a module of its own
			continue
		}
		if !kinds[name] {
			t.Errorf("components/%s: %s is not a block that has drivers", name, name)
		}
	}
}

// TestDriversAreWhole wants every driver folder to be in the standard list and to run its block's conformance suite.
func TestDriversAreWhole(t *testing.T) {
	top := root(t)
	listed, err := os.ReadFile(filepath.Join(top, "components", "standard", "standard.go"))
	if err != nil {
		t.Fatal(err)
	}
	for kind := range kinds {
		for name := range folders(t, filepath.Join(top, "components", kind)) {
			dir := filepath.Join("components", kind, name)
			if !strings.Contains(string(listed), module+"/"+filepath.ToSlash(dir)) {
				t.Errorf("%s is not in components/standard/standard.go", dir)
			}
			if !runsSuite(t, filepath.Join(top, dir), kind+"test.Run(") {
				t.Errorf("%s does not run the conformance suite: no test calls %stest.Run", dir, kind)
			}
		}
	}
}

func runsSuite(t *testing.T, dir, call string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(src), call) {
			return true
		}
	}
	return false
}

func folders(t *testing.T, dir string) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "deps" && e.Name() != "testdata" {
			out[e.Name()] = true
		}
	}
	return out
}
