// Package configurationtest is the conformance suite of configuration stores: every driver's tests call Run on the
// real store. It also has an App for tests of the block with a real store.
package configurationtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// Fixture is a store under test, and how somebody else changes what is in it, as an operator does. The functions are
// called concurrently.
type Fixture struct {
	Store  configuration.Store
	Set    func(key, value string) error
	Delete func(key string) error
}

// Caps says what a driver cannot do.
type Caps struct {
	// NoVersions: items have no version.
	NoVersions bool
	// Text: values are text, which has no zero bytes.
	Text bool
}

// Run runs the suite. open opens a store on each call; what the stores hold may be shared. The suite uses keys that
// begin with the name of the test, and closes the store.
func Run(t *testing.T, open func(t *testing.T) Fixture, caps Caps) {
	for name, fn := range map[string]func(*suite, *testing.T){
		"Get": (*suite).get, "Versions": (*suite).versions, "BadInput": (*suite).badInput,
		"WatchKeys": (*suite).watchKeys, "WatchAll": (*suite).watchAll, "ThreeWatches": (*suite).threeWatches,
		"Burst": (*suite).burst, "StopConcurrently": (*suite).stopConcurrently, "Setter": (*suite).setter,
		"Concurrent": (*suite).concurrent, "Close": (*suite).closing,
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{Fixture: open(t), caps: caps, prefix: "t" + strings.ToLower(name) + "/"}
			t.Cleanup(func() {
				if s.closed {
					return
				}
				if err := s.Store.Close(context.WithoutCancel(t.Context())); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			fn(s, t)
		})
	}
}

type suite struct {
	Fixture
	caps   Caps
	prefix string
	closed bool
}

func (s *suite) key(name string) string { return s.prefix + name }

func (s *suite) keys(names ...string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = s.key(n)
	}
	return out
}

func (s *suite) put(t *testing.T, name, value string) {
	t.Helper()
	if err := s.Set(s.key(name), value); err != nil {
		t.Fatalf("set %s: %v", name, err)
	}
}

func (s *suite) drop(t *testing.T, name string) {
	t.Helper()
	if err := s.Delete(s.key(name)); err != nil {
		t.Fatalf("delete %s: %v", name, err)
	}
}

// read gives the values of keys by name; nil reads all and leaves out what others have written.
func (s *suite) read(t *testing.T, names []string) map[string]configuration.Item {
	t.Helper()
	items, err := s.Store.Get(t.Context(), s.keys(names...), nil)
	if err != nil {
		t.Fatalf("get %v: %v", names, err)
	}
	out := map[string]configuration.Item{}
	for _, item := range items {
		name, mine := strings.CutPrefix(item.Key, s.prefix)
		switch {
		case !mine && len(names) > 0:
			t.Errorf("get %v: got the key %q, which nobody asked for", names, item.Key)
		case mine && out[name].Key != "":
			t.Errorf("get %v: got %q twice", names, item.Key)
		case mine:
			out[name] = item
		}
		if item.Deleted {
			t.Errorf("get %v: got %q as deleted; what is not there is left out", names, item.Key)
		}
	}
	return out
}

func (s *suite) want(t *testing.T, names []string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name, item := range s.read(t, names) {
		got[name] = item.Value
	}
	if !maps.Equal(got, want) {
		t.Errorf("get %v: got %q, want %q", names, got, want)
	}
}

func (s *suite) get(t *testing.T) {
	s.want(t, []string{"a", "b"}, map[string]string{})
	values := map[string]string{
		"a": "1", "b": "", "ünïcode key": "grüße ☃", "long": strings.Repeat("x", 100_000), "pipe": "a|b", "json": `{"a": ["b"]}`,
		"with space": " x ", "line": "a\nb\x00c",
	}
	if s.caps.Text {
		values["line"] = "a\nb\tc"
	}
	for name, value := range values {
		s.put(t, name, value)
	}
	s.want(t, nil, values)
	s.want(t, []string{"a"}, map[string]string{"a": "1"})
	s.want(t, []string{"a", "missing", "b", "a"}, map[string]string{"a": "1", "b": ""})
	s.want(t, []string{"missing"}, map[string]string{})
	s.put(t, "a", "2")
	s.drop(t, "b")
	s.want(t, []string{"a", "b"}, map[string]string{"a": "2"})
	many := map[string]string{}
	for i := range 300 {
		many[fmt.Sprint("many", i)] = fmt.Sprint(i)
		s.put(t, fmt.Sprint("many", i), fmt.Sprint(i))
	}
	s.want(t, slices.Collect(maps.Keys(many)), many)
	maps.Copy(many, values)
	many["a"] = "2"
	delete(many, "b")
	s.want(t, nil, many)
}

func (s *suite) versions(t *testing.T) {
	s.put(t, "a", "1")
	first := s.read(t, []string{"a"})["a"]
	if s.caps.NoVersions {
		if first.Version != "" {
			t.Errorf("got version %q of a store without versions", first.Version)
		}
		return
	}
	if first.Version == "" {
		t.Error("got no version")
	}
	if again := s.read(t, nil)["a"]; again.Version != first.Version {
		t.Errorf("version without a change: got %q, want %q as before", again.Version, first.Version)
	}
	s.put(t, "a", "2")
	if second := s.read(t, []string{"a"})["a"]; second.Version == first.Version {
		t.Errorf("version after a change: got %q, want another than before", second.Version)
	}
}

// badInput: whatever the keys are, there is an answer or an error.
func (s *suite) badInput(t *testing.T) {
	for _, keys := range [][]string{{""}, {"\x00"}, {"a\xff"}, {strings.Repeat("k", 1<<16)}, {"*"}, {"'; DROP TABLE config; --"}, {"%"}} {
		if items, err := s.Store.Get(t.Context(), keys, nil); err == nil && len(items) != 0 {
			t.Errorf("get %.20q: got %v, want nothing", keys, items)
		}
	}
	if _, err := s.Store.Get(t.Context(), s.keys("a"), map[string]string{"unknown": "setting"}); err != nil {
		t.Errorf("get with an unknown setting: got error %v, want it ignored", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Store.Get(ctx, s.keys("a"), nil); err == nil {
		t.Error("get with an ended context: got no error")
	}
}

func (s *suite) setter(t *testing.T) {
	set, ok := s.Store.(configuration.Setter)
	if !ok {
		return
	}
	write := func(name, value string) {
		t.Helper()
		if err := set.Set(t.Context(), s.key(name), value, nil); err != nil {
			t.Fatalf("set %s: %v", name, err)
		}
	}
	write("a", "1")
	s.want(t, []string{"a"}, map[string]string{"a": "1"})
	first := s.read(t, []string{"a"})["a"].Version
	write("a", "2")
	if second := s.read(t, []string{"a"})["a"].Version; second == first {
		t.Errorf("version after a second set: got %q as after the first, want another", second)
	}
	if s.subscribes() {
		w, stop := s.watch(t, "a", "b")
		s.after(t, w, "a", "set", func() { write("a", "3") })
		s.after(t, w, "b", "set", func() { write("b", "") })
		s.after(t, w, "a", "deleted", func() {
			if err := set.Delete(t.Context(), s.keys("a", "missing"), nil); err != nil {
				t.Fatalf("delete: %v", err)
			}
		})
		w.end(stop)
	}
	write("b", "")
	if err := set.Delete(t.Context(), nil, nil); err != nil {
		t.Errorf("delete of no key: got error %v, want none", err)
	}
	s.want(t, []string{"b"}, map[string]string{"b": ""})
	if err := set.Delete(t.Context(), s.keys("a", "b", "b"), nil); err != nil {
		t.Errorf("delete: %v", err)
	}
	s.want(t, []string{"a", "b"}, map[string]string{})
}

func (s *suite) concurrent(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				name := fmt.Sprint("k", i)
				if err := s.Set(s.key(name), fmt.Sprint(j)); err != nil {
					t.Errorf("set: %v", err)
				}
				items, err := s.Store.Get(t.Context(), s.keys(name), nil)
				if err != nil || len(items) != 1 || items[0].Value != fmt.Sprint(j) {
					t.Errorf("get %s: got %v, error %v, want %d", name, items, err, j)
				}
			}
		})
	}
	wg.Wait()
	if p, ok := s.Store.(configuration.Pinger); ok {
		if err := p.Ping(t.Context()); err != nil {
			t.Errorf("ping: %v", err)
		}
	}
}

// closing: a store can be closed while a watch of it runs, and fails afterwards.
func (s *suite) closing(t *testing.T) {
	stop := func() {}
	if s.subscribes() {
		_, stop = s.watch(t, "a")
	}
	if err := s.Store.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
	s.closed = true
	stop()
	if _, err := s.Store.Get(t.Context(), s.keys("a"), nil); err == nil {
		t.Error("get after close: got no error")
	}
}
