package source_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/source"
)

// deadline is only for a test that would hang otherwise.
const deadline = 30 * time.Second

// watch starts a watcher whose changes arrive on the channel.
func watch(t *testing.T, specs ...source.Spec) <-chan string {
	t.Helper()
	changes := make(chan string, 100)
	w, err := source.New(source.Options{Dir: t.TempDir()}).Watch(t.Context(), specs, func(_ context.Context, app string) {
		changes <- app
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return changes
}

// next waits for a change.
func next(t *testing.T, changes <-chan string, want string) {
	t.Helper()
	select {
	case got := <-changes:
		if got != want {
			t.Errorf("got a change of %q, want %q", got, want)
		}
	case <-time.After(deadline):
		t.Fatalf("no change of %q within %s", want, deadline)
	}
}

func TestWatchGo(t *testing.T) {
	dir := t.TempDir()
	app := filepath.Join(dir, "cmd", "app")
	write(t, filepath.Join(dir, "go.mod"), "module example.com/m\n\ngo 1.24\n")
	write(t, filepath.Join(app, "main.go"), "package main\n\nimport (\n\t_ \"embed\"\n\t_ \"example.com/m/lib\"\n)\n\n//go:embed page.html\nvar page string\n\nfunc main() {}\n")
	write(t, filepath.Join(app, "page.html"), "1")
	write(t, filepath.Join(dir, "lib", "lib.go"), "package lib\n")
	write(t, filepath.Join(dir, "other", "other.go"), "package other\n")
	changes := watch(t, source.Spec{App: "app", Go: app})

	// What must not count is written first: the change that follows is then the first one seen.
	for _, step := range []struct{ name, quiet, change string }{
		{"own file", "cmd/app/main_test.go", "cmd/app/main.go"},
		{"package of the module", "other/other.go", "lib/lib.go"},
		{"embedded file", "lib/notes.txt", "cmd/app/page.html"},
		{"go.mod", "cmd/app/.git/HEAD", "go.mod"},
		{"hidden file", "cmd/app/.main.go.swp", "cmd/app/new.go"},
	} {
		t.Run(step.name, func(t *testing.T) {
			quiet, change := filepath.Join(dir, step.quiet), filepath.Join(dir, step.change)
			write(t, quiet, read(t, quiet)+"\n")
			select {
			case <-changes:
				t.Errorf("%s counted as a change", step.quiet)
			case <-time.After(500 * time.Millisecond):
			}
			write(t, change, orElse(read(t, change), "package main\n")+"\n")
			next(t, changes, "app")
		})
	}
}

func TestWatchNewFolders(t *testing.T) {
	dir := module(t, appSource)
	changes := watch(t, source.Spec{App: "app", Go: dir})
	write(t, filepath.Join(dir, "inner", "deep", "x.go"), "package deep\n")
	// The folder and the file may come as one change or as two; a later one shows that the new folder is watched.
	time.Sleep(time.Second)
	for len(changes) > 0 {
		<-changes
	}
	write(t, filepath.Join(dir, "inner", "deep", "x.go"), "package deep\n\nvar X = 1\n")
	next(t, changes, "app")
}

func TestWatchWasm(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.wasm")
	write(t, file, "\x00asm1")
	changes := watch(t, source.Spec{App: "a", Wasm: file}, source.Spec{App: "b", Wasm: filepath.Join(dir, "b.wasm")})
	write(t, file, "\x00asm2")
	next(t, changes, "a")
	// Replaced by a rename, as most builders do.
	write(t, file+".tmp", "\x00asm3")
	if err := os.Rename(file+".tmp", file); err != nil {
		t.Fatal(err)
	}
	next(t, changes, "a")
	write(t, filepath.Join(dir, "b.wasm"), "\x00asm")
	next(t, changes, "b")
}

func TestWatchRunsOneChangeAtATime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.wasm")
	write(t, file, "1")
	begun, finish := make(chan struct{}), make(chan struct{})
	w, err := source.New(source.Options{}).Watch(t.Context(), []source.Spec{{App: "a", Wasm: file}},
		func(context.Context, string) {
			begun <- struct{}{}
			<-finish
		})
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "2")
	wait(t, begun)
	write(t, file, "3") // while the first still runs
	select {
	case <-begun:
		t.Error("a second change ran beside the first")
	case <-time.After(600 * time.Millisecond):
	}
	finish <- struct{}{}
	wait(t, begun)
	close(finish)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestWatchMissingFolder(t *testing.T) {
	_, err := source.New(source.Options{}).Watch(t.Context(),
		[]source.Spec{{App: "a", Wasm: filepath.Join(t.TempDir(), "gone", "a.wasm")}}, func(context.Context, string) {})
	if err == nil {
		t.Error("got no error, want one that names the folder")
	}
}

func wait(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(deadline):
		t.Fatalf("nothing within %s", deadline)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
