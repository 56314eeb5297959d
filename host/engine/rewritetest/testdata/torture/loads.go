package main

import (
	"slices"
	"strconv"
)

func sieve(n int32) (sum uint64) {
	composite := make([]bool, 20_000)
	for range n {
		clear(composite)
		for i := 2; i < len(composite); i++ {
			if composite[i] {
				continue
			}
			sum += uint64(i)
			for k := i * i; k < len(composite); k += i {
				composite[k] = true
			}
		}
	}
	return sum
}

func collatz(n int32) (steps uint64) {
	for round := range n {
		for x := uint64(round) + 27; x != 1; steps++ {
			if x%2 == 0 {
				x /= 2
			} else {
				x = 3*x + 1
			}
		}
	}
	return steps
}

func matrix(n int32) uint64 {
	const size = 24
	var a, b, c [size][size]float64
	for i := range size {
		for k := range size {
			a[i][k], b[i][k] = float64(i+k), float64(i-k)
		}
	}
	for range n {
		for i := range size {
			for k := range size {
				sum := 0.0
				for m := range size {
					sum += a[i][m] * b[m][k]
				}
				c[i][k] = sum
			}
		}
		a[0][0]++
	}
	return uint64(int64(c[3][5]) ^ int64(c[0][1]))
}

func sorting(n int32) (sum uint64) {
	list := make([]string, 500)
	for range n {
		for i := range list {
			list[i] = strconv.Itoa((i*7919 + int(sum)) % 1009)
		}
		slices.SortFunc(list, func(a, b string) int {
			if len(a) != len(b) {
				return len(a) - len(b)
			}
			if a < b {
				return -1
			}
			return 1
		})
		sum += uint64(len(list[250]))
	}
	return sum
}

func mapping(n int32) (sum uint64) {
	for range n {
		m := map[int]int{}
		for i := range 300 {
			m[i*31%257] += i
		}
		sum += uint64(m[7])
	}
	return sum
}

type shape interface{ area() int }
type square struct{ a int }
type strip struct{ a, b int }

func (s square) area() int { return s.a * s.a }
func (s strip) area() int  { return s.a * s.b }

func calling(n int32) (sum uint64) {
	shapes := []shape{square{3}, strip{2, 5}, &square{4}, strip{1, 1}}
	add := func(s shape) { sum += uint64(s.area()) }
	for i := range n * 100 {
		add(shapes[i%4])
	}
	return sum
}
