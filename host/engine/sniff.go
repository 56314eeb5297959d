package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// formats are files that are mistaken for wasm, by their first bytes.
var formats = []struct{ magic, what string }{
	{"\x7fELF", "an ELF program for Linux; build it with GOOS=wasip1 GOARCH=wasm"},
	{"MZ", "a Windows program; build it with GOOS=wasip1 GOARCH=wasm"},
	{"\xcf\xfa\xed\xfe", "a macOS program; build it with GOOS=wasip1 GOARCH=wasm"},
	{"\xca\xfe\xba\xbe", "a macOS or Java program; build it for wasm"},
	{"!<arch>\n", "an archive of object files; build a program, not a library (package main)"},
	{"\x1f\x8b", "a gzip file; unpack it first"},
	{"PK\x03\x04", "a zip file; unpack it first"},
	{"(module", "WebAssembly text; translate it with wat2wasm"},
	{"(component", "WebAssembly text; translate it with wasm-tools"},
	{"#!", "a script"},
	{"version https://git-lfs", "a Git LFS pointer; fetch the file with git lfs pull"},
}

// sniff tells whether b can be a core module and says what it is instead.
func sniff(name string, b []byte) error {
	if !bytes.HasPrefix(b, []byte("\x00asm")) {
		return fmt.Errorf("%s: want a WebAssembly module (first bytes 00 61 73 6d), found %s", name, describe(b))
	}
	if len(b) < 8 {
		return fmt.Errorf("%s: the WebAssembly module ends after %d bytes; the file is cut off", name, len(b))
	}
	version, layer := binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
	switch {
	case layer == 1:
		return nil // the component's decoder knows its versions
	case layer != 0 || version != 1:
		return fmt.Errorf("%s: want a WebAssembly module of version 1, found version %d, layer %d", name, version, layer)
	}
	return nil
}

func describe(b []byte) string {
	if len(b) == 0 {
		return "an empty file"
	}
	for _, f := range formats {
		if bytes.HasPrefix(b, []byte(f.magic)) {
			return f.what
		}
	}
	head := b[:min(len(b), 16)]
	if utf8.Valid(head) && bytes.IndexFunc(head, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) < 0 {
		line, _, _ := strings.Cut(string(head), "\n")
		return fmt.Sprintf("text that starts with %q", line)
	}
	return fmt.Sprintf("a file that starts with % x", head[:min(len(head), 8)])
}

// compileError says what to do about what the decoder or the compiler refused.
func compileError(name string, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "feature \""):
		return fmt.Errorf("%s: the module uses a WebAssembly feature that is not supported; "+
			"build it for WebAssembly 2.0 without this feature: %w", name, err)
	case strings.Contains(text, "EOF"):
		return fmt.Errorf("%s: the module is cut off: %w", name, err)
	default:
		return fmt.Errorf("%s: not a valid WebAssembly module: %w", name, err)
	}
}
