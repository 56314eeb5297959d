//go:build wasip1

// Command guest is the guest of the engine's tests.
package main

import (
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
	"unsafe"
)

func main() {}

//go:wasmimport mrt:test/host@0.1.0 add
func hostAdd(a, b uint32) uint32

//go:wasmimport mrt:test/host@0.1.0 block
func hostBlock(id uint32) uint32

//go:wasmimport mrt:test/host@0.1.0 trap
func hostTrap(kind uint32)

//go:wasmimport mrt:test/host@0.1.0 text
func hostText(ret unsafe.Pointer)

var (
	count uint32
	kept  [][]byte
	// boot is a random number from package initialisation.
	boot = rand.Uint64()
)

//go:wasmexport mrt:test/guest@0.1.0#add
func add(a, b uint32) uint32 { return hostAdd(a, b) }

//go:wasmexport mrt:test/guest@0.1.0#noop
func noop() {}

// calls calls the host n times.
//
//go:wasmexport mrt:test/guest@0.1.0#calls
func calls(n uint32) uint32 {
	var sum uint32
	for range n {
		sum = hostAdd(sum, 1)
	}
	return sum
}

//go:wasmexport mrt:test/guest@0.1.0#count
func counted() uint32 {
	count++
	return count
}

//go:wasmexport mrt:test/guest@0.1.0#block
func block(id uint32) uint32 { return hostBlock(id) }

//go:wasmexport mrt:test/guest@0.1.0#trap
func trap(kind uint32) { hostTrap(kind) }

//go:wasmexport mrt:test/guest@0.1.0#panic
func panics() { panic("boom") }

//go:wasmexport mrt:test/guest@0.1.0#nil
func nilPointer(p uint32) uint32 {
	var m *[4]uint32
	return m[p]
}

//go:wasmexport mrt:test/guest@0.1.0#exit
func exit(code uint32) { os.Exit(int(code)) }

//go:wasmexport mrt:test/guest@0.1.0#loop
func loop() uint32 {
	for {
		count++
		if count == 0 {
			kept = nil
		}
	}
}

//go:wasmexport mrt:test/guest@0.1.0#sleep
func sleep(ms uint32) { time.Sleep(time.Duration(ms) * time.Millisecond) }

// allocate keeps n KiB.
//
//go:wasmexport mrt:test/guest@0.1.0#allocate
func allocate(n uint32) {
	for range n {
		kept = append(kept, make([]byte, 1<<10))
	}
}

// spin computes without calling the host.
//
//go:wasmexport mrt:test/guest@0.1.0#spin
func spin(n uint32) uint32 {
	x := uint32(2463534242)
	for range n {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
	}
	return x
}

// encode does what a guest usually does: it allocates and formats.
//
//go:wasmexport mrt:test/guest@0.1.0#encode
func encode(n uint32) uint32 {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":%d,"name":%q},`, i, "item")
	}
	return uint32(b.Len())
}

//go:wasmexport mrt:test/guest@0.1.0#random
func random(source uint32) uint64 {
	switch source {
	case 0:
		return boot
	case 1:
		return rand.Uint64()
	default:
		var b [8]byte
		if _, err := crand.Read(b[:]); err != nil {
			panic(err)
		}
		return binary.LittleEndian.Uint64(b[:])
	}
}

// start is when the guest was started, for the monotonic clock.
var start = time.Now()

//go:wasmexport mrt:test/guest@0.1.0#clock
func clock(monotonic uint32) int64 {
	if monotonic != 0 {
		return int64(time.Since(start))
	}
	return time.Now().UnixNano()
}

//go:wasmexport mrt:test/guest@0.1.0#print
func prints(what uint32) {
	switch what {
	case 0:
		fmt.Println("hello")
	case 1:
		fmt.Fprintln(os.Stderr, "complaint")
	case 2:
		fmt.Print("no ", "newline")
	case 3:
		fmt.Println(strings.Repeat("x", 100<<10))
	case 4:
		fmt.Print("one\ntwo\r\n\nthree\n")
	case 5:
		fmt.Println(os.Getenv("GREETING"), len(os.Environ()), os.Args)
	case 6:
		fmt.Fprintln(os.Stderr, "panic: only text")
	}
}

// file tries to reach the host's files.
//
//go:wasmexport mrt:test/guest@0.1.0#file
func file() uint32 {
	if _, err := os.ReadFile("/etc/hostname"); err == nil {
		return 1
	}
	if err := os.WriteFile("/tmp/guest", nil, 0o600); err == nil {
		return 2
	}
	return 0
}

var area [2]uint32

// text gets a string from the host, which allocates it by cabi_realloc, and gives its length.
//
//go:wasmexport mrt:test/guest@0.1.0#text
func text() uint32 {
	hostText(unsafe.Pointer(&area))
	return area[1]
}

var blocks [][]byte

//go:wasmexport cabi_realloc
func realloc(old, oldSize, align, size uint32) uint32 {
	switch align {
	case 16: // a lie: not aligned
		return 1
	case 32: // a lie: past the end
		return 0xffff_ffe0
	case 64: // not allowed here
		return hostAdd(1, 1)
	case 128:
		os.Exit(9)
	}
	if len(blocks) > 64 {
		blocks = nil
	}
	b := make([]byte, size+align)
	blocks = append(blocks, b)
	p := uint32(uintptr(unsafe.Pointer(&b[0])))
	return (p + align - 1) &^ (align - 1)
}
