// Command small is a guest with the exports of torture and a fraction of its size: tests under the race detector use
// it, because there it takes ten times as long to compile and to interpret a guest.
package main

import (
	"hash/fnv"
	"slices"
	"strconv"
	"sync"
	"time"
)

var parts = []struct {
	name string
	run  func() string
}{
	{"panics", panics},
	{"goroutines", goroutines},
	{"maps", maps},
	{"closures", closures},
	{"timers", timers},
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
	h := fnv.New64a()
	h.Write([]byte(parts[i].run()))
	return h.Sum64()
}

func panics() (out string) {
	for i := range 30 {
		func() {
			defer func() {
				if err, ok := recover().(error); ok {
					out += err.Error()
				}
			}()
			var none []int
			if i%2 == 0 {
				none[i] = 1
			}
			var p *time.Time
			out += p.String()
		}()
	}
	return out
}

func goroutines() string {
	var wg sync.WaitGroup
	sums, total := make(chan int, 3), 0
	for i := range 50 {
		wg.Go(func() { sums <- i * i })
	}
	go func() { wg.Wait(); close(sums) }()
	for s := range sums {
		total += s
	}
	return strconv.Itoa(total)
}

func maps() (out string) {
	m := map[string]float64{}
	for i := range 1000 {
		m[strconv.Itoa(i*7919%499)] += 1 / float64(i+1)
	}
	var keys []string
	for k, v := range m {
		keys = append(keys, k+strconv.FormatFloat(v, 'g', -1, 64))
	}
	slices.Sort(keys)
	for _, k := range keys {
		out += k
	}
	return out
}

func closures() string {
	var fs []func(int) int
	for i := range 100 {
		fs = append(fs, func(x int) int { return x*31 + i })
	}
	x := 1
	for _, f := range fs {
		x = f(x)
	}
	return strconv.Itoa(x)
}

func timers() string {
	select {
	case <-time.After(time.Millisecond):
		return "timer"
	case <-time.After(time.Hour):
		return "late"
	}
}

//go:wasmexport descend
func descend(n, through int32) int32 {
	if n == 0 {
		return 0
	}
	if through == 0 {
		return descend(n-1, 0) + 1
	}
	down := func(n int32) int32 { return descend(n, 1) }
	return later(down, n-1) + 1
}

//go:noinline
func later(f func(int32) int32, n int32) int32 { return f(n) }

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
		for n := int32(0); ; n++ {
			kind ^= n
		}
	case 4:
		return fib(60)
	}
	return 0
}

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
