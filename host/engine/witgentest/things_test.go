package witgentest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/things/files"
	things "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/things/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// startThings starts the guest that has resources, over a host of files.
func startThings(t testing.TB, change ...func(*engine.PoolConfig)) (*files.Host, *engine.Pool) {
	t.Helper()
	h := &files.Host{}
	wasm := enginetest.Build(t, "../../../abi/witgen/testdata/things/guest")
	cfg := engine.PoolConfig{Funcs: things.FilesFuncs(h), Exports: things.StoreExports(), Limits: engine.Limits{MaxInstances: 1}}
	for _, f := range change {
		f(&cfg)
	}
	return h, enginetest.Pool(t, enginetest.New(t), wasm, cfg)
}

// within runs f with the guest.
func within(t testing.TB, p *engine.Pool, f func(ctx context.Context, g canon.Side)) {
	t.Helper()
	err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		f(ctx, g.(canon.Side))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// runScene has the guest do what.
func runScene(t testing.TB, p *engine.Pool, what string) (got string, err error) {
	t.Helper()
	err = p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		got, err = things.CallStoreRun(ctx, g, what)
		return err
	})
	return got, err
}

// A guest uses the host's resources in all places where they may be, and leaves none behind.
func TestHostResources(t *testing.T) {
	h, p := startThings(t)
	for what, want := range map[string]string{
		"methods":   "5 <nil> true 10 5 41 true <nil> dropped",
		"places":    "3 true;b a;b true;2 true b;3;c 123456789;m 2 <nil>;mz;dropped",
		"errors":    "true missing missing;true broken broken dropped;busy",
		"dropped":   "twice",
		"many more": "done",
	} {
		h.Made = 0
		got, err := runScene(t, p, what)
		if err != nil || got != want {
			t.Errorf("%s: want %q, got %q, %v", what, want, got, err)
		}
		within(t, p, func(_ context.Context, g canon.Side) {
			if n := g.Handles().Len(); h.Live != 0 || n != 0 {
				t.Errorf("%s: want no file and no handle left, got %d and %d", what, h.Live, n)
			}
		})
	}
}

// What a guest may not do ends it, and its files are dropped.
func TestResourceTraps(t *testing.T) {
	h, p := startThings(t)
	for what, want := range map[string]string{
		"gone":     "expected a resource, found one that was dropped or given away",
		"given":    "expected a resource, found one that was dropped or given away",
		"same":     "expected a handle that is not lent",
		"forged":   "expected a handle of the caller, found 4711",
		"own item": "expected a mrt:things/files@0.3/file, found a mrt:things/store@0.3/item",
	} {
		err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
			if what == "own item" {
				side := g.(canon.Side)
				side.Handles().Add(side.Resource(things.StoreModule, "item"), canon.Rep{Num: 1})
			}
			_, err := things.CallStoreRun(ctx, g, what)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want a trap with %q, got %v", what, want, err)
		}
		if h.Live != 0 {
			t.Errorf("%s: want no file left, got %d", what, h.Live)
		}
	}
}

// What a guest leaves behind is dropped when it is reset.
func TestResourcesOfAReset(t *testing.T) {
	h, p := startThings(t, func(c *engine.PoolConfig) { c.Policy = engine.Reset })
	for range 3 {
		if _, err := runScene(t, p, "leaks"); err != nil {
			t.Fatal(err)
		}
		if h.Live != 0 {
			t.Errorf("want no file left, got %d", h.Live)
		}
	}
}

// The host uses the resources of a guest.
func TestGuestResources(t *testing.T) {
	h, p := startThings(t)
	within(t, p, func(ctx context.Context, g canon.Side) { useItems(ctx, t, h, g) })
}

func useItems(ctx context.Context, t *testing.T, h *files.Host, g canon.Side) {
	t.Helper()
	item := func(key string) *things.Item {
		t.Helper()
		i, err := things.CallStoreNewItem(ctx, g, key)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	check := func(what string, want, got any, err error) {
		t.Helper()
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: want %v, got %v, %v", what, want, got, err)
		}
	}
	a, b := item("a"), item("b")
	key, err := a.Key(ctx)
	check("key", "a", key, err)
	check("rename", nil, nil, a.Rename(ctx, "A"))
	var failed *canon.Failure[string]
	if err := a.Rename(ctx, ""); !errors.As(err, &failed) || failed.Value != "no key" {
		t.Errorf("rename: want the guest's error, got %v", err)
	}
	same, err := a.Same(ctx, a)
	check("same", true, same, err)
	same, err = a.Same(ctx, b)
	check("other", false, same, err)
	keys, err := things.CallStoreKeys(ctx, g, []*things.Item{a, b, a})
	check("keys", []string{"A", "b", "A"}, keys, err)
	f := h.Add("f")
	text, err := a.Attach(ctx, f)
	check("attach", "A:f", text, err)

	merged, err := things.CallStoreItemMerge(ctx, g, []*things.Item{a, b})
	check("merge", nil, nil, err)
	key, err = merged.Key(ctx)
	check("merged", "A+b", key, err)
	dropped, err := things.CallStoreDropped(ctx, g)
	check("dropped", 0, dropped, err)
	if _, err := a.Key(ctx); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("want an error for an item that was given away, got %v", err)
	}
	check("drop", nil, nil, merged.Drop(ctx))
	check("drop again", nil, nil, merged.Drop(ctx))
	dropped, err = things.CallStoreDropped(ctx, g)
	check("dropped", 1, dropped, err)
	text, err = things.CallStoreItemInto(ctx, g, item("last"))
	check("into", "was last", text, err)
	if g.Handles().Len() != 0 {
		t.Errorf("want no handle left, got %d", g.Handles().Len())
	}
}

// Resources of both sides pass in records, lists and options.
func TestShelf(t *testing.T) {
	h, p := startThings(t)
	within(t, p, func(ctx context.Context, g canon.Side) { useShelf(ctx, t, h, g) })
}

func useShelf(ctx context.Context, t *testing.T, h *files.Host, g canon.Side) {
	t.Helper()
	var items []*things.Item
	for _, key := range []string{"x", "y", "z"} {
		i, err := things.CallStoreNewItem(ctx, g, key)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, i)
	}
	cover := h.Add("cover")
	s, err := things.CallStorePut(ctx, g, things.Shelf{Items: items[:2], Cover: cover, Best: items[2]})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := things.CallStoreKeys(ctx, g, append(slices.Clone(s.Items), s.Best))
	if err != nil || strings.Join(keys, "") != "yzx" {
		t.Errorf("want the items y, z and x, got %v, %v", keys, err)
	}
	if s.Cover != cover {
		t.Errorf("want the cover back, got %v", s.Cover)
	}
	if found, err := things.CallStoreFind(ctx, g, "none"); err != nil || found != nil {
		t.Errorf("want no item, got %v, %v", found, err)
	}
	names, err := things.CallStoreRead(ctx, g, []things.File{cover, cover}, cover)
	if err != nil || strings.Join(names, " ") != "cover cover and cover" {
		t.Errorf("want the names of the files, got %q, %v", names, err)
	}
	if _, err := things.CallStoreRelease(ctx, g); err == nil || err.Error() != "nothing kept" {
		t.Errorf("want the guest's error, got %v", err)
	}
	if err := things.CallStoreKeep(ctx, g, cover); err != nil {
		t.Fatal(err)
	}
	if got, err := things.CallStoreRelease(ctx, g); err != nil || got != cover {
		t.Errorf("want the file back, got %v, %v", got, err)
	}
	if n := g.Handles().Len(); n != 0 || h.Live != 1 {
		t.Errorf("want one file and no handle, got %d and %d", h.Live, n)
	}
}

// An item of another guest is refused, and one of nobody.
func TestForeignItem(t *testing.T) {
	_, one := startThings(t)
	_, other := startThings(t)
	within(t, other, func(ctx context.Context, g canon.Side) {
		item, err := things.CallStoreNewItem(ctx, g, "x")
		if err != nil {
			t.Fatal(err)
		}
		want := "expected one of the guest that is called"
		err = one.Do(ctx, func(ctx context.Context, g abi.Guest) error {
			_, err := things.CallStoreKeys(ctx, g, []*things.Item{item})
			return err
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	})
	var trap *abi.Trap
	if err := (&things.Item{}).Rename(t.Context(), "y"); !errors.As(err, &trap) {
		t.Errorf("want a trap for an item of nobody, got %v", err)
	}
}
