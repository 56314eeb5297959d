package example

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/examples/internal/notes"
)

func TestNotes(t *testing.T) {
	notes.Check(t, notes.Example{Name: "javascript", Lang: "js", Build: []string{"npm", "run", "build"}, Own: []string{"package-lock.json"}})
}
