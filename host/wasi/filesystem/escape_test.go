package filesystem_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/filesystem"
)

// secret is what guests must not see.
var secret = []byte("the secret outside")

// prison is a folder in a temporary one, beside which there are a file and a folder that must stay as they are.
type prison struct {
	top, dir string
	preopen  abifs.Descriptor
}

func newPrison(t testing.TB) *prison {
	t.Helper()
	p := &prison{top: t.TempDir()}
	p.dir = filepath.Join(p.top, "dir")
	for _, d := range []string{"outside", "dir", "dir/a", "dir/a/b"} {
		if err := os.Mkdir(filepath.Join(p.top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"outside/f", "f"} {
		if err := os.WriteFile(filepath.Join(p.top, f), secret, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, target := range map[string]string{
		"l": "../outside", "a/l": "../../outside", "abs": filepath.Join(p.top, "outside"), "up": "..", "a/b/in": "../../a", "lf": "../f", "s": "s/s",
	} {
		if err := os.Symlink(target, filepath.Join(p.dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	fs, err := filesystem.New(filesystem.Config{Dirs: []filesystem.Dir{{Guest: "/", Host: p.dir}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	p.preopen = fs.GetDirectories(context.Background())[0].F0
	return p
}

// intact fails if anything outside has changed.
func (p *prison) intact(t testing.TB, path string) {
	t.Helper()
	var found []string
	for _, dir := range []string{".", "outside"} {
		entries, err := os.ReadDir(filepath.Join(p.top, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			found = append(found, dir+"/"+e.Name())
		}
	}
	if got := strings.Join(found, " "); got != "./dir ./f ./outside outside/f" {
		t.Fatalf("path %q: got %s outside", path, got)
	}
	if fi, err := os.Lstat(filepath.Join(p.top, "outside")); err != nil || fi.ModTime().Unix() == 1 {
		t.Fatalf("path %q: got the folder outside changed: %v, %v", path, fi, err)
	}
	for _, f := range []string{"f", "outside/f"} {
		fi, err := os.Lstat(filepath.Join(p.top, f))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(p.top, f))
		if err != nil || !bytes.Equal(b, secret) || fi.ModTime().Unix() == 1 || !fi.Mode().IsRegular() {
			t.Fatalf("path %q: got %s changed: %q, %v, %v", path, f, b, fi.ModTime(), err)
		}
	}
}

// try is for what may fail or not.
func try(*abifs.ErrorCode) {}

// attack does all that can be done with a path from d.
func attack(ctx context.Context, t testing.TB, d abifs.Descriptor, path string) {
	t.Helper()
	old := abifs.NewTimestamp{Tag: abifs.NewTimestampTimestamp, Value: abifs.Datetime{Seconds: 1}}
	for _, flags := range []abifs.PathFlags{0, follow} {
		for _, how := range []abifs.OpenFlags{0, create, create | excl, truncate, folder} {
			f, err := d.OpenAt(ctx, flags, path, how, read|write*abifs.DescriptorFlags(how&create))
			if err != nil {
				continue
			}
			if b, err := f.Read(ctx, 100, 0); err == nil && bytes.Contains(b.F0, secret) {
				t.Fatalf("path %q gives the secret", path)
			}
			if e, err := f.ReadDirectory(ctx); err == nil {
				for {
					n, err := e.ReadDirectoryEntry(ctx)
					if n == nil && err == nil {
						break
					}
					if n != nil && n.Name == "f" {
						t.Fatalf("path %q gives the folder outside", path)
					}
				}
				e.Drop(ctx)
			}
			f.Drop(ctx)
		}
		_, _ = d.StatAt(ctx, flags, path)
		try(d.SetTimesAt(ctx, flags, path, old, old))
		try(d.LinkAt(ctx, flags, path, d, "linked"))
		if linked, err := d.OpenAt(ctx, 0, "linked", 0, read); err == nil {
			if b, err := linked.Read(ctx, 100, 0); err == nil && bytes.Contains(b.F0, secret) {
				t.Fatalf("path %q links to the secret", path)
			}
			linked.Drop(ctx)
		}
		try(d.UnlinkFileAt(ctx, "linked"))
	}
	_, _ = d.ReadlinkAt(ctx, path)
	try(d.CreateDirectoryAt(ctx, path+"/made"))
	try(d.RemoveDirectoryAt(ctx, path+"/made"))
	try(d.SymlinkAt(ctx, "a", path+"/sym"))
	try(d.UnlinkFileAt(ctx, path+"/sym"))
	try(d.RenameAt(ctx, "a", d, path+"/ren"))
	try(d.RenameAt(ctx, path+"/ren", d, "a"))
	try(d.RenameAt(ctx, path+"/f", d, "stolen"))
	try(d.UnlinkFileAt(ctx, path+"/f"))
	try(d.UnlinkFileAt(ctx, path))
	try(d.RemoveDirectoryAt(ctx, path))
}

func FuzzPathsStayInside(f *testing.F) {
	for _, s := range []string{
		"..", "../f", "../outside/f", "l", "l/", "l/f", "a/l/f", "abs/f", "up/f", "up", "lf", "a/b/in/l/f", "a/../../f", "./.././f", "a//..//../f",
		"/etc/passwd", "//", "l/../f", "s", "a/b/../../l/f", "...", "a/\x00/../../f", "\\..\\f", "a/l/../../f", "up/dir/../f", "lf/", "lf/.", ".//..", "",
		"a/b/in/../l/f", "up/outside", "l/.", "a/./l", "\xff", strings.Repeat("a/../", 500) + "../f", strings.Repeat("a/b/in/", 60) + "../../f",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		p := newPrison(t)
		attack(t.Context(), t, p.preopen, path)
		if sub, err := p.preopen.OpenAt(t.Context(), 0, "a", folder, read); err == nil {
			attack(t.Context(), t, sub, path)
			sub.Drop(t.Context())
		}
		p.intact(t, path)
	})
}

// TestLinkRaces has names change between folders and links to the outside while guests use them.
func TestLinkRaces(t *testing.T) {
	p := newPrison(t)
	ctx, cancel := context.WithCancel(t.Context())
	x := filepath.Join(p.dir, "x")
	var flips sync.WaitGroup
	flips.Go(func() {
		real, link := filepath.Join(p.dir, "real"), filepath.Join(p.dir, "fake")
		_ = os.Mkdir(real, 0o755)
		for ctx.Err() == nil {
			// Others may rename and remove what they find: errors do not matter.
			_ = os.Mkdir(real, 0o755)
			_ = os.WriteFile(filepath.Join(real, "f"), []byte("mine"), 0o644)
			_ = os.Symlink("../outside", link)
			_ = os.Rename(real, x)
			_ = os.Rename(x, real)
			_ = os.Rename(link, x)
			_ = os.Remove(x)
			_ = os.Symlink("../f", x)
			_ = os.Remove(x)
		}
	})
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	var guests sync.WaitGroup
	for _, path := range []string{"x", "x/f", "a/../x", "a/b/in/../x/f", "x/"} {
		guests.Go(func() {
			for range rounds {
				attackTolerant(ctx, t, p.preopen, path)
			}
		})
	}
	guests.Wait()
	cancel()
	flips.Wait()
	p.intact(t, "x")
}

// attackTolerant is attack where the folder's own files are called as those outside.
func attackTolerant(ctx context.Context, t *testing.T, d abifs.Descriptor, path string) {
	old := abifs.NewTimestamp{Tag: abifs.NewTimestampTimestamp, Value: abifs.Datetime{Seconds: 1}}
	for _, flags := range []abifs.PathFlags{0, follow} {
		for _, how := range []abifs.OpenFlags{0, create, truncate} {
			f, err := d.OpenAt(ctx, flags, path, how, read)
			if err != nil {
				continue
			}
			if b, err := f.Read(ctx, 100, 0); err == nil && bytes.Contains(b.F0, secret) {
				t.Errorf("path %q gives the secret", path)
			}
			if in, err := f.OpenAt(ctx, flags, "f", 0, read); err == nil {
				if b, err := in.Read(ctx, 100, 0); err == nil && bytes.Contains(b.F0, secret) {
					t.Errorf("path %q gives the secret as a folder", path)
				}
				in.Drop(ctx)
			}
			try(f.UnlinkFileAt(ctx, "f"))
			f.Drop(ctx)
		}
		try(d.SetTimesAt(ctx, flags, path, old, old))
		try(d.LinkAt(ctx, flags, path, d, "linked"))
		if linked, err := d.OpenAt(ctx, 0, "linked", 0, read); err == nil {
			if b, err := linked.Read(ctx, 100, 0); err == nil && bytes.Contains(b.F0, secret) {
				t.Errorf("path %q links to the secret", path)
			}
			linked.Drop(ctx)
		}
		try(d.UnlinkFileAt(ctx, "linked"))
	}
	try(d.CreateDirectoryAt(ctx, path+"/made"))
	try(d.SymlinkAt(ctx, "f", path+"/sym"))
	try(d.RenameAt(ctx, path+"/f", d, "stolen"))
	try(d.UnlinkFileAt(ctx, path))
}
