package filesystem_test

import (
	"os"
	"path/filepath"
	"testing"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/filesystem"
)

const (
	follow   = abifs.PathFlagsSymlinkFollow
	read     = abifs.DescriptorFlagsRead
	write    = abifs.DescriptorFlagsWrite
	mutate   = abifs.DescriptorFlagsMutateDirectory
	create   = abifs.OpenFlagsCreate
	folder   = abifs.OpenFlagsDirectory
	excl     = abifs.OpenFlagsExclusive
	truncate = abifs.OpenFlagsTruncate
)

// tree is a folder with
//
//	file          "0123456789"
//	link          -> file
//	dangling      -> nothing
//	loop          -> loop
//	out           -> ../outside
//	root          -> /
//	sub/inner     "inner"
//	sub/up        -> ../file
//	sublink       -> sub
//	empty/
//
// and beside it outside/secret.
func tree(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "dir")
	for _, d := range []string{"outside", "dir", "dir/sub", "dir/empty"} {
		must(t, os.Mkdir(filepath.Join(top, d), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(top, "outside/secret"), []byte("secret"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("0123456789"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "sub/inner"), []byte("inner"), 0o644))
	for name, target := range map[string]string{
		"link": "file", "dangling": "nothing", "loop": "loop", "out": "../outside", "root": "/", "sub/up": "../file", "sublink": "sub",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open gives the descriptor of dir.
func open(t *testing.T, dir string, readOnly bool) abifs.Descriptor {
	t.Helper()
	f := newFS(t, filesystem.Config{Dirs: []filesystem.Dir{{Guest: "/", Host: dir, ReadOnly: readOnly}}})
	return f.GetDirectories(t.Context())[0].F0
}

func newFS(t *testing.T, c filesystem.Config) *filesystem.FS {
	t.Helper()
	f, err := filesystem.New(c)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

// name gives a code's name, "ok" for none.
func name(c *abifs.ErrorCode) string {
	if c == nil {
		return "ok"
	}
	return c.String()
}

func wantCode(t *testing.T, what string, c *abifs.ErrorCode, want string) {
	t.Helper()
	if got := name(c); got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// openAt opens and fails the test if that fails.
func openAt(t *testing.T, d abifs.Descriptor, path string, how abifs.OpenFlags, flags abifs.DescriptorFlags) abifs.Descriptor {
	t.Helper()
	out, err := d.OpenAt(t.Context(), follow, path, how, flags)
	if err != nil {
		t.Fatalf("open %s: got %v", path, err)
	}
	return out
}

// content gives the bytes of a file of the host.
func content(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	must(t, err)
	return string(b)
}
