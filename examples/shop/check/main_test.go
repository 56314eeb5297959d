package main

import (
	"os"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/examples/internal/toolchain"
)

// TestShop runs the real binary on manifest.yaml. redis.yaml needs servers, which an example's tests cannot start: its test
// is TestShopOnRedisAndVault in components/standard, which runs this program.
func TestShop(t *testing.T) {
	t.Parallel() // it mostly waits
	if err := restarts("../manifest.yaml", toolchain.MrtWasm(t), "../secrets.json"); err != nil {
		t.Fatal(err)
	}
}

// TestOrdersInRust runs rust.yaml, whose orders is a component in Rust; all else is as in manifest.yaml.
func TestOrdersInRust(t *testing.T) {
	t.Parallel()
	inGo, inRust := documents(t, "../manifest.yaml"), documents(t, "../rust.yaml")
	if want := strings.Replace(inGo, "{go: ./orders}", "{wasm: orders-rust/app.wasm}", 1); inRust != want {
		t.Fatalf("rust.yaml: want manifest.yaml with another source of orders, got\n%s", inRust)
	}
	mrt := toolchain.MrtWasm(t)
	toolchain.Run(t, "../orders-rust", mrt, "new", "wit", "wit/deps")
	toolchain.Build(t, "../orders-rust", "make")
	if err := restarts("../rust.yaml", mrt, "../secrets.json"); err != nil {
		t.Fatal(err)
	}
}

// documents reads a manifest without the comment at its start.
func documents(t *testing.T, manifest string) string {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	_, documents, ok := strings.Cut(string(text), "apiVersion:")
	if !ok {
		t.Fatalf("%s has no document", manifest)
	}
	return documents
}
