package main

import (
	"path/filepath"
	"testing"
)

// TestBank does what the program does, with fewer transfers and kills.
func TestBank(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "mrt-wasm")
	if err := build(bin); err != nil {
		t.Fatal(err)
	}
	err := check(t.Context(), config{
		bin: bin, manifest: "..", data: t.TempDir(), http: "127.0.0.1:0", api: "127.0.0.1:0",
		accounts: 6, transfers: 300, kills: 5, workers: 8, seed: 1, say: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
}
