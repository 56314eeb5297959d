package example

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/examples/internal/notes"
)

func TestNotes(t *testing.T) {
	notes.Check(t, notes.Example{Name: "python", Lang: "python", Build: []string{"make"}})
}
