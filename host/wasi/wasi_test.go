package wasi_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/wasi"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/filesystem"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/sockets"
)

// guest is a guest whose code is the test's: it calls host functions by their core signatures.
type guest struct {
	t       *testing.T
	wasi    *wasi.WASI
	mem     []byte
	top     uint32
	handles canon.Handles
	funcs   map[string]abi.Func
}

var _ canon.Side = (*guest)(nil)

func (g *guest) Memory() []byte                               { return g.mem }
func (g *guest) Call(context.Context, string, []uint64) error { return nil }
func (g *guest) Has(string) bool                              { return false }
func (g *guest) Handles() *canon.Handles                      { return &g.handles }
func (g *guest) Encoding() canon.Encoding                     { return canon.UTF8 }
func (g *guest) Resource(string, string) *canon.Resource      { return nil }
func (g *guest) Realloc(_ context.Context, _, _, align, size uint32) uint32 {
	at := (g.top + align - 1) / align * align
	g.top = at + size
	return at
}

// ret is where results go.
const ret = 16

func newGuest(t *testing.T, c wasi.Config) *guest {
	t.Helper()
	w, err := wasi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	g := &guest{t: t, wasi: w, mem: make([]byte, 1<<20), top: 1024, funcs: map[string]abi.Func{}}
	for _, f := range w.Funcs() {
		g.funcs[abi.Track(f.Module)+"#"+f.Name] = f
	}
	return g
}

// call calls a function; a result in memory is at ret, which is the last parameter then. It gives the flat result.
func (g *guest) call(name string, params ...uint64) uint64 {
	g.t.Helper()
	f, ok := g.funcs[name]
	if !ok {
		g.t.Fatalf("got no function %s", name)
	}
	if len(params) != len(f.Params) {
		g.t.Fatalf("%s: got %d parameters, want %d", name, len(params), len(f.Params))
	}
	stack := make([]uint64, max(len(params), len(f.Results), 1))
	copy(stack, params)
	f.Call(g.t.Context(), g, stack)
	return stack[0]
}

// text puts s into memory and gives pointer and length.
func (g *guest) text(s string) (uint64, uint64) {
	at := g.Realloc(g.t.Context(), 0, 0, 1, uint32(len(s)))
	copy(g.mem[at:], s)
	return uint64(at), uint64(len(s))
}

func (g *guest) u32(at uint32) uint32 { return binary.LittleEndian.Uint32(g.mem[at:]) }

// bytes gives the list whose pointer and length are at at.
func (g *guest) bytes(at uint32) string {
	ptr := g.u32(at)
	return string(g.mem[ptr : ptr+g.u32(at+4)])
}

// ok fails the test if the result at ret is an error.
func (g *guest) ok(what string) {
	g.t.Helper()
	if g.mem[ret] != 0 {
		g.t.Fatalf("%s: got an error (%v)", what, g.mem[ret:ret+8])
	}
}

// TestEveryFunctionIsThere counts what WASI 0.2.12 has, unstable functions and resource drops included.
func TestEveryFunctionIsThere(t *testing.T) {
	want := map[string]int{
		"wasi:io/error": 1 + 1, "wasi:io/poll": 3 + 1, "wasi:io/streams": 15 + 2,
		"wasi:clocks/monotonic-clock": 4, "wasi:clocks/wall-clock": 2, "wasi:clocks/timezone": 2,
		"wasi:random/random": 2, "wasi:random/insecure": 2, "wasi:random/insecure-seed": 1,
		"wasi:cli/environment": 3, "wasi:cli/exit": 2, "wasi:cli/stdin": 1, "wasi:cli/stdout": 1, "wasi:cli/stderr": 1,
		"wasi:cli/terminal-input": 1, "wasi:cli/terminal-output": 1,
		"wasi:cli/terminal-stdin": 1, "wasi:cli/terminal-stdout": 1, "wasi:cli/terminal-stderr": 1,
		"wasi:filesystem/types": 29 + 2, "wasi:filesystem/preopens": 1,
	}
	got := map[string]int{}
	w, err := wasi.New(wasi.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range w.Funcs() {
		module, version, _ := strings.Cut(f.Module, "@")
		got[module]++
		if version != "0.2.12" || f.Call == nil || f.Type == "" && !strings.HasPrefix(f.Name, "[resource-drop]") {
			t.Errorf("%s %s: got version %s, type %q", f.Module, f.Name, version, f.Type)
		}
	}
	for module, n := range want {
		if got[module] != n {
			t.Errorf("%s: got %d functions, want %d", module, got[module], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got interfaces %v, want %v", got, want)
	}
}

type part []abi.Func

func (p part) Funcs() []abi.Func { return p }

func TestParts(t *testing.T) {
	w, err := wasi.New(wasi.Config{Sockets: part{{Module: "s"}}, HTTP: part{{Module: "h"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"s", "h"} {
		if !slices.ContainsFunc(w.Funcs(), func(f abi.Func) bool { return f.Module == module }) {
			t.Errorf("got no function of the part %s", module)
		}
	}
	if _, err := wasi.New(wasi.Config{Dirs: []filesystem.Dir{{Guest: "/", Host: filepath.Join(t.TempDir(), "nothing")}}}); err == nil {
		t.Error("got no error for a folder that is not there")
	}
}

const (
	streams = "wasi:io/streams@0.2#"
	types   = "wasi:filesystem/types@0.2#"
)

// TestFilesThroughTheABI writes and reads a file as a guest does.
func TestFilesThroughTheABI(t *testing.T) {
	dir := t.TempDir()
	g := newGuest(t, wasi.Config{Dirs: []filesystem.Dir{{Guest: "/data", Host: dir}}})
	g.call("wasi:filesystem/preopens@0.2#get-directories", ret)
	if n := g.u32(ret + 4); n != 1 {
		t.Fatalf("got %d folders, want 1", n)
	}
	entry := g.u32(ret)
	if got := g.bytes(entry + 4); got != "/data" {
		t.Fatalf("got the folder %q, want /data", got)
	}
	folder := uint64(g.u32(entry))

	path, n := g.text("file")
	const create, readWrite = 1, 3
	g.call(types+"[method]descriptor.open-at", folder, 0, path, n, create, readWrite, ret)
	g.ok("open-at")
	file := uint64(g.u32(ret + 4))
	g.call(types+"[method]descriptor.write-via-stream", file, 2, ret)
	g.ok("write-via-stream")
	out := uint64(g.u32(ret + 4))
	g.call(streams+"[method]output-stream.check-write", out, ret)
	g.ok("check-write")
	text, n := g.text("hello")
	g.call(streams+"[method]output-stream.write", out, text, n, ret)
	g.ok("write")
	g.call(streams+"[resource-drop]output-stream", out)
	g.call(types+"[method]descriptor.read", file, 100, 0, ret)
	g.ok("read")
	if got := g.bytes(ret + 4); got != "\x00\x00hello" || g.mem[ret+12] != 1 {
		t.Errorf("got %q, end %d; want hello and the end", got, g.mem[ret+12])
	}
	g.call(types+"[method]descriptor.stat", file, ret)
	g.ok("stat")
	if kind, size := g.mem[ret+8], binary.LittleEndian.Uint64(g.mem[ret+24:]); kind != 6 || size != 7 {
		t.Errorf("got type %d of %d bytes, want a regular file of 7", kind, size)
	}

	// The error of a stream is a resource, of which the file system knows the code.
	g.call(types+"[method]descriptor.write-via-stream", file, 1<<63-1, ret)
	g.ok("write-via-stream")
	out = uint64(g.u32(ret + 4))
	g.call(streams+"[method]output-stream.blocking-write-and-flush", out, text, n, ret)
	if g.mem[ret] != 1 || g.mem[ret+4] != 0 {
		t.Fatalf("got %v, want last-operation-failed", g.mem[ret:ret+12])
	}
	fault := uint64(g.u32(ret + 8))
	const fileTooLarge = 8
	g.call(types+"filesystem-error-code", fault, ret)
	if g.mem[ret] != 1 || g.mem[ret+1] != fileTooLarge {
		t.Errorf("got %v, want file-too-large", g.mem[ret:ret+2])
	}
	g.call("wasi:io/error@0.2#[method]error.to-debug-string", fault, ret)
	if got := g.bytes(ret); got != "file-too-large" {
		t.Errorf("got %q", got)
	}
	g.call("wasi:io/error@0.2#[resource-drop]error", fault)
	g.call(streams+"[resource-drop]output-stream", out)
	g.call(types+"[resource-drop]descriptor", file)
	if n := g.handles.Len(); n != 1 {
		t.Errorf("got %d handles, want the folder only", n)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(b) != "\x00\x00hello" {
		t.Errorf("got %q, %v", b, err)
	}
}

// TestImagesHoldSharedHandles checks what a guest may hold when its image is made, and that handles work in a new table.
func TestImagesHoldSharedHandles(t *testing.T) {
	var b bytes.Buffer
	g := newGuest(t, wasi.Config{
		Stdin: strings.NewReader("x"), Stdout: func(context.Context) io.Writer { return &b }, TerminalStdout: true,
		Dirs: []filesystem.Dir{{Guest: "/", Host: t.TempDir()}},
	})
	g.call("wasi:cli/stdin@0.2#get-stdin")
	out := g.call("wasi:cli/stdout@0.2#get-stdout")
	g.call("wasi:cli/stderr@0.2#get-stderr")
	g.call("wasi:cli/terminal-stdout@0.2#get-terminal-stdout", ret)
	g.call("wasi:filesystem/preopens@0.2#get-directories", ret)
	saved, held := g.handles.Save()
	if held != nil {
		t.Fatalf("got a table that cannot be saved: %v", held)
	}
	poll := g.call(streams+"[method]output-stream.subscribe", out)
	if _, held := g.handles.Save(); held.String() != "1 of wasi:io/poll@0.2/pollable" {
		t.Errorf("got %q held, want the pollable", held)
	}
	g.call("wasi:io/poll@0.2#[method]pollable.block", poll)
	g.handles.Restore(t.Context(), saved)
	text, n := g.text("hello")
	g.call(streams+"[method]output-stream.blocking-write-and-flush", out, text, n, ret)
	g.ok("blocking-write-and-flush")
	if b.String() != "hello" {
		t.Errorf("got %q, want hello", b.String())
	}
}

// TestSharedObjects is what saved instances find again in another process, and that dropping it harms nobody.
func TestSharedObjects(t *testing.T) {
	config := func(out io.Writer) wasi.Config {
		return wasi.Config{
			Stdin: strings.NewReader("input"), Stdout: func(context.Context) io.Writer { return out },
			TerminalStdin: true, TerminalStdout: true, TerminalStderr: true,
			Dirs:    []filesystem.Dir{{Guest: "/", Host: t.TempDir()}, {Guest: "/data", Host: t.TempDir(), ReadOnly: true}},
			Sockets: sockets.New(sockets.Config{}),
		}
	}
	w, err := wasi.New(config(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	var names []string
	for _, o := range w.Shared() {
		names = append(names, o.Resource.Name+" "+o.Object.SharedResource())
	}
	want := []string{
		"wasi:io/streams@0.2/input-stream stdin", "wasi:io/streams@0.2/output-stream stdout", "wasi:io/streams@0.2/output-stream stderr",
		"wasi:cli/terminal-input@0.2/terminal-input terminal-stdin", "wasi:cli/terminal-output@0.2/terminal-output terminal-stdout",
		"wasi:cli/terminal-output@0.2/terminal-output terminal-stderr",
		"wasi:filesystem/types@0.2/descriptor preopen:/", "wasi:filesystem/types@0.2/descriptor preopen:/data",
		"wasi:sockets/network@0.2/network network",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(names, "\n"), strings.Join(want, "\n"))
	}
	objects, err := canon.NewObjects(w.Shared())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	g := newGuest(t, config(&b))
	in, out := g.call("wasi:cli/stdin@0.2#get-stdin"), g.call("wasi:cli/stdout@0.2#get-stdout")
	g.call("wasi:cli/stderr@0.2#get-stderr")
	for _, of := range []string{"stdin", "stdout", "stderr"} {
		g.call("wasi:cli/terminal-"+of+"@0.2#get-terminal-"+of, ret)
	}
	g.call("wasi:filesystem/preopens@0.2#get-directories", ret)
	g.call("wasi:sockets/instance-network@0.2#instance-network")
	saved, held := g.handles.Save()
	written, missing := saved.Append(nil, objects)
	if held != nil || missing != nil || g.handles.Len() != len(want) {
		t.Fatalf("got %v held and %v missing of %d handles, want all %d saved", held, missing, g.handles.Len(), len(want))
	}
	own, err := canon.NewObjects(g.wasi.Shared())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // each Restore drops what was there
		read, _, err := canon.ReadSaved(written, own, canon.MaxHandles)
		if err != nil {
			t.Fatal(err)
		}
		g.handles.Restore(t.Context(), read)
	}
	text, n := g.text("hello")
	g.call(streams+"[method]output-stream.blocking-write-and-flush", out, text, n, ret)
	g.ok("blocking-write-and-flush")
	g.call(streams+"[method]input-stream.blocking-read", in, 5, ret)
	g.ok("blocking-read")
	if b.String() != "hello" {
		t.Errorf("got %q, want hello", b.String())
	}
}

func TestTrapsNameTheFunction(t *testing.T) {
	g := newGuest(t, wasi.Config{})
	clock := "wasi:clocks/monotonic-clock@0.2#"
	never := g.call(clock+"subscribe-duration", 1<<64-1)
	out := g.call("wasi:cli/stdout@0.2#get-stdout")
	for want, do := range map[string]func(){
		"wasi:io/poll@0.2.12#poll": func() { g.call("wasi:io/poll@0.2#poll", 0, 0, ret) },
		"wasi:io/streams@0.2.12#[method]output-stream.blocking-write-zeroes-and-flush": func() { g.call(streams+"[method]output-stream.blocking-write-zeroes-and-flush", out, 4097, ret) },
		"wasi:io/streams@0.2.12#[method]output-stream.flush":                           func() { g.call(streams+"[method]output-stream.flush", never, ret) },
		"wasi:random/random@0.2.12#get-random-bytes":                                   func() { g.call("wasi:random/random@0.2#get-random-bytes", 1<<40, ret) },
		"wasi:cli/exit@0.2.12#exit-with-code":                                          func() { g.call("wasi:cli/exit@0.2#exit-with-code", 3) },
		"wasi:cli/exit@0.2.12#exit":                                                    func() { g.call("wasi:cli/exit@0.2#exit", 1) },
	} {
		func() {
			defer func() {
				if trap, ok := recover().(*abi.Trap); !ok || trap.Func != want {
					t.Errorf("got %v, want a trap of %s", trap, want)
				}
			}()
			do()
		}()
	}
}

// TestPollThroughTheABI waits for a timer among others.
func TestPollThroughTheABI(t *testing.T) {
	g := newGuest(t, wasi.Config{})
	clock := "wasi:clocks/monotonic-clock@0.2#"
	list := g.Realloc(t.Context(), 0, 0, 4, 8)
	binary.LittleEndian.PutUint32(g.mem[list:], uint32(g.call(clock+"subscribe-duration", 1<<62)))
	binary.LittleEndian.PutUint32(g.mem[list+4:], uint32(g.call(clock+"subscribe-duration", 1e6)))
	g.call("wasi:io/poll@0.2#poll", uint64(list), 2, ret)
	if n, first := g.u32(ret+4), g.u32(g.u32(ret)); n != 1 || first != 1 {
		t.Errorf("got %d ready, the first %d; want the second timer", n, first)
	}
}
