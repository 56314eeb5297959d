package component

import (
	"fmt"
	"strings"
)

// Error is a component that cannot be decoded or is not valid: where, what was expected and what was found.
type Error struct {
	// Offset counts bytes from the start of the file. For errors of validation it is where the definition begins.
	Offset int
	// Where says what is being read, for example "type section, type 12"; empty if the offset says enough.
	Where string
	// Expected and Found say what is wrong.
	Expected, Found string
}

// Error gives one line with everything that is known.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "component: offset %#x: ", e.Offset)
	if e.Where != "" {
		b.WriteString(e.Where + ": ")
	}
	fmt.Fprintf(&b, "expected %s, found %s", e.Expected, e.Found)
	return b.String()
}
