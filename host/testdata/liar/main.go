// Command liar answers HTTP requests with return areas that break the Canonical ABI, by path. It is written without
// the SDK, which would not let it.
package main

import (
	"encoding/binary"
	"os"
	"strings"
	"unsafe"
)

// area is the return area; heap is where cabi_realloc allocates, never freed.
var (
	area [64]byte
	heap [1 << 20]byte
	used uint32
)

func main() {}

//go:wasmexport cabi_realloc
func realloc(_, _, align, size uint32) uint32 {
	if os.Getenv("LIE") == "realloc" {
		return 0xffff_fff0
	}
	base := uint32(uintptr(unsafe.Pointer(&heap)))
	used = (base+used+align-1)/align*align - base
	at := base + used
	used += size
	return at
}

// handle gets the request as sixteen core values; the path is the fourth string.
//
//go:wasmexport mrt:http/handler@0.1.0#handle
func handle(_, _, _, _, _, _, path, pathLen, _, _, _, _, _, _, _, _ uint32) uint32 {
	text := unsafe.String((*byte)(unsafe.Pointer(uintptr(path))), pathLen)
	at := uint32(uintptr(unsafe.Pointer(&area)))
	answer(200, 0, 0, 0, 0)
	switch strings.TrimPrefix(text, "/liar/") {
	case "body":
		answer(200, 0, 0, at, 0xffff_ff00)
	case "header-count":
		answer(200, at, 0x7fff_ffff, 0, 0)
	case "header-bytes":
		answer(200, at+32, 1, 0, 0)
		binary.LittleEndian.PutUint32(area[32:], at)
		binary.LittleEndian.PutUint32(area[36:], 0xffff_ffff)
	case "utf8":
		answer(200, at+32, 1, 0, 0)
		copy(area[52:], "\xff\xfe")
		binary.LittleEndian.PutUint32(area[32:], at+52)
		binary.LittleEndian.PutUint32(area[36:], 2)
	case "area":
		return 0xffff_fffc
	case "unaligned":
		return at + 1
	}
	return at
}

func answer(status uint16, headers, headersLen, body, bodyLen uint32) {
	binary.LittleEndian.PutUint16(area[0:], status)
	for i, word := range []uint32{headers, headersLen, body, bodyLen} {
		binary.LittleEndian.PutUint32(area[4+4*i:], word)
	}
	used = 0
}
