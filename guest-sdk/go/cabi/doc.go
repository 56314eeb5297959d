// Package cabi is the runtime of generated guest bindings: what standard Go needs to speak the Component Model's
// Canonical ABI. Apps do not use it directly; it is public since `mrt-wasm bindgen` writes code over it.
//
// In GOARCH=wasm a Go pointer has 64 bits in memory while the ABI's have 32, so values are loaded and stored field by
// field at 32-bit addresses. Three rules keep the garbage collector and the ABI apart:
//
//   - Whatever the host is given an address of lies on the heap, which does not move, and is kept reachable by the
//     Call of that call. A goroutine's stack may move while the host runs, since the host calls cabi_realloc back.
//   - What the host allocates by cabi_realloc is a Go object, kept by the Call that is waiting for the host. Lifting a
//     string or a list of numbers gives a Go value that points into that object, without a copy.
//   - While one goroutine waits for the host, cabi_realloc may run the collector, and that may switch to another
//     goroutine. That one waits in turn before it calls the host (Wait), since the host allows no call from there.
//
// Short values of the host share chunks of 7 KiB: the host cuts them off by itself, without a call of cabi_realloc. An
// app that keeps few of many such values for long does well to keep copies (strings.Clone), since each one keeps its
// whole chunk.
//
// Without the build tag wasip1 only the types are there, so that bindings' types compile natively.
package cabi
