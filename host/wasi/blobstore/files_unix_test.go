//go:build unix

package blobstore

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipe does not open what could block.
func TestPipe(t *testing.T) {
	f, dir := openStore(t)
	if err := f.CreateContainer(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "c", "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(t, f, ObjectID{"c", "pipe"}); !strings.Contains(got, ErrNoObject.Error()) {
		t.Errorf("got %q; want that there is no such object", got)
	}
	if got := all(t, f, "c"); len(got) != 0 {
		t.Errorf("list: got %q; want nothing", got)
	}
}
