package engine_test

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// compiled gives the cache's files and when they were written.
func compiled(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	files := map[string]time.Time{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files[path] = info.ModTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// smallGuest is a module that compiles at once.
func smallGuest() []byte {
	return genModule{funcs: []genFunc{{name: "one", results: []byte{i32}, body: []byte{0x41, 1}}}}.bytes()
}

// run starts an engine on dir as a process would, calls the guest and ends the engine.
func run(t *testing.T, dir string, log *slog.Logger) {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Config{CacheDir: dir, Log: log, Images: images})
	if err != nil {
		t.Fatal(err)
	}
	p := enginetest.Pool(t, e, smallGuest(), engine.PoolConfig{})
	if got, err := enginetest.Call(t.Context(), p, "one"); err != nil || got != 1 {
		t.Errorf("want 1, got %d, %v", got, err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRestartUsesTheCache(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, nil)
	first := compiled(t, dir)
	files := 1
	if images != engine.ImagesOff {
		files = 2 // the rewritten module, and its machine code
	}
	if len(first) != files {
		t.Fatalf("want %d files, got %v", files, first)
	}
	// A module that is rewritten or compiled anew is written anew.
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	for f := range first {
		if err := os.Chtimes(f, past, past); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, nil)
	second := compiled(t, dir)
	if len(second) != files {
		t.Errorf("want the same %d files, got %v", files, second)
	}
	for f, written := range second {
		if !written.Equal(past) {
			t.Errorf("%s was made again", f)
		}
	}
}

func TestDamagedCacheIsReplaced(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, nil)
	for _, damage := range [][]byte{nil, []byte("garbage"), []byte("WAZEVO\x00\x00")} {
		for f := range compiled(t, dir) {
			if err := os.WriteFile(f, damage, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l := newLogs()
		run(t, dir, slog.New(l))
		if !l.warned() {
			t.Errorf("want a warning about the cache damaged with %q, got %v", damage, *l.records)
		}
		run(t, dir, nil)
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLogs()
	run(t, filepath.Join(file, "cache"), slog.New(l))
	records := *l.records
	if len(records) == 0 || records[0].level != slog.LevelWarn || records[0].attrs["dir"] == "" {
		t.Errorf("want a warning that names the folder, got %v", records)
	}
}

func TestCacheThatVanishes(t *testing.T) {
	dir := t.TempDir()
	l := newLogs()
	e := newEngine(t, func(c *engine.Config) { c.CacheDir, c.Log = dir, slog.New(l) })
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	p := enginetest.Pool(t, e, smallGuest(), engine.PoolConfig{})
	if got, err := enginetest.Call(t.Context(), p, "one"); err != nil || got != 1 {
		t.Errorf("want 1, got %d, %v", got, err)
	}
	if !l.warned() {
		t.Errorf("want a warning, got %v", *l.records)
	}
}
