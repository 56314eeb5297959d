package blobstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func openStore(t *testing.T) (*Files, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "blobs")
	f, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := f.open.Load(); n != 0 {
			t.Errorf("%d files are still open", n)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, dir
}

func put(t *testing.T, f *Files, id ObjectID, data string) {
	t.Helper()
	d, err := f.Create(t.Context())
	if err == nil {
		_, err = io.WriteString(d, data)
	}
	if err == nil {
		err = d.Commit(t.Context(), []ObjectID{id})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, f *Files, id ObjectID) string {
	t.Helper()
	o, err := f.Open(t.Context(), id)
	if err != nil {
		return "error: " + err.Error()
	}
	b, err := io.ReadAll(io.NewSectionReader(o, 0, int64(o.Size())))
	if err = errors.Join(err, o.Close()); err != nil {
		t.Error(err)
	}
	return string(b)
}

func all(t *testing.T, f *Files, container string) []string {
	t.Helper()
	n, err := f.List(t.Context(), container)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for {
		name, err := n.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	slices.Sort(out)
	return out
}

// odd are names that mean something to file systems, or nothing.
var odd = []string{
	".", "..", "../../etc/passwd", "/", "//", "/etc/passwd", "a/b/c", "a/../b", ".container", "con", "A", "a", "ä", "日本", " ", "a\x00b", "%", "%2E", "+", "a+",
	"a.b", "a.", ".a", strings.Repeat("x", 200), strings.Repeat("x", 201), strings.Repeat("/", 200), strings.Repeat("É", 512), strings.Repeat("x.", 512),
}

func TestNames(t *testing.T) {
	f, dir := openStore(t)
	if err := f.CreateContainer(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	for i, name := range odd {
		put(t, f, ObjectID{"c", name}, fmt.Sprint(i))
	}
	for i, name := range odd {
		if got := read(t, f, ObjectID{"c", name}); got != fmt.Sprint(i) {
			t.Errorf("%q: got %q; want %d", name, got, i)
		}
	}
	want := slices.Sorted(slices.Values(odd))
	if got := all(t, f, "c"); !slices.Equal(got, want) {
		t.Errorf("list\n got %q\nwant %q", got, want)
	}
	for _, name := range odd {
		if err := f.Delete(t.Context(), ObjectID{"c", name}); err != nil {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "c"))
	if err != nil || len(left) != 1 || left[0].Name() != infoFile {
		t.Errorf("left is %v, %v; want %s alone", left, err, infoFile)
	}
	for _, name := range []string{"", strings.Repeat("x", 1025), "\xff"} {
		if _, err := f.Stat(t.Context(), ObjectID{"c", name}); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%.10q: got %v; want what is expected", name, err)
		}
	}
}

func TestContainers(t *testing.T) {
	f, dir := openStore(t)
	for _, name := range []string{"..", ".drafts", "a/b", "A", "a"} {
		if err := f.CreateContainer(t.Context(), name); err != nil {
			t.Fatal(name, err)
		}
		if err := f.CreateContainer(t.Context(), name); !errors.Is(err, errContainer) {
			t.Errorf("%s again: got %v", name, err)
		}
		put(t, f, ObjectID{name, "o"}, name)
	}
	if got := read(t, f, ObjectID{"A", "o"}) + read(t, f, ObjectID{"a", "o"}); got != "Aa" {
		t.Errorf("got %q", got)
	}
	if err := f.DeleteContainer(t.Context(), "A"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"delete": f.DeleteContainer(t.Context(), "A"),
		"copy":   f.Copy(t.Context(), ObjectID{"a", "o"}, ObjectID{"A", "o"}),
		"move":   f.Move(t.Context(), ObjectID{"a", "o"}, ObjectID{"A", strings.Repeat("l", 500)}),
		"list":   func() error { _, err := f.List(t.Context(), "A"); return err }(),
	} {
		if !errors.Is(err, ErrNoContainer) {
			t.Errorf("%s: got %v; want that there is no container", name, err)
		}
	}
	if there, err := f.ContainerExists(t.Context(), "A"); there || err != nil {
		t.Errorf("got %t, %v", there, err)
	}
	for _, name := range []string{"", strings.Repeat("/", 100), strings.Repeat("x", 201)} {
		if err := f.CreateContainer(t.Context(), name); err == nil {
			t.Errorf("%.10q: got no error", name)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the folder: %v, %v; want nothing", entries, err)
	}
}

// TestLinks follows no link that an operator, or a guest by another way, has put into the folder.
func TestLinks(t *testing.T) {
	f, dir := openStore(t)
	if err := f.CreateContainer(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"c/link": secret, "elsewhere": outside} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, f, ObjectID{"c", "link"}); !strings.Contains(got, ErrNoObject.Error()) {
		t.Errorf("a link: got %q", got)
	}
	if got := read(t, f, ObjectID{"elsewhere", "secret"}); !strings.Contains(got, ErrNoContainer.Error()) {
		t.Errorf("a container that is a link: got %q", got)
	}
	if got := all(t, f, "c"); len(got) != 0 {
		t.Errorf("list: got %q; want nothing", got)
	}
	put(t, f, ObjectID{"c", "link"}, "mine") // in place of the link, not where it points to
	if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
		t.Errorf("outside: got %q, %v", b, err)
	}
}

// TestReplace gives whoever reads one object whole, whatever happens meanwhile.
func TestReplace(t *testing.T) {
	f, _ := openStore(t)
	if err := f.CreateContainer(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	id := ObjectID{"c", strings.Repeat("long", 100)}
	whole := map[string]bool{}
	for _, c := range "abc" {
		whole[strings.Repeat(string(c), 10_000)] = true
	}
	put(t, f, id, strings.Repeat("a", 10_000))
	var wg sync.WaitGroup
	for data := range whole {
		wg.Go(func() {
			for range 20 {
				d, err := f.Create(t.Context())
				if err == nil {
					_, err = io.WriteString(d, data)
				}
				if err == nil {
					err = d.Commit(t.Context(), []ObjectID{id, {"c", "second"}})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 50 {
				if got := read(t, f, id); !whole[got] {
					t.Errorf("got %d bytes: %.50q", len(got), got)
				}
			}
		})
	}
	wg.Wait()
	o, err := f.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	before := make([]byte, o.Size())
	if err := f.Delete(t.Context(), id); err != nil {
		t.Error(err)
	}
	if err := f.DeleteContainer(t.Context(), "c"); err != nil {
		t.Error(err)
	}
	if _, err := o.ReadAt(before, 0); err != nil || !whole[string(before)] {
		t.Errorf("an object that was deleted while it was open: %v", err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

func TestCopyAndMove(t *testing.T) {
	f, _ := openStore(t)
	for _, c := range []string{"one", "two"} {
		if err := f.CreateContainer(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("n", 700)
	a, b := ObjectID{"one", long}, ObjectID{"two", long}
	put(t, f, a, "first")
	put(t, f, b, "old")
	steps := []struct {
		name string
		err  error
	}{
		{"copy over", f.Copy(t.Context(), a, b)},
		{"copy to itself", f.Copy(t.Context(), a, a)},
		{"move to itself", f.Move(t.Context(), a, a)},
		{"move", f.Move(t.Context(), a, ObjectID{"two", "short"})},
	}
	for _, s := range steps {
		if s.err != nil {
			t.Errorf("%s: %v", s.name, s.err)
		}
	}
	if one, two := all(t, f, "one"), all(t, f, "two"); len(one) != 0 || len(two) != 2 {
		t.Errorf("got %q, %q", one, two)
	}
	if got := read(t, f, b) + read(t, f, ObjectID{"two", "short"}); got != "firstfirst" {
		t.Errorf("got %q", got)
	}
	for name, err := range map[string]error{"copy": f.Copy(t.Context(), a, b), "move": f.Move(t.Context(), a, b)} {
		if !errors.Is(err, ErrNoObject) {
			t.Errorf("%s of nothing: got %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Copy(ctx, b, a); !errors.Is(err, context.Canceled) {
		t.Errorf("a copy whose call has ended: got %v", err)
	}
}

// TestLeftOvers removes what a host that was killed has left.
func TestLeftOvers(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		f, err := OpenFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		d, err := f.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(filepath.Join(dir, draftsDir))
		if err != nil || len(entries) != 1 {
			t.Errorf("got %v, %v; want the one draft of now", entries, err)
		}
		if err := errors.Join(d.(*draft).file.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTooManyOpen(t *testing.T) {
	f, _ := openStore(t)
	if err := f.CreateContainer(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	f.open.Store(maxOpen)
	_, draftErr := f.Create(t.Context())
	_, listErr := f.List(t.Context(), "c")
	for _, err := range []error{draftErr, listErr} {
		if !errors.Is(err, errTooManyOpen) {
			t.Errorf("got %v; want that too many are open", err)
		}
	}
	f.open.Store(0)
}

func FuzzNames(f *testing.F) {
	for _, name := range odd {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, err := objectPath(name)
		if err != nil {
			return
		}
		parts := strings.Split(path, "/")
		for i, p := range parts {
			if p == "" || p == "." || p == ".." || i == 0 && p[0] == '.' || len(p) > segment+len(more) || bytes.ContainsAny([]byte(p), "\x00\\") || strings.HasSuffix(p, more) != (i < len(parts)-1) {
				t.Fatalf("%q: the path %q is not good", name, path)
			}
		}
		text := strings.Join(parts, "\x00")
		got, ok := decode(strings.ReplaceAll(text, more+"\x00", ""))
		if !ok || got != name {
			t.Fatalf("%q: the path %q gives %q, %t", name, path, got, ok)
		}
	})
}
