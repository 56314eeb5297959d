// Package canon is the Canonical ABI of the Component Model: how values pass between the host and a guest, or between
// two guests: booleans, numbers, characters, strings, lists, records, tuples, variants, enums, options, results, flags
// and the handles of resources. It knows no engine and no WIT text, and has no streams or futures.
//
// It has three layers. Generated glue knows its types when it is compiled and uses Lift, Lower and the scalar
// functions; for resources Object, TakeObject, AddObject and Handles. The component linker, tools and tests learn types
// at run time and use Type, Value and Func, which are built on the first layer. Calls from one component to another use
// Fused, which copies from memory to memory. What happens to a value of a type is planned once, when the Type or Fused is
// made.
//
// The names in brackets are sections of CanonicalABI.md in the component-model repository. Memories have 32-bit
// addresses. The limits are abi's, which are below the specification's.
//
// # Guests
//
// A guest is an abi.Guest. One that has resources, or strings in another encoding than UTF-8, is a Side: one component
// instance with its handle table, as the canonical options of one function show it. A component's is a Component too.
//
// Strings are UTF-8, UTF-16, or, each for itself, Latin-1 or UTF-16, told by the highest bit of the length, which counts
// code units:
//
//	            UTF8     UTF16    Latin1UTF16
//	"grün"      5        4        4                 67 72 fc 6e
//	"日本"      6        2        2 | 1<<31         e5 65 2c 67
//	alignment   1        2        2
//
// A string that has to be encoded anew needs memory of a size that is not known. The guest is asked for an estimate and
// then to resize the block, in the steps of the specification.
//
// # Resources
//
// A Resource is the identity of a resource type, a Rep what one handle stands for, and Handles an instance's table of
// them. An own<r> that passes is taken out of the giver's table and put into the receiver's. A borrow<r> is lent: the
// giver can neither drop nor pass on its handle until the call is over, and the receiver gets a handle of its own which it
// has to drop before, which the call's Scope counts; but a component that defines the resource gets what the handle
// stands for.
//
// # In memory
//
// All is little-endian; a value is aligned to its largest scalar [Alignment] and its size is a multiple of the
// alignment [Element Size]. Padding is not written and not read.
//
// A string or list<T> is an address and a count of code units or elements. The elements are a block of their own; a
// map<K, V> is a list<tuple<K, V>>, and a list<T, n> of fixed length has its elements in its own place:
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
// Parameters and results are core values where they are few [Flattening]. Integers up to 32 bits, bool, char, flags,
// handles and cases are an i32; strings and lists are two; records are their fields one after the other. Of a variant's
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
//	guest calls guest: both; a Fused copies from the area that the callee gave to the one that the caller has ready
//
// # Trust
//
// Everything that a guest supplies is hostile. An address and a count are checked in 64 bits against the memory, the
// alignment, abi.MaxBytes or abi.MaxElements, and what one call lifts, host-side sizes included, against
// abi.MaxCallBytes, all before anything is allocated. What passes from guest to guest takes no memory of the host, but
// time: it is charged by its bytes. No padding passes, nor any bit that its type ignores. Whatever is wrong panics with an
// *abi.Trap; nothing else does.
//
// [Alignment]: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#alignment
// [Element Size]: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#element-size
// [Flattening]: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#flattening
package canon
