package wasm

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRewritten tells that a module has been through [Transform] already, or uses names that are reserved for it.
var ErrRewritten = errors.New("module has been rewritten already, or uses a name reserved for the rewriter")

// Error is a module that cannot be decoded: where, what was expected and what was found.
type Error struct {
	// Section is the section's name, for example "code"; empty outside of any.
	Section string
	// Item is what is being read, for example "function 12"; empty if the place says enough.
	Item string
	// Offset counts bytes from the start of the module.
	Offset int
	// Expected and Found say what is wrong.
	Expected, Found string
}

// Error gives one line with everything that is known.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("wasm: ")
	if e.Section != "" {
		b.WriteString(e.Section + " section, ")
	}
	fmt.Fprintf(&b, "offset %#x: ", e.Offset)
	if e.Item != "" {
		b.WriteString(e.Item + ": ")
	}
	fmt.Fprintf(&b, "expected %s, found %s", e.Expected, e.Found)
	return b.String()
}

// Unfit is a valid module to which a pass does not apply, for example because its table changes at run time.
type Unfit struct {
	// Pass is the name of the pass.
	Pass string
	// Reason says what stands in the way.
	Reason string
}

// Error names the pass and the reason.
func (u *Unfit) Error() string { return fmt.Sprintf("wasm: pass %s: %s", u.Pass, u.Reason) }

func unfit(pass, format string, args ...any) error {
	return &Unfit{Pass: pass, Reason: fmt.Sprintf(format, args...)}
}
