//go:build wasip1

package main

import "runtime"

// What a request leaves behind if the instance is not reset: the host looks for the mark afterwards.

var (
	markGlobal uint64
	markArray  [512]uint64
	markHeap   [][]uint64
	markMap    = map[uint64]string{}
	warmed     uint32
)

//go:wasmexport mrt:app/warmup
func warmUp() {
	warmed++
	encode(10)
}

//go:wasmexport mrt:test/guest@0.1.0#warmed
func wasWarmed() uint32 { return warmed }

// mark writes the mark into globals, heap, stack, a goroutine's stack and memory that is grown for it.
//
//go:wasmexport mrt:test/guest@0.1.0#mark
func mark(m uint64, mib uint32) {
	markGlobal = m
	for i := range markArray {
		markArray[i] = m
	}
	markMap[m] = "here"
	for range mib {
		b := make([]uint64, 1<<20/8)
		for i := range b {
			b[i] = m
		}
		markHeap = append(markHeap, b)
	}
	onStack(m, 50)
	done := make(chan struct{})
	go func() { onStack(m, 50); close(done) }()
	<-done
	go func() { // is still there at the end of the call
		var local [64]uint64
		for i := range local {
			local[i] = m
		}
		runtime.Gosched()
		select {}
	}()
	runtime.Gosched()
	count++
}

//go:noinline
func onStack(m uint64, depth int) uint64 {
	var local [128]uint64
	for i := range local {
		local[i] = m
	}
	if depth > 0 {
		local[depth] = onStack(m, depth-1)
	}
	return local[depth/2]
}

// marked counts the mark where the program itself can see it.
//
//go:wasmexport mrt:test/guest@0.1.0#marked
func marked(m uint64) uint32 {
	var n uint32
	if markGlobal == m {
		n++
	}
	for _, v := range markArray {
		if v == m {
			n++
		}
	}
	if _, ok := markMap[m]; ok {
		n++
	}
	return n + uint32(len(markHeap)) + count
}
