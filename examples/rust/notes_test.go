package example

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/examples/internal/notes"
)

func TestNotes(t *testing.T) {
	notes.Check(t, notes.Example{Name: "rust", Lang: "rust", Build: []string{"make"}, Own: []string{"Cargo.lock"}, New: true})
}
