// Command compute has the kernels of the fuel benchmark: loops, floats, calls, maps, and what the standard library does.
package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
)

func main() {}

// kernels do n rounds each and give a number that depends on all of them.
var kernels = []func(n int) uint64{sieve, matrix, fibonacci, sorting, mapping, hashing, encoding, matching, packing}

//go:wasmexport run
func run(kernel, n int32) uint64 { return kernels[kernel](int(n)) }

func sieve(n int) (sum uint64) {
	composite := make([]bool, 1<<14)
	for range n {
		clear(composite)
		for i := 2; i < len(composite); i++ {
			if composite[i] {
				continue
			}
			sum++
			for k := i * i; k < len(composite); k += i {
				composite[k] = true
			}
		}
	}
	return sum
}

func matrix(n int) uint64 {
	const size = 32
	var a, b [size][size]float64
	for i := range size {
		for k := range size {
			a[i][k] = float64(i+k) / size
		}
	}
	for range n {
		for i := range size {
			for k := range size {
				sum := 1.0
				for m := range size {
					sum += a[i][m] * a[m][k] / size
				}
				b[i][k] = sum / size
			}
		}
		a, b = b, a
	}
	return uint64(a[3][5] * 1e6)
}

func fibonacci(n int) uint64 { return fib(n) }

func fib(n int) uint64 {
	if n < 2 {
		return uint64(n)
	}
	return fib(n-1) + fib(n-2)
}

func sorting(n int) (sum uint64) {
	list := make([]string, 400)
	for round := range n {
		for i := range list {
			list[i] = strconv.Itoa((i*7919 + round) % 1013)
		}
		slices.Sort(list)
		sum += uint64(len(list[200]))
	}
	return sum
}

func mapping(n int) (sum uint64) {
	for range n {
		m := map[string]int{}
		for i := range 200 {
			m[strconv.Itoa(i*31%127)] += i
		}
		sum += uint64(m["7"])
	}
	return sum
}

func hashing(n int) (sum uint64) {
	block := make([]byte, 4<<10)
	for range n {
		h := sha256.Sum256(block)
		copy(block, h[:])
		sum += uint64(h[0])
	}
	return sum
}

func encoding(n int) (sum uint64) {
	value := map[string]any{"name": "widget", "sizes": []any{1.0, 2.5, 3.0}, "tags": map[string]any{"a": "x", "b": nil}}
	for range n {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		var back map[string]any
		if err := json.Unmarshal(text, &back); err != nil {
			panic(err)
		}
		sum += uint64(len(text) + len(back))
	}
	return sum
}

var word = regexp.MustCompile(`(\w+)@(\w+)\.(com|org)`)

func matching(n int) (sum uint64) {
	text := bytes.Repeat([]byte("some text, then user@example.org and more; "), 10)
	for range n {
		sum += uint64(len(word.FindAllIndex(text, -1)))
	}
	return sum
}

func packing(n int) (sum uint64) {
	text := bytes.Repeat([]byte("what is said again and again packs well. "), 100)
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		panic(err)
	}
	for range n {
		out.Reset()
		w.Reset(&out)
		if _, err := w.Write(text); err != nil {
			panic(err)
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		sum += uint64(out.Len())
	}
	return sum
}
