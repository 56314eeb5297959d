// Package canon is the Canonical ABI of the Component Model for value types: how booleans, numbers, characters,
// strings, lists, records, tuples, variants, enums, options, results and flags pass between the host and a guest. It
// knows no engine and no WIT text, and has no resources, streams or futures.
//
// It has two layers. Generated glue knows its types when it is compiled and uses Lift, Lower and the scalar
// functions. The component linker, tools and tests learn types at run time and use Type, Value and Func, which are
// built on the first layer.
//
// The names in brackets are sections of CanonicalABI.md in the component-model repository. Strings are UTF-8 and
// memories have 32-bit addresses. The limits are abi's, which are below the specification's.
//
// # In memory
//
// All is little-endian; a value is aligned to its largest scalar [Alignment] and its size is a multiple of the
// alignment [Element Size]. Padding is not written and not read.
//
// A string or list<T> is an address and a count of bytes or elements. The elements are a block of their own:
//
//	at            +4            +8            ptr           +size(T)      +2*size(T)
//	+-------------+-------------+             +-------------+-------------+----
//	| ptr: u32    | count: u32  |    - - ->   | element 0   | element 1   | ...
//	+-------------+-------------+             +-------------+-------------+----
//	alignment 4, size 8                       ptr is a multiple of align(T), also for no elements
//
// A record or tuple has its fields in order, here record { a: u8, b: string, c: u16 }, alignment 4, size 16:
//
//	0      1          4              8              12       14       16
//	+------+----------+--------------+--------------+--------+--------+
//	| a    | padding  | b: ptr       | b: count     | c      | padding|
//	+------+----------+--------------+--------------+--------+--------+
//
// A variant, enum, option or result is the number of its case and the payload. The number is a u8 up to 256 cases
// and a u16 beyond. All payloads start at the same offset, aligned for the strictest of them, here
// variant { none, small(u8), big(u64) }, alignment 8, size 16:
//
//	0      1                        8                             16
//	+------+------------------------+-----------------------------+
//	| case | padding                | u64, or u8 and 7 not used   |
//	+------+------------------------+-----------------------------+
//
// Flags are bits, the first label the lowest bit, in a u8 up to 8 labels, a u16 up to 16, a u32 up to 32. Beyond 32,
// which the specification no longer has, they are one u32 for each 32 labels begun, as in its first releases:
//
//	                                     0               4               8
//	flags { f0, f1, ... f39 }            +---------------+---------------+
//	alignment 4, size 8                  | f31 .. f1 f0  | 0 .. f33 f32  |
//	                                     +---------------+---------------+
//
// # Flat
//
// Parameters and results are core values where they are few [Flattening]. Integers up to 32 bits, bool, char, flags
// and cases are an i32; strings and lists are two; records are their fields one after the other. Of a variant's
// payloads, slot by slot, the core types are joined: equal ones stay, i32 and f32 give i32, others i64. Here
// variant { a(u8), b(f32), c(string), d(f64) }:
//
//	         case    slot 1                 slot 2
//	a(u8)    i32     i32                    -
//	b(f32)   i32     f32                    -
//	c(str)   i32     i32 ptr                i32 count
//	d(f64)   i32     f64                    -
//	         ---     ---                    ---
//	joined   i32     i64                    i32
//
// A slot of abi.Func's stack has the value's bits, zero-extended to 64, whatever its core type; so a joined slot
// needs no conversion, and the slots which a case does not use are 0.
//
// Parameters of more than 16 core values go as one tuple in memory, whose address is the only parameter. A result
// of more than 1 goes through memory too:
//
//	guest calls host:  f(params..., ret)          the guest has the area ready, the host stores the result at ret
//	host calls guest:  f(params...) -> ret        the guest gives the area's address; after lifting, the host calls
//	                                              the guest's cabi_post_f, which frees it
//
// # Trust
//
// Everything that a guest supplies is hostile. An address and a count are checked in 64 bits against the memory, the
// alignment, abi.MaxBytes or abi.MaxElements, and what one call lifts, host-side sizes included, against
// abi.MaxCallBytes, all before anything is allocated. Whatever is wrong panics with an *abi.Trap; nothing else does.
//
// [Alignment]: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#alignment
// [Element Size]: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#element-size
// [Flattening]: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#flattening
package canon
