// Package rewritetest compares modules before and after they are rewritten by abi/wasm: it runs both, compiled and
// interpreted, and wants equal results, traps, memories and globals. It has tests only.
package rewritetest
