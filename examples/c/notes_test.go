package example

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/examples/internal/notes"
)

func TestNotes(t *testing.T) {
	notes.Check(t, notes.Example{Name: "c", Lang: "c", Build: []string{"make"}, New: true})
}
