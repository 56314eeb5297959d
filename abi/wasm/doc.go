// Package wasm reads, checks, rewrites and writes core WebAssembly modules: version 1 of the format with the
// features of WebAssembly 2.0 (sign extension, multi-value, bulk memory, reference types, saturating conversions,
// SIMD, mutable globals in imports and exports). It is what makes an instance cheap: [Transform] gives a module
// whose whole state is its memory and its exported globals, which never runs for long without asking for fuel, and
// which needs neither data segments nor function tables when it is instantiated.
//
// [Merge] makes one module of several that share a memory, such as those of a component, so that they are as cheap as one;
// [TransformPart] is for those that have to stay apart. [SplitMemories] makes several modules of one with several memories,
// which nothing else here takes.
//
// It is not a validator of types. [Decode] checks structure: section order, every count, every index, the nesting
// of blocks. An index that is out of range in the input could otherwise name something that a pass adds, for
// example the fuel counter. Operand types are left to the engine, which validates the result anyway.
//
// Input may be hostile. Nothing in it makes the package panic, recurse without bound, or take memory out of
// proportion to the input's size; the constants Max... bound everything that is counted.
//
// Output depends on nothing but the input and the options, so results can be addressed by content.
//
// # What differs after a rewrite
//
//   - A call_indirect that fails (index out of range, null element, wrong signature) traps as unreachable inside a
//     function named [TrapOutOfRange], [TrapNull] or [TrapSignature]: WebAssembly has no instruction that traps with
//     another kind at will.
//   - Calls through a dispatcher take one more frame, so runaway recursion overflows the stack a little earlier.
//   - Functions that only call another one with the same arguments are gone from stack traces, and take no frame.
//   - Fuel is spent, see [Meter].
package wasm
