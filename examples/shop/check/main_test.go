package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestShop runs the real binary on manifest.yaml. redis.yaml needs servers, which an example's tests cannot start: its test
// is TestShopOnRedisAndVault in components/standard, which runs this program.
func TestShop(t *testing.T) {
	mrt := filepath.Join(t.TempDir(), "mrt-wasm")
	if out, err := exec.Command("go", "build", "-o", mrt, "../../../cmd/mrt-wasm").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := restarts("../manifest.yaml", mrt, "../secrets.json"); err != nil {
		t.Fatal(err)
	}
}
