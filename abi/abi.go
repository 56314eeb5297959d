// Package abi is what the host and a guest both know: how a core function is described, how one instance is
// reached, what a trap is, and the limits on everything that a guest supplies.
//
// It is the bottom of the dependency graph: standard library only, no engine, no block.
package abi

import (
	"context"
	"fmt"
)

// ValType is a core WebAssembly value type, numbered as in the binary format (core spec 5.3.1).
type ValType byte

// The core value types of the Canonical ABI.
const (
	I32 ValType = 0x7f
	I64 ValType = 0x7e
	F32 ValType = 0x7d
	F64 ValType = 0x7c
)

// String gives the text format's name.
func (v ValType) String() string {
	switch v {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	default:
		return fmt.Sprintf("valtype(%#x)", byte(v))
	}
}

// Guest is one running instance as the Canonical ABI sees it. It serves one call at a time; a host function
// gets the Guest that called it.
type Guest interface {
	// Memory is a view of the whole linear memory. It is valid only until guest code runs again (Realloc, Call
	// or the return of the host function): copy out what is kept.
	Memory() []byte
	// Realloc calls the guest's cabi_realloc and gives the new block's address, checked to lie in memory and to
	// be aligned. It panics with a *Trap when the guest has no realloc or lies.
	Realloc(ctx context.Context, old, oldSize, align, size uint32) uint32
	// Call calls the exported core function name with params at the front of stack and leaves its results there;
	// stack is as long as the longer of both. It fails with a *Trap when the guest traps, exits or runs out of time.
	Call(ctx context.Context, name string, stack []uint64) error
	// Has tells whether the guest exports the core function name.
	Has(name string) bool
}

// Func is one core function at the boundary: for an import with the host's code, for an export without.
type Func struct {
	// Module is the import's module name, for example "mrt:state/store@0.1.0"; for an export the interface, or
	// "" for a function that a world itself exports.
	Module string
	// Name is the function's name in its interface, for example "get".
	Name string
	// Params and Results are the flattened core signature.
	Params, Results []ValType
	// Type is the function's component type as text, as canon.Func.Text gives it, for example
	// "func(self: borrow<wasi:io/poll@0.2/pollable>) -> bool". Components are linked by it: interfaces of one name and
	// version may differ in it. Empty if it is not known; only core modules are then linked to the function.
	Type string
	// Call runs the import. Parameters are at the front of stack and results go there. It panics with a *Trap
	// to end the guest. Nil for an export.
	Call func(ctx context.Context, g Guest, stack []uint64)
}

// ExportName is the core name under which a module exports the function: "<interface>#<function>", or the bare name
// of a function that a world itself exports.
func (f Func) ExportName() string {
	if f.Module == "" {
		return f.Name
	}
	return f.Module + "#" + f.Name
}

// PostReturnName is the core name of the function's clean-up, which the caller calls after it has lifted the
// results if the module exports it.
func (f Func) PostReturnName() string { return "cabi_post_" + f.ExportName() }

// Trap ends a guest's call: the guest broke the ABI, trapped by itself, exited, or ran out of time or memory. The
// instance is not to be called again as it is.
type Trap struct {
	// App and Func name where it happened, as far as known.
	App, Func string
	// Kind is what ended the call.
	Kind TrapKind
	// Reason says what was expected and what was found.
	Reason string
	// Cause is the engine's error, if there is one.
	Cause error
}

// TrapKind classifies a Trap.
type TrapKind uint8

// The kinds of trap.
const (
	// TrapABI: the guest gave the host a value that the Canonical ABI forbids.
	TrapABI TrapKind = iota
	// TrapGuest: guest code trapped (unreachable, memory out of bounds, stack overflow ...).
	TrapGuest
	// TrapExit: the guest called proc_exit.
	TrapExit
	// TrapTimeout: the call's deadline passed or the caller went away.
	TrapTimeout
	// TrapHost: a host function panicked; a bug of the host.
	TrapHost
)

// String gives the kind's name as it stands in metrics.
func (k TrapKind) String() string {
	return [...]string{"abi", "guest", "exit", "timeout", "host"}[k]
}

// Error names app and function and says what happened.
func (t *Trap) Error() string {
	s := t.Reason
	if t.Func != "" {
		s = t.Func + ": " + s
	}
	if t.App != "" {
		s = "app " + t.App + ": " + s
	}
	return s
}

// Unwrap gives the engine's error.
func (t *Trap) Unwrap() error { return t.Cause }

// Trapf panics with a TrapABI.
func Trapf(format string, args ...any) {
	panic(&Trap{Kind: TrapABI, Reason: fmt.Sprintf(format, args...)})
}

// Limits on what a guest supplies in one call. They are checked before anything is allocated.
const (
	// MaxBytes bounds one string or list<u8>, in bytes.
	MaxBytes = 64 << 20
	// MaxElements bounds one list of anything else.
	MaxElements = 1 << 20
	// MaxCallBytes bounds all that one call lifts, in bytes, host-side sizes included.
	MaxCallBytes = 256 << 20
)
