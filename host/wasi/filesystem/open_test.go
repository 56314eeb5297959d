package filesystem_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/filesystem"
)

func TestOpenAt(t *testing.T) {
	for _, c := range []struct {
		path   string
		follow abifs.PathFlags
		how    abifs.OpenFlags
		flags  abifs.DescriptorFlags
		want   string // code, or "ok <type>"
	}{
		{"file", follow, 0, read, "ok regular-file"},
		{"file", 0, 0, read | write, "ok regular-file"},
		{"file", 0, 0, 0, "ok regular-file"},
		{"./file", 0, 0, read, "ok regular-file"},
		{"sub/../file", 0, 0, read, "ok regular-file"},
		{"sub//inner", follow, 0, read, "ok regular-file"},
		{"file/", follow, 0, read, "not-directory"},
		{"file/", 0, 0, read, "not-directory"},
		{"file/x", follow, 0, read, "not-directory"},
		{"file", follow, folder, read, "not-directory"},
		{"file", 0, folder, read, "not-directory"},
		{"nothing", follow, 0, read, "no-entry"},
		{"nothing/x", follow, create, write, "no-entry"},
		{"", follow, 0, read, "no-entry"},
		{"a\x00b", follow, 0, read, "invalid"},
		{strings.Repeat("a", 300), follow, 0, read, "name-too-long"},
		{strings.Repeat("a/", 3000), follow, 0, read, "name-too-long"},

		{"sub", follow, 0, read, "ok directory"},
		{"sub/", 0, folder, read, "ok directory"},
		{".", 0, 0, read, "ok directory"},
		{"sub/..", 0, 0, read, "ok directory"},
		{"sub", follow, 0, read | mutate, "ok directory"},
		{"sub", follow, 0, write, "is-directory"},
		{"sub", follow, create, read, "is-directory"},

		{"link", follow, 0, read, "ok regular-file"},
		{"link", 0, 0, read, "loop"},
		{"sublink", follow, 0, read, "ok directory"},
		{"sublink", 0, folder, read, "loop"},
		{"sublink/", 0, folder, read, "ok directory"},
		{"sublink/inner", 0, 0, read, "ok regular-file"},
		{"sub/up", follow, 0, read, "ok regular-file"},
		{"loop", follow, 0, read, "loop"},
		{"dangling", follow, 0, read, "no-entry"},
		{"dangling", 0, 0, read, "loop"},
		{"dangling", 0, create, write, "loop"},
		{"dangling", follow, create | excl, write, "exist"},
		{"dangling", follow, create, write, "ok regular-file"},

		{"new", follow, create, write, "ok regular-file"},
		{"new", 0, create | excl, read | write, "ok regular-file"},
		{"new", follow, create, read, "ok regular-file"},
		{"file", follow, create, write, "ok regular-file"},
		{"file", follow, create | excl, write, "exist"},
		{"link", follow, create | excl, write, "exist"},
		{"file", follow, truncate, write, "ok regular-file"},
		{"sub", follow, folder | create, read, "invalid"},
		{"sub", follow, folder | excl, read, "invalid"},
		{"sub", follow, folder | truncate, read, "invalid"},

		{"..", follow, 0, read, "not-permitted"},
		{"../outside/secret", follow, 0, read, "not-permitted"},
		{"sub/../../outside/secret", 0, 0, read, "not-permitted"},
		{"/etc/passwd", follow, 0, read, "not-permitted"},
		{"/", follow, folder, read, "not-permitted"},
		{"out", follow, 0, read, "not-permitted"},
		{"out/", 0, folder, read, "not-permitted"},
		{"out/secret", follow, 0, read, "not-permitted"},
		{"out/new", follow, create, write, "not-permitted"},
		{"root", follow, 0, read, "not-permitted"},
		{"root/etc/passwd", follow, 0, read, "not-permitted"},
	} {
		t.Run(fmt.Sprintf("%.40q %v %v %v", c.path, c.follow, c.how, c.flags), func(t *testing.T) {
			ctx := t.Context()
			d := open(t, tree(t), false)
			out, err := d.OpenAt(ctx, c.follow, c.path, c.how, c.flags)
			got := name(err)
			if err == nil {
				kind, err := out.GetType(ctx)
				wantCode(t, "get-type", err, "ok")
				got += " " + kind.String()
				out.Drop(ctx)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestOpenedFlags(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	for _, c := range []struct {
		readOnly bool
		path     string
		flags    abifs.DescriptorFlags
		want     abifs.DescriptorFlags
	}{
		{false, "file", read, read},
		{false, "file", write, write},
		{false, "file", read | write, read | write},
		{false, "file", read | mutate, read},
		{false, "file", 0, read},
		{false, "file", write | abifs.DescriptorFlagsDataIntegritySync, write | abifs.DescriptorFlagsDataIntegritySync},
		{false, "sub", read, read | mutate},
		{true, "sub", read, read},
		{true, "file", read, read},
	} {
		got, err := openAt(t, open(t, dir, c.readOnly), c.path, 0, c.flags).GetFlags(ctx)
		wantCode(t, "get-flags", err, "ok")
		if got != c.want {
			t.Errorf("%s opened with %v (read-only %v): got flags %v, want %v", c.path, c.flags, c.readOnly, got, c.want)
		}
	}
}

func TestTruncate(t *testing.T) {
	ctx := t.Context()
	for _, flags := range []abifs.DescriptorFlags{write, read | write, read, 0} {
		dir := tree(t)
		f := openAt(t, open(t, dir, false), "file", truncate, flags)
		if got := content(t, dir, "file"); got != "" {
			t.Errorf("flags %v: got %q, want an empty file", flags, got)
		}
		want := "ok"
		if flags&write == 0 {
			want = "bad-descriptor"
		}
		_, err := f.Write(ctx, []byte("x"), 0)
		wantCode(t, "write", err, want)
		f.Drop(ctx)
	}
}

func TestSubfolderIsItsOwnRoot(t *testing.T) {
	ctx := t.Context()
	sub := openAt(t, open(t, tree(t), false), "sub", folder, read)
	defer sub.Drop(ctx)
	for path, want := range map[string]string{"inner": "ok", "up": "not-permitted", "../file": "not-permitted", ".": "ok", "..": "not-permitted"} {
		_, err := sub.OpenAt(ctx, follow, path, 0, read)
		wantCode(t, "open "+path, err, want)
	}
	wantCode(t, "mkdir", sub.CreateDirectoryAt(ctx, "new"), "ok")
}

func TestMaxOpen(t *testing.T) {
	ctx := t.Context()
	fs := newFS(t, filesystem.Config{MaxOpen: 3, Dirs: []filesystem.Dir{{Guest: "/", Host: tree(t)}}})
	d := fs.GetDirectories(ctx)[0].F0
	file, sub := openAt(t, d, "file", 0, read), openAt(t, d, "sub", 0, read)
	entries, err := d.ReadDirectory(ctx)
	wantCode(t, "read-directory", err, "ok")
	full := func(want string) {
		t.Helper()
		out, err := d.OpenAt(ctx, 0, "file", 0, read)
		wantCode(t, "open", err, want)
		if err == nil {
			out.Drop(ctx)
		}
	}
	full("insufficient-memory")
	_, err = d.ReadDirectory(ctx)
	wantCode(t, "read-directory", err, "insufficient-memory")
	sub.Drop(ctx)
	full("ok")
	full("ok")
	// A stream holds its file.
	in, err := file.ReadViaStream(ctx, 0)
	wantCode(t, "read-via-stream", err, "ok")
	other := openAt(t, d, "file", 0, read)
	file.Drop(ctx)
	full("insufficient-memory")
	in.Drop(ctx)
	full("ok")
	entries.Drop(ctx)
	other.Drop(ctx)
	// A failed open counts nothing.
	for range 10 {
		_, err := d.OpenAt(ctx, 0, "nothing", 0, read)
		wantCode(t, "open", err, "no-entry")
	}
	full("ok")
}

func TestNewChecksItsConfig(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	for want, dirs := range map[string][]filesystem.Dir{
		"dirs[0]: want the folder's name":                   {{Host: dir}},
		"dirs[1]: want a name of its own":                   {{Guest: "/", Host: dir}, {Guest: "/", Host: dir}},
		"dirs[0]: want a name without zero bytes":           {{Guest: "a\x00", Host: dir}},
		"dirs[0] (/): want a folder that can be opened":     {{Guest: "/", Host: filepath.Join(dir, "nothing")}},
		"dirs[1] (/file): want a folder that can be opened": {{Guest: "/", Host: dir}, {Guest: "/file", Host: filepath.Join(dir, "file")}},
	} {
		_, err := filesystem.New(filesystem.Config{Dirs: dirs})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
