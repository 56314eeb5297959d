// Command torture is a guest that uses as much of Go's runtime and library as it can. Each part gives a number that
// depends on what it computed, so that differently rewritten and executed builds can be compared.
package main

import (
	"fmt"
	"hash/fnv"
)

// part is one piece of work; it writes what it finds to the digest.
type part struct {
	name string
	run  func(d *digest)
}

// digest takes in results.
type digest struct{ sum uint64 }

func (d *digest) add(format string, args ...any) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%x|", d.sum)
	fmt.Fprintf(h, format, args...)
	d.sum = h.Sum64()
}

var parts = []part{
	{"panics", panics},
	{"goroutines", goroutines},
	{"channels", channels},
	{"timers", timers},
	{"maps", maps},
	{"regexps", regexps},
	{"gobs", gobs},
	{"compression", compression},
	{"bigs", bigs},
	{"templates", templates},
	{"goSource", goSource},
	{"reflection", reflection},
	{"recursion", recursion},
	{"garbage", garbage},
	{"closures", closures},
	{"generics", generics},
	{"floats", floats},
	{"texts", texts},
	{"hashes", hashes},
	{"jsons", jsons},
	{"copies", copies},
	{"contexts", contexts},
}

//go:wasmexport parts
func count() int32 { return int32(len(parts)) }

//go:wasmexport name
func name(i, at int32) int32 {
	if s := parts[i].name; int(at) < len(s) {
		return int32(s[at])
	}
	return -1
}

//go:wasmexport run
func run(i int32) uint64 {
	d := &digest{}
	parts[i].run(d)
	return d.sum
}

// loads are compute benchmarks; each does n rounds.
var loads = []func(n int32) uint64{sieve, collatz, matrix, sorting, mapping, calling}

//go:wasmexport load
func load(i, n int32) uint64 { return loads[i](n) }

// crash ends the guest in several ways.
//
//go:wasmexport crash
func crash(kind int32) int32 {
	switch kind {
	case 0:
		var m map[string]int
		m["x"] = 1
	case 1:
		var p *[4]int32
		return p[kind]
	case 2:
		return endless(kind)
	case 3:
		for n := 0; ; n++ {
			kind ^= int32(n)
		}
	case 4:
		return fib(60)
	}
	return 0
}

// descend calls itself n times, with a frame of the usual size or through a closure.
//
//go:wasmexport descend
func descend(n, through int32) int32 {
	if through != 0 {
		return indirect(n, func(n int32) int32 { return n - 1 })
	}
	return direct(n)
}

//go:noinline
func direct(n int32) int32 {
	if n == 0 {
		return 0
	}
	return direct(n-1) + 1
}

//go:noinline
func indirect(n int32, less func(int32) int32) int32 {
	if n == 0 {
		return 0
	}
	again := func(n int32) int32 { return indirect(n, less) }
	return call(again, less(n)) + 1
}

//go:noinline
func call(f func(int32) int32, n int32) int32 { return f(n) }

//go:noinline
func endless(n int32) int32 { return endless(n+1) + n }

//go:noinline
func fib(n int32) int32 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func main() {}
