package source_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/source"
)

const appSource = `package main

//go:wasmexport answer
func answer() int32 { return 42 }

func main() {}
`

// write makes a file with its folders.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// module makes a Go module with one main package and gives its folder.
func module(t *testing.T, main string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/app\n\ngo 1.24\n")
	write(t, filepath.Join(dir, "main.go"), main)
	return dir
}

// events collects progress.
type events struct {
	mu   sync.Mutex
	list []source.Event
}

func (e *events) add(ev source.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func TestLoadGo(t *testing.T) {
	dir, out := module(t, appSource), t.TempDir()
	var seen events
	b := source.New(source.Options{Dir: out, Progress: seen.add})
	wasm, err := b.Load(t.Context(), source.Spec{App: "app", Go: dir})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(wasm), "\x00asm") || !strings.Contains(string(wasm), "main.answer") {
		t.Errorf("got %d bytes starting with %q, want wasm with the name main.answer", len(wasm), wasm[:4])
	}
	onDisk, err := os.ReadFile(filepath.Join(out, "app.wasm"))
	if err != nil || len(onDisk) != len(wasm) {
		t.Errorf("built file: %d bytes, %v; want %d", len(onDisk), err, len(wasm))
	}
	if len(seen.list) != 2 || seen.list[0].Phase != source.Started || seen.list[1].Phase != source.Done ||
		seen.list[1].Size != int64(len(wasm)) || seen.list[1].Took <= 0 {
		t.Errorf("got progress %+v, want started, then done with size and time", seen.list)
	}
}

func TestDamagedBuildIsMadeAgain(t *testing.T) {
	dir, out := module(t, appSource), t.TempDir()
	for _, damaged := range []string{"", "text", "\x00asm\x01\x00\x00\x00cut"} {
		write(t, filepath.Join(out, "app.wasm"), damaged)
		wasm, err := source.New(source.Options{Dir: out}).Load(t.Context(), source.Spec{App: "app", Go: dir})
		if err != nil || !strings.Contains(string(wasm), "main.answer") {
			t.Errorf("over a file with %q: got %d bytes, %v; want the app", damaged, len(wasm), err)
		}
	}
}

func TestPrepareBuildsAllAndLoadTakesItOnce(t *testing.T) {
	dir, out := module(t, appSource), t.TempDir()
	var seen events
	b := source.New(source.Options{Dir: out, Progress: seen.add})
	file := filepath.Join(t.TempDir(), "x.wasm")
	write(t, file, "\x00asm\x01\x00\x00\x00")
	specs := []source.Spec{{App: "a", Go: dir}, {App: "b", Go: dir}, {App: "c", Wasm: file}}
	if err := b.Prepare(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, s := range specs {
			if wasm, err := b.Load(t.Context(), s); err != nil || !strings.HasPrefix(string(wasm), "\x00asm") {
				t.Errorf("Load %s: %v", s.App, err)
			}
		}
	}
	// Two builds by Prepare, none by the first Loads, two by the second.
	if got := len(seen.list); got != 2*4 {
		t.Errorf("got %d events, want 8 (4 builds): %+v", got, seen.list)
	}
}

func TestPrepareGivesAllErrors(t *testing.T) {
	b := source.New(source.Options{Dir: t.TempDir()})
	err := b.Prepare(t.Context(), []source.Spec{
		{App: "a", Wasm: "no-such-a.wasm", Where: "m.yaml:3:5"},
		{App: "b", Go: "no-such-b", Where: "m.yaml:9:5"},
	})
	for _, want := range []string{
		"m.yaml:3:5: app a: source.wasm: no-such-a.wasm does not exist",
		"m.yaml:9:5: app b: source.go: no-such-b does not exist",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to contain %q", err, want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	notWasm := filepath.Join(dir, "text.wasm")
	write(t, notWasm, "hello")
	empty := filepath.Join(dir, "empty.wasm")
	write(t, empty, "")
	library := module(t, "package lib\n")
	onlyTests := t.TempDir()
	for name, test := range map[string]struct {
		spec source.Spec
		want string
	}{
		"no source":      {source.Spec{}, "there is no source; set spec.source.go"},
		"oci":            {source.Spec{OCI: "r/a:1"}, "does not fetch OCI artefacts; fetch the wasm"},
		"both":           {source.Spec{Go: dir, Wasm: notWasm}, "names both go and wasm"},
		"not wasm":       {source.Spec{Wasm: notWasm}, `is not a wasm file: it starts with "hell"`},
		"empty file":     {source.Spec{Wasm: empty}, "is not a wasm file"},
		"wasm is folder": {source.Spec{Wasm: dir}, "is a folder, expected a wasm file"},
		"go is file":     {source.Spec{Go: notWasm}, "is a file, expected the folder"},
		"not main":       {source.Spec{Go: library}, "-buildmode=c-shared requires exactly one main package"},
		"no go files":    {source.Spec{Go: onlyTests}, "go build in " + onlyTests + " failed"},
	} {
		t.Run(name, func(t *testing.T) {
			test.spec.App, test.spec.Where = "x", "m.yaml:1:2"
			_, err := source.New(source.Options{Dir: t.TempDir()}).Load(t.Context(), test.spec)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "m.yaml:1:2: app x: ") {
				t.Errorf("got %v, want m.yaml:1:2: app x: ... %q", err, test.want)
			}
		})
	}
}

func TestCompilerOutputIsShownAsIs(t *testing.T) {
	dir := module(t, "package main\n\nfunc main() { undefinedThing() }\n")
	var seen events
	_, err := source.New(source.Options{Dir: t.TempDir(), Progress: seen.add}).
		Load(t.Context(), source.Spec{App: "bad", Go: dir})
	refused, ok := errors.AsType[*source.CompileError](err)
	if !ok || !strings.Contains(refused.Output, "./main.go:3:15: undefined: undefinedThing") {
		t.Fatalf("got %v, want a CompileError with the compiler's line", err)
	}
	if len(seen.list) != 2 || seen.list[1].Phase != source.Failed || !errors.Is(err, seen.list[1].Err) {
		t.Errorf("got progress %+v, want started and failed", seen.list)
	}
}

// fakeGo makes a go command that runs a shell script.
func fakeGo(t *testing.T, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Fatal("this test writes a shell script; run it on a Unix system")
	}
	path := filepath.Join(t.TempDir(), "go")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestToolchain(t *testing.T) {
	for name, test := range map[string]struct{ goCmd, want string }{
		"none":    {"no-such-go-command", "get Go 1.24 or later at https://go.dev/dl/"},
		"too old": {fakeGo(t, "echo go1.23.12"), "is go1.23.12, and apps need Go 1.24 or later"},
		"broken":  {fakeGo(t, "echo cannot run; exit 3"), "env GOVERSION: exit status 3: cannot run"},
		"no wasm": {fakeGo(t, `[ "$1" = env ] && echo go1.24.0; exit 0`), "gave no wasm at"},
	} {
		t.Run(name, func(t *testing.T) {
			b := source.New(source.Options{Dir: t.TempDir(), Go: test.goCmd})
			_, err := b.Load(t.Context(), source.Spec{App: "x", Go: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	b := source.New(source.Options{Dir: t.TempDir(), Go: fakeGo(t, `[ "$1" = env ] && echo go1.24.0 && exit; exec sleep 600`)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := b.Load(ctx, source.Spec{App: "x", Go: t.TempDir()})
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
