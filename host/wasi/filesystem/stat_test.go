package filesystem_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/filesystem"
)

func TestStat(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	must(t, os.Link(filepath.Join(dir, "file"), filepath.Join(dir, "second")))
	must(t, os.Chtimes(filepath.Join(dir, "file"), time.Unix(11, 12), time.Unix(21, 22)))
	d := open(t, dir, true)
	for _, c := range []struct {
		path   string
		follow abifs.PathFlags
		want   string
		size   uint64
		links  uint64
	}{
		{"file", 0, "regular-file", 10, 2},
		{"link", follow, "regular-file", 10, 2},
		{"link", 0, "symbolic-link", 4, 1},
		{"sub/inner", 0, "regular-file", 5, 1},
		{"out", 0, "symbolic-link", 10, 1},
		{"dangling", 0, "symbolic-link", 7, 1},
	} {
		got, err := d.StatAt(ctx, c.follow, c.path)
		wantCode(t, c.path, err, "ok")
		if got.Type.String() != c.want || got.Size != c.size || got.LinkCount != c.links {
			t.Errorf("%s: got %v of %d bytes with %d names, want %s, %d, %d", c.path, got.Type, got.Size, got.LinkCount, c.want, c.size, c.links)
		}
	}
	for path, want := range map[string]string{
		"": "no-entry", "/": "not-permitted", "..": "not-permitted", "nothing": "no-entry", "file/": "not-directory", "out": "not-permitted",
		"root": "not-permitted", "loop": "loop", "dangling": "no-entry", "out/secret": "not-permitted", "a\x00": "invalid",
	} {
		_, err := d.StatAt(ctx, follow, path)
		wantCode(t, "stat "+path, err, want)
		_, err = d.MetadataHashAt(ctx, follow, path)
		wantCode(t, "metadata-hash "+path, err, want)
	}
	f := openAt(t, d, "file", 0, read)
	defer f.Drop(ctx)
	got, err := f.Stat(ctx)
	wantCode(t, "stat", err, "ok")
	if got.Size != 10 || *got.DataAccessTimestamp != (abifs.Datetime{Seconds: 11, Nanoseconds: 12}) ||
		*got.DataModificationTimestamp != (abifs.Datetime{Seconds: 21, Nanoseconds: 22}) || got.StatusChangeTimestamp == nil {
		t.Errorf("got %+v", got)
	}
	if got, err := d.Stat(ctx); err != nil || got.Type != abifs.DescriptorTypeDirectory {
		t.Errorf("got %+v, %v; want a directory", got, err)
	}
	must(t, os.Chtimes(filepath.Join(dir, "file"), time.Unix(11, 12), time.Unix(-5, 0)))
	if got, _ := f.Stat(ctx); got.DataModificationTimestamp != nil {
		t.Errorf("got %+v, want no time before 1970", got.DataModificationTimestamp)
	}
}

func TestIdentity(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	key := []byte("key")
	fs := newFS(t, filesystem.Config{HashKey: key, Dirs: []filesystem.Dir{{Guest: "/", Host: dir}, {Guest: "/again", Host: dir, ReadOnly: true}}})
	dirs := fs.GetDirectories(ctx)
	if len(dirs) != 2 || dirs[0].F1 != "/" || dirs[1].F1 != "/again" {
		t.Fatalf("got %v, want both folders", dirs)
	}
	a, b := dirs[0].F0, dirs[1].F0
	file, link := openAt(t, a, "file", 0, read), openAt(t, b, "link", 0, read)
	sub, dot := openAt(t, a, "sub", 0, read), openAt(t, a, ".", 0, read)
	for _, c := range []struct {
		a, b abifs.Descriptor
		want bool
	}{{a, b, true}, {a, a, true}, {file, link, true}, {dot, a, true}, {sub, a, false}, {file, sub, false}} {
		if got := c.a.IsSameObject(ctx, c.b); got != c.want {
			t.Errorf("got same %v, want %v", got, c.want)
		}
	}
	hash := func(h abifs.MetadataHashValue, err *abifs.ErrorCode) abifs.MetadataHashValue {
		t.Helper()
		wantCode(t, "metadata-hash", err, "ok")
		return h
	}
	one := hash(file.MetadataHash(ctx))
	if two := hash(a.MetadataHashAt(ctx, follow, "link")); one != two {
		t.Errorf("got hashes %v and %v of one file", one, two)
	}
	if two := hash(a.MetadataHashAt(ctx, 0, "link")); one == two {
		t.Errorf("got hash %v for file and link", one)
	}
	other := newFS(t, filesystem.Config{Dirs: []filesystem.Dir{{Guest: "/", Host: dir}}})
	if two := hash(other.GetDirectories(ctx)[0].F0.MetadataHashAt(ctx, 0, "file")); one == two {
		t.Errorf("got hash %v under both keys", one)
	}
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("changed"), 0o644))
	if two := hash(file.MetadataHash(ctx)); one == two {
		t.Errorf("got hash %v after a change", one)
	}
}

func TestSetTimes(t *testing.T) {
	at := func(s uint64, ns uint32) abifs.NewTimestamp {
		return abifs.NewTimestamp{Tag: abifs.NewTimestampTimestamp, Value: abifs.Datetime{Seconds: s, Nanoseconds: ns}}
	}
	now, keep := abifs.NewTimestamp{Tag: abifs.NewTimestampNow}, abifs.NewTimestamp{}
	for _, c := range []struct {
		path, changed string
		follow        abifs.PathFlags
		access, mod   abifs.NewTimestamp
		want          string
	}{
		{"file", "file", 0, at(1, 2), at(3, 4), "ok"},
		{"file", "file", 0, keep, at(3, 4), "ok"},
		{"file", "file", 0, at(1, 2), keep, "ok"},
		{"file", "file", follow, at(1, 2), now, "ok"},
		{"link", "file", follow, at(1, 2), at(3, 4), "ok"},
		{"link", "link", 0, at(1, 2), at(3, 4), "ok"},
		{"sub/up", "file", follow, at(1, 2), at(3, 4), "ok"},
		{"sublink", "sub", follow, at(1, 2), at(3, 4), "ok"},
		{"sublink/", "sub", 0, at(1, 2), at(3, 4), "ok"},
		{".", ".", 0, at(1, 2), at(3, 4), "ok"},
		{"dangling", "dangling", 0, at(1, 2), at(3, 4), "ok"},
		{"dangling", "", follow, at(1, 2), at(3, 4), "no-entry"},
		{"out", "out", 0, at(1, 2), at(3, 4), "ok"},
		{"out", "", follow, at(1, 2), at(3, 4), "not-permitted"},
		{"out/", "", 0, at(1, 2), at(3, 4), "not-permitted"},
		{"out/secret", "", 0, at(1, 2), at(3, 4), "not-permitted"},
		{"root", "", follow, at(1, 2), at(3, 4), "not-permitted"},
		{"loop", "", follow, at(1, 2), at(3, 4), "loop"},
		{"file/", "", 0, at(1, 2), at(3, 4), "not-directory"},
		{"", "", 0, keep, keep, "no-entry"},
		{"file", "", 0, at(1, 1e9), keep, "invalid"},
		{"file", "", 0, at(1, 0x3fffffff), keep, "invalid"},
		{"file", "", 0, at(math.MaxUint64, 0), keep, "overflow"},
	} {
		ctx := t.Context()
		dir := tree(t)
		d := open(t, dir, false)
		old := abifs.Datetime{Seconds: 5, Nanoseconds: 6}
		if c.changed != "" {
			wantCode(t, "first", d.SetTimesAt(ctx, 0, c.changed, at(5, 6), at(5, 6)), "ok")
		}
		wantCode(t, "set-times-at "+c.path, d.SetTimesAt(ctx, c.follow, c.path, c.access, c.mod), c.want)
		if c.want != "ok" {
			continue
		}
		got, err := d.StatAt(ctx, 0, c.changed)
		wantCode(t, "stat-at", err, "ok")
		check(t, c.path+" access", c.access, *got.DataAccessTimestamp, old)
		check(t, c.path+" modification", c.mod, *got.DataModificationTimestamp, old)
	}
	ctx := t.Context()
	d := open(t, tree(t), false)
	for _, d := range []abifs.Descriptor{d, openAt(t, d, "sub", 0, read), openAt(t, d, "file", 0, read|write)} {
		wantCode(t, "set-times", d.SetTimes(ctx, at(7, 8), at(9, 10)), "ok")
		got, _ := d.Stat(ctx)
		check(t, "access", at(7, 8), *got.DataAccessTimestamp, abifs.Datetime{})
		check(t, "modification", at(9, 10), *got.DataModificationTimestamp, abifs.Datetime{})
		wantCode(t, "set-times", d.SetTimes(ctx, at(7, 2e9), keep), "invalid")
	}
}

// check compares a time with what was set.
func check(t *testing.T, what string, set abifs.NewTimestamp, got, old abifs.Datetime) {
	t.Helper()
	switch set.Tag {
	case abifs.NewTimestampNoChange:
		if got != old {
			t.Errorf("%s: got %v, want the old %v", what, got, old)
		}
	case abifs.NewTimestampNow:
		if got.Seconds < 1e9 {
			t.Errorf("%s: got %v, want now", what, got)
		}
	default:
		if got != set.Value {
			t.Errorf("%s: got %v, want %v", what, got, set.Value)
		}
	}
}
