package filesystem_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

func TestNames(t *testing.T) {
	type op = func(ctx context.Context, d abifs.Descriptor) *abifs.ErrorCode
	mkdir := func(path string) op {
		return func(ctx context.Context, d abifs.Descriptor) *abifs.ErrorCode { return d.CreateDirectoryAt(ctx, path) }
	}
	rmdir := func(path string) op {
		return func(ctx context.Context, d abifs.Descriptor) *abifs.ErrorCode { return d.RemoveDirectoryAt(ctx, path) }
	}
	unlink := func(path string) op {
		return func(ctx context.Context, d abifs.Descriptor) *abifs.ErrorCode { return d.UnlinkFileAt(ctx, path) }
	}
	rename := func(from, to string) op {
		return func(ctx context.Context, d abifs.Descriptor) *abifs.ErrorCode { return d.RenameAt(ctx, from, d, to) }
	}
	link := func(flags abifs.PathFlags, from, to string) op {
		return func(ctx context.Context, d abifs.Descriptor) *abifs.ErrorCode {
			return d.LinkAt(ctx, flags, from, d, to)
		}
	}
	symlink := func(target, path string) op {
		return func(ctx context.Context, d abifs.Descriptor) *abifs.ErrorCode { return d.SymlinkAt(ctx, target, path) }
	}
	for what, c := range map[string]struct {
		do   op
		want string
		// there and gone are names that are to be or not to be afterwards.
		there, gone string
	}{
		"mkdir":                    {mkdir("new"), "ok", "new", ""},
		"mkdir slash":              {mkdir("new/"), "ok", "new", ""},
		"mkdir in link":            {mkdir("sublink/new"), "ok", "sub/new", ""},
		"mkdir exists":             {mkdir("sub"), "exist", "sub", ""},
		"mkdir file":               {mkdir("file"), "exist", "file", ""},
		"mkdir dot":                {mkdir("."), "exist", "", ""},
		"mkdir no parent":          {mkdir("a/b"), "no-entry", "", "a"},
		"mkdir in file":            {mkdir("file/b"), "not-directory", "", ""},
		"mkdir empty":              {mkdir(""), "no-entry", "", ""},
		"mkdir zero":               {mkdir("a\x00"), "invalid", "", ""},
		"mkdir outside":            {mkdir("../new"), "not-permitted", "", "../new"},
		"mkdir absolute":           {mkdir("/tmp/new"), "not-permitted", "", ""},
		"mkdir through link":       {mkdir("out/new"), "not-permitted", "", "../outside/new"},
		"rmdir":                    {rmdir("empty"), "ok", "", "empty"},
		"rmdir slash":              {rmdir("empty/"), "ok", "", "empty"},
		"rmdir full":               {rmdir("sub"), "not-empty", "sub", ""},
		"rmdir file":               {rmdir("file"), "not-directory", "file", ""},
		"rmdir link":               {rmdir("sublink"), "not-directory", "sublink", ""},
		"rmdir link slash":         {rmdir("sublink/"), "not-directory", "sublink", ""},
		"rmdir nothing":            {rmdir("nothing"), "no-entry", "", ""},
		"rmdir dot":                {rmdir("."), "invalid", "", ""},
		"rmdir dots":               {rmdir("sub/.."), "invalid", "", ""},
		"rmdir outside":            {rmdir("../outside"), "not-permitted", "../outside", ""},
		"rmdir parent":             {rmdir(".."), "not-permitted", "", ""},
		"unlink":                   {unlink("file"), "ok", "", "file"},
		"unlink link":              {unlink("link"), "ok", "file", "link"},
		"unlink link to folder":    {unlink("out"), "ok", "../outside/secret", "out"},
		"unlink dangling":          {unlink("dangling"), "ok", "", "dangling"},
		"unlink folder":            {unlink("empty"), "is-directory", "empty", ""},
		"unlink folder slash":      {unlink("empty/"), "is-directory", "empty", ""},
		"unlink file slash":        {unlink("file/"), "not-directory", "file", ""},
		"unlink dot":               {unlink("."), "is-directory", "", ""},
		"unlink nothing":           {unlink("nothing"), "no-entry", "", ""},
		"unlink through link":      {unlink("out/secret"), "not-permitted", "../outside/secret", ""},
		"unlink outside":           {unlink("../outside/secret"), "not-permitted", "../outside/secret", ""},
		"rename":                   {rename("file", "new"), "ok", "new", "file"},
		"rename over":              {rename("file", "sub/inner"), "ok", "sub/inner", "file"},
		"rename link":              {rename("link", "new"), "ok", "new", "link"},
		"rename folder":            {rename("sub", "new"), "ok", "new/inner", "sub"},
		"rename folder slashes":    {rename("sub/", "new/"), "ok", "new/inner", "sub"},
		"rename folder over empty": {rename("sub", "empty"), "ok", "empty/inner", "sub"},
		"rename folder over full":  {rename("empty", "sub"), "not-empty", "empty", ""},
		"rename folder over file":  {rename("empty", "file"), "not-directory", "file", ""},
		"rename file over folder":  {rename("file", "empty"), "is-directory", "file", ""},
		"rename file slash":        {rename("file/", "new"), "not-directory", "file", "new"},
		"rename file to slash":     {rename("file", "new/"), "not-directory", "file", "new"},
		"rename into itself":       {rename("sub", "sub/x"), "invalid", "sub", ""},
		"rename same":              {rename("file", "file"), "ok", "file", ""},
		"rename nothing":           {rename("nothing", "new"), "no-entry", "", "new"},
		"rename dot":               {rename(".", "new"), "busy", "", "new"},
		"rename to dot":            {rename("file", "."), "exist", "file", ""},
		"rename out":               {rename("file", "../new"), "not-permitted", "file", "../new"},
		"rename in":                {rename("../outside/secret", "new"), "not-permitted", "../outside/secret", "new"},
		"rename through link":      {rename("file", "out/new"), "not-permitted", "file", "../outside/new"},
		"rename from link":         {rename("out/secret", "new"), "not-permitted", "../outside/secret", "new"},
		"link":                     {link(0, "file", "new"), "ok", "new", ""},
		"link to exists":           {link(0, "file", "sub/inner"), "exist", "", ""},
		"link folder":              {link(0, "sub", "new"), "not-permitted", "", "new"},
		"link folder dot":          {link(0, ".", "new"), "not-permitted", "", "new"},
		"link nothing":             {link(0, "nothing", "new"), "no-entry", "", "new"},
		"link file slash":          {link(0, "file/", "new"), "not-directory", "", "new"},
		"link to slash":            {link(0, "file", "new/"), "no-entry", "", "new"},
		"link followed":            {link(follow, "link", "new"), "ok", "new", ""},
		"link followed up":         {link(follow, "sub/up", "new"), "ok", "new", ""},
		"link dangling followed":   {link(follow, "dangling", "new"), "no-entry", "", "new"},
		"link loop followed":       {link(follow, "loop", "new"), "loop", "", "new"},
		"link out followed":        {link(follow, "out", "new"), "not-permitted", "", "new"},
		"link root followed":       {link(follow, "root", "new"), "not-permitted", "", "new"},
		"link from outside":        {link(0, "out/secret", "new"), "not-permitted", "", "new"},
		"link to outside":          {link(0, "file", "out/new"), "not-permitted", "", "../outside/new"},
		"symlink":                  {symlink("file", "new"), "ok", "new", ""},
		"symlink dangling":         {symlink("../outside/secret", "new"), "ok", "new", ""},
		"symlink absolute":         {symlink("/etc/passwd", "new"), "not-permitted", "", "new"},
		"symlink empty":            {symlink("", "new"), "no-entry", "", "new"},
		"symlink zero":             {symlink("a\x00", "new"), "invalid", "", "new"},
		"symlink exists":           {symlink("file", "sub"), "exist", "", ""},
		"symlink outside":          {symlink("file", "../new"), "not-permitted", "", "../new"},
		"symlink through link":     {symlink("file", "out/new"), "not-permitted", "", "../outside/new"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := tree(t)
			d := open(t, dir, false)
			wantCode(t, what, c.do(t.Context(), d), c.want)
			if c.there != "" {
				if _, err := os.Lstat(filepath.Join(dir, c.there)); err != nil {
					t.Errorf("got %v, want %s to be there", err, c.there)
				}
			}
			if c.gone != "" {
				if _, err := os.Lstat(filepath.Join(dir, c.gone)); !os.IsNotExist(err) {
					t.Errorf("got %v, want no %s", err, c.gone)
				}
			}
			// Nothing of it may be done in a read-only folder.
			dir = tree(t)
			if got := name(c.do(t.Context(), open(t, dir, true))); got == "ok" || c.want == "ok" && got != "read-only" {
				t.Errorf("read-only: got %s", got)
			}
			if got := strings.Join(list(t, dir), " "); got != "dangling empty file link loop out root sub sublink" {
				t.Errorf("read-only: got %q afterwards", got)
			}
		})
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

func TestMoveBetweenDescriptors(t *testing.T) {
	ctx := t.Context()
	dir, other := tree(t), tree(t)
	a, b := open(t, dir, false), open(t, other, false)
	sub := openAt(t, a, "sub", folder, read)
	defer sub.Drop(ctx)
	wantCode(t, "rename up", sub.RenameAt(ctx, "inner", a, "moved"), "ok")
	wantCode(t, "rename down", a.RenameAt(ctx, "file", sub, "file"), "ok")
	wantCode(t, "rename to another preopen", a.RenameAt(ctx, "moved", b, "moved"), "ok")
	wantCode(t, "link to another preopen", b.LinkAt(ctx, 0, "moved", a, "again"), "ok")
	if got := content(t, dir, "sub/file") + content(t, other, "moved") + content(t, dir, "again"); got != "0123456789innerinner" {
		t.Errorf("got %q", got)
	}
	frozen := open(t, t.TempDir(), true)
	wantCode(t, "rename into read-only", a.RenameAt(ctx, "again", frozen, "x"), "read-only")
	wantCode(t, "link from read-only", frozen.LinkAt(ctx, 0, "x", a, "x"), "read-only")
	file := openAt(t, a, "again", 0, read)
	defer file.Drop(ctx)
	wantCode(t, "rename into a file", a.RenameAt(ctx, "again", file, "x"), "not-directory")
}

func TestReadlinkAt(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	must(t, os.Symlink("\xff", filepath.Join(dir, "bad")))
	d := open(t, dir, true)
	for path, want := range map[string]string{
		"link": "file", "out": "../outside", "sub/up": "../file", "sublink/up": "../file", "root": "not-permitted", "bad": "illegal-byte-sequence",
		"file": "invalid", "sub": "invalid", "nothing": "no-entry", "": "no-entry", "/x": "not-permitted", "../x": "not-permitted", "out/x": "not-permitted",
	} {
		got, err := d.ReadlinkAt(ctx, path)
		if err != nil {
			got = err.String()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}

func TestReadDirectory(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	d := open(t, dir, true)
	if got := strings.Join(entries(t, d), " "); got != "dangling:symbolic-link empty:directory file:regular-file link:symbolic-link loop:symbolic-link out:symbolic-link root:symbolic-link sub:directory sublink:symbolic-link" {
		t.Errorf("got %s", got)
	}
	// More than are read at once, and one name that guests cannot have.
	many := t.TempDir()
	want := []string{"!illegal-byte-sequence"}
	for i := range 300 {
		n := string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		want = append(want, n+":regular-file")
		must(t, os.WriteFile(filepath.Join(many, n), nil, 0o644))
	}
	must(t, os.WriteFile(filepath.Join(many, "\xff"), nil, 0o644))
	slices.Sort(want)
	if got := entries(t, open(t, many, true)); !slices.Equal(got, want) {
		t.Errorf("got %d entries %v, want %d", len(got), got, len(want))
	}
	file := openAt(t, d, "file", 0, read)
	defer file.Drop(ctx)
	_, err := file.ReadDirectory(ctx)
	wantCode(t, "read-directory of a file", err, "not-directory")
}

// entries gives what a folder's stream gives, sorted.
func entries(t *testing.T, d abifs.Descriptor) []string {
	t.Helper()
	ctx := t.Context()
	s, err := d.ReadDirectory(ctx)
	wantCode(t, "read-directory", err, "ok")
	defer s.Drop(ctx)
	var out []string
	for {
		e, err := s.ReadDirectoryEntry(ctx)
		switch {
		case err != nil:
			out = append(out, "!"+err.String())
		case e == nil:
			slices.Sort(out)
			return out
		default:
			out = append(out, e.Name+":"+e.Type.String())
		}
	}
}
