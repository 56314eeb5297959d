// The guest of the tests of resources: it defines items, and uses the host's files.
package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/things/guest/things"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/cabi"
)

func main() {}

// item is an item of the guest.
type item struct{ key string }

// The state of the guest.
var (
	items   = map[string]*item{}
	kept    *things.File
	dropped uint32
)

func (i *item) Key() string                  { return i.key }
func (i *item) Same(other things.Item) bool  { return i == other.(*item) }
func (i *item) Attach(f *things.File) string { return i.key + ":" + f.Name() }
func (i *item) Drop()                        { dropped++ }
func (i *item) Rename(key string) (e *string) {
	if key == "" {
		s := "no key"
		return &s
	}
	i.key = key
	return nil
}

func init() {
	x := &things.StoreExports
	x.NewItem = func(key string) things.Item { return &item{key} }
	x.ItemMerge = func(is []things.Item) things.Item { return &item{strings.Join(keys(is), "+")} }
	x.ItemInto = func(i things.Item) string { return "was " + i.Key() }
	x.Put = put
	x.Find = func(key string) things.Item {
		if i := items[key]; i != nil {
			return i
		}
		return nil
	}
	x.Read = func(files []*things.File, extra *things.File) []string {
		var names []string
		for _, f := range files {
			names = append(names, f.Name())
		}
		if extra != nil {
			names = append(names, "and "+extra.Name())
			extra.Drop() // what the glue would do
		}
		return names
	}
	x.Keys = keys
	x.Keep = func(f *things.File) { kept = f }
	x.Release = func() (*things.File, *string) {
		if kept == nil {
			s := "nothing kept"
			return nil, &s
		}
		return kept, nil
	}
	x.Dropped = func() uint32 { return dropped }
	x.Run = func(what string) (string, *string) {
		f := scenes[what]
		if f == nil {
			s := "unknown: " + what
			return "", &s
		}
		return f(), nil
	}
}

func keys(is []things.Item) []string {
	var out []string
	for _, i := range is {
		out = append(out, i.Key())
	}
	return out
}

// put gives back a shelf in which all have moved on by one place.
func put(s things.Shelf) things.Shelf {
	for _, i := range s.Items {
		items[i.Key()] = i.(*item)
	}
	if s.Best != nil {
		s.Items = append(s.Items, s.Best)
		s.Best = s.Items[0]
		s.Items = s.Items[1:]
	}
	return s
}

// scenes are what the host has the guest do with its files. The result is compared by the test.
var scenes = map[string]func() string{
	"methods": methods,
	"places":  places,
	"errors":  failures,
	"dropped": func() string { f := things.FilesNewFile("x"); f.Drop(); f.Drop(); return "twice" },
	"gone":    func() string { f := things.FilesNewFile("x"); f.Drop(); return f.Name() },
	"given": func() string {
		f := things.FilesNewFile("x")
		things.FilesBoth(things.FilesNewFile("y"), f)
		return f.Name()
	},
	"same":      func() string { f := things.FilesNewFile("x"); return things.FilesBoth(f, &things.File{CABI: f.CABI}) },
	"forged":    func() string { return (&things.File{CABI: cabi.HandleOf(4711)}).Name() },
	"own item":  func() string { return (&things.File{CABI: cabi.HandleOf(1)}).Name() },
	"leaks":     func() string { things.FilesNewFile("left"); return "left" },
	"many more": manyMore,
}

func methods() string {
	f := things.FilesNewFile("a")
	defer f.Drop()
	n, err := f.Write([]byte("hello"))
	copied := f.Clone()
	same := copied.Same(f)
	total := f.Append(copied)
	opened, openErr := things.FilesFileOpen("a")
	return say(n, err, same, total, f.Size(), f.Drop_(), opened.Same(f), openErr, drop(opened))
}

func places() string {
	a, b, c := things.FilesNewFile("a"), things.FilesNewFile("b"), things.FilesNewFile("c")
	var out []string
	note := func(v ...any) { out = append(out, say(v...)) }
	note(*things.FilesNewest([]*things.File{a, b, c}), things.FilesNewest(nil) == nil)
	p := things.FilesSwap(things.Pair{A: a, B: b})
	note(p.A.Name(), p.B.Name())
	p.B.Drop()
	p = things.FilesSwap(things.Pair{A: p.A})
	note(p.A.Name(), p.B == nil)
	fs := things.FilesMaybe(c, cabi.Result[*things.File, string]{OK: p.A})
	note(len(fs), fs[0] == nil, fs[1].Name())
	no := "no"
	note(len(things.FilesMaybe(nil, cabi.Result[*things.File, string]{Err: &no})))
	t := things.FilesMany("1", "2", "3", "4", "5", "6", "7", "8", c, 9)
	note(t.F0.Name(), t.F1)
	m, err := things.FilesMerge([]*things.File{t.F0, fs[1]}, "m")
	note(m.Name(), m.Size(), err)
	note(things.FilesBoth(m, things.FilesNewFile("z")))
	return strings.Join(append(out, drop(m)), ";")
}

// failures passes errors that carry resources both ways.
func failures() string {
	_, err := things.FilesFileOpen("missing")
	var e *things.Error
	out := []string{say(errors.As(err, &e), e.Tag, e.Missing)}
	err = things.FilesFail(things.Error{Tag: things.ErrorBroken, Broken: things.FilesNewFile("broken")})
	out = append(out, say(errors.As(err, &e), e.Tag, e.Broken.Name(), drop(e.Broken)))
	err = things.FilesFail(things.Error{Tag: things.ErrorBusy})
	return strings.Join(append(out, err.Error()), ";")
}

func say(v ...any) string { return strings.TrimSpace(fmt.Sprintln(v...)) }

// manyMore makes and drops many files.
func manyMore() string {
	for range 100_000 {
		f := things.FilesNewFile("f")
		f.Drop()
	}
	return "done"
}

func drop(f *things.File) string {
	f.Drop()
	return "dropped"
}
