package memcached

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

// slow is a timeout that a loaded machine keeps.
const slow = "30s"

func opened(t testing.TB, hosts string) *store {
	t.Helper()
	s, err := Spec.New(t.Context(), component.Config{Name: "statestore", Type: Spec.Type, Metadata: component.Metadata{"hosts": hosts, "timeout": slow}})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	st, ok := s.(*store)
	if !ok {
		t.Fatalf("open: got %T, want *store", s)
	}
	return st
}

func closed(t testing.TB, s *store) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

func set(t *testing.T, s *store, key, value string) {
	t.Helper()
	if err := s.Set(t.Context(), state.SetRequest{Key: key, Value: []byte(value)}); err != nil {
		t.Fatalf("set %q: %v", key, err)
	}
}

func get(t *testing.T, s *store, key string) *state.Entry {
	t.Helper()
	e, err := s.Get(t.Context(), state.GetRequest{Key: key})
	if err != nil || e == nil {
		t.Fatalf("get %q: got %+v, error %v", key, e, err)
	}
	return e
}

func TestConformance(t *testing.T) {
	one, two, three := testserver.Memcached(t), testserver.Memcached(t), testserver.Memcached(t)
	for name, hosts := range map[string]string{"one": one.Addr, "several": one.Addr + ", " + two.Addr + "," + three.Addr} {
		t.Run(name, func(t *testing.T) {
			statetest.Run(t, func(t *testing.T) state.Store { return opened(t, hosts) }, statetest.Caps{BadETag: "1"})
		})
	}
}

// TestLayout: items are what Dapr's driver, which is this client, reads and writes, on the same servers.
func TestLayout(t *testing.T) {
	hosts := []string{testserver.Memcached(t).Addr, testserver.Memcached(t).Addr, testserver.Memcached(t).Addr}
	s := opened(t, strings.Join(hosts, ","))
	defer closed(t, s)
	dapr := memcache.New(hosts...)
	dapr.Timeout = time.Minute
	defer func() { _ = dapr.Close() }()
	for i := range 100 {
		key := fmt.Sprintf("app||key-%d", i)
		set(t, s, key, "ours")
		if item, err := dapr.Get(key); err != nil || string(item.Value) != "ours" || item.Flags != 0 {
			t.Fatalf("Dapr reads %s: got %+v, error %v", key, item, err)
		}
		if err := dapr.Set(&memcache.Item{Key: key, Value: []byte("theirs"), Expiration: 3600}); err != nil {
			t.Fatal(err)
		}
		if e := get(t, s, key); string(e.Value) != "theirs" || !e.Expires.IsZero() {
			t.Fatalf("get %s: got %+v", key, e)
		}
	}
	// An item goes away when it should, and lives on when it should.
	for ttl, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, 90 * 24 * time.Hour: 90 * 24 * time.Hour, 30 * 24 * time.Hour: 30 * 24 * time.Hour} {
		if err := s.Set(t.Context(), state.SetRequest{Key: "ttl", Value: []byte("1"), TTL: &ttl}); err != nil {
			t.Fatal(err)
		}
		e := get(t, s, "ttl")
		if left := time.Until(e.Expires); left < want-time.Minute || left > want+time.Minute {
			t.Errorf("time to live of %s: got %s left", ttl, left)
		}
	}
	century := 100 * 365 * 24 * time.Hour
	err := s.Set(t.Context(), state.SetRequest{Key: "ttl", Value: []byte("2"), TTL: &century})
	if !errors.Is(err, state.ErrInvalid) || !strings.Contains(err.Error(), "the time to live of 876000h0m0s ends later than the client of memcached can say") {
		t.Errorf("time to live of a century: got error %v", err)
	}
}

func TestKeys(t *testing.T) {
	s := opened(t, testserver.Memcached(t).Addr)
	defer closed(t, s)
	same := []string{"app||a", "%", "漢字", "\xff", strings.Repeat("k", 250), "%sha256", "ä||ö"}
	other := []string{"", "a b", " ", "\n", "a\x00", "\x7f", strings.Repeat("k", 251), strings.Repeat("k", 64<<10), "%sha256%", itemKey("a b"), itemKey(itemKey("a b"))}
	seen := map[string]bool{}
	for _, key := range slices.Concat(same, other) {
		stored := itemKey(key)
		if slices.Contains(same, key) != (stored == key) || len(stored) > maxKey || seen[stored] {
			t.Errorf("item of %.60q: got %q", key, stored)
		}
		seen[stored] = true
		set(t, s, key, key)
	}
	reqs := []state.GetRequest{{Key: "none"}}
	for _, key := range slices.Concat(same, other) {
		if e := get(t, s, key); string(e.Value) != key {
			t.Errorf("get %.60q: got %.60q", key, e.Value)
		}
		reqs = append(reqs, state.GetRequest{Key: key})
	}
	out, err := s.BulkGet(t.Context(), reqs)
	if err != nil || out[0] != nil {
		t.Fatalf("bulk get: error %v, first %+v", err, out[0])
	}
	for i, e := range out[1:] {
		if e == nil || string(e.Value) != reqs[i+1].Key {
			t.Errorf("bulk get %.60q: got %+v", reqs[i+1].Key, e)
		}
	}
}

func TestBulkGetOfManyKeys(t *testing.T) {
	s := opened(t, testserver.Memcached(t).Addr)
	defer closed(t, s)
	reqs := make([]state.GetRequest, 3000)
	for i := range reqs {
		reqs[i].Key = fmt.Sprintf("%s-%d", strings.Repeat("k", 200), i)
		if i%100 == 0 {
			set(t, s, reqs[i].Key, "1")
		}
	}
	out, err := s.BulkGet(t.Context(), reqs)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range out {
		if (e != nil) != (i%100 == 0) {
			t.Errorf("key %d: got %+v", i, e)
		}
	}
}

// TestETagOfAnotherLife: memcached gives the same numbers again after a start.
func TestETagOfAnotherLife(t *testing.T) {
	server := testserver.Memcached(t)
	s := opened(t, server.Addr)
	defer closed(t, s)
	set(t, s, "k", "before")
	stale := *get(t, s, "k").ETag
	server.Stop()
	server.Start()
	set(t, s, "k", "after")
	number, _, _ := strings.Cut(stale, "-")
	if now := *get(t, s, "k").ETag; !strings.HasPrefix(now, number+"-") {
		t.Logf("the numbers differ: %s and %s", stale, now)
	}
	err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte("lost"), ETag: &stale})
	if !errors.Is(err, state.ErrETagMismatch) || string(get(t, s, "k").Value) != "after" {
		t.Errorf("set with an etag of before the start: got error %v", err)
	}
}

func TestLargeValues(t *testing.T) {
	s := opened(t, testserver.Memcached(t, "-I", "1m").Addr)
	defer closed(t, s)
	set(t, s, "k", strings.Repeat("x", 1<<20-1<<10))
	for _, size := range []int{1 << 20, 20 << 20} {
		err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: make([]byte, size)})
		if !errors.Is(err, state.ErrInvalid) || !strings.Contains(err.Error(), "the value is larger than memcached takes; start it with a greater -I") {
			t.Errorf("set of %d bytes: got error %v", size, err)
		}
	}
	set(t, s, "k", "small")
}

// TestNoCAS: a memcached without the numbers has no etags, and does not pretend.
func TestNoCAS(t *testing.T) {
	s := opened(t, testserver.Memcached(t, "-C").Addr)
	defer closed(t, s)
	set(t, s, "k", "1")
	if e := get(t, s, "k"); e.ETag != nil {
		t.Errorf("get: got etag %s, want none", *e.ETag)
	}
	tag := "0-0011223344556677"
	if err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte("2"), ETag: &tag}); !errors.Is(err, state.ErrNotSupported) {
		t.Errorf("set with an etag: got error %v, want %v", err, state.ErrNotSupported)
	}
}

// TestFaults: memcached keeps nothing when it stops, so what can be promised is that a write that was acknowledged is
// there to read while the server lives. The server going away in between makes it a failed write.
func TestFaults(t *testing.T) {
	server := &lives{MemcachedServer: testserver.Memcached(t)}
	s := opened(t, server.Addr)
	defer closed(t, s)
	away := fmt.Errorf("%w: stopped between writing and reading", state.ErrUnavailable)
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			key, value := fmt.Sprintf("app||%d", n), fmt.Sprint(n)
			life := server.n.Load()
			if err := s.Set(ctx, state.SetRequest{Key: key, Value: []byte(value)}); err != nil {
				return err
			}
			e, err := s.Get(ctx, state.GetRequest{Key: key})
			switch {
			case err != nil:
				return err
			case e == nil && server.n.Load() != life:
				return away
			case e == nil || string(e.Value) != value:
				return fmt.Errorf("an acknowledged write is lost: got %+v", e)
			default:
				return nil
			}
		},
		Unavailable: func(err error) bool { return errors.Is(err, state.ErrUnavailable) },
	})
	server.Stop()
	for name, call := range map[string]func() error{
		"get": func() error { _, err := s.Get(t.Context(), state.GetRequest{Key: "k"}); return err },
		"bulk get": func() error {
			_, err := s.BulkGet(t.Context(), []state.GetRequest{{Key: "k"}})
			return err
		},
		"delete": func() error { return s.Delete(t.Context(), state.DeleteRequest{Key: "k"}) },
		"ping":   func() error { return s.Ping(t.Context()) },
	} {
		if err := call(); !errors.Is(err, state.ErrUnavailable) || !strings.Contains(err.Error(), server.Addr) {
			t.Errorf("%s without a server: got error %v, want %v and the address", name, err, state.ErrUnavailable)
		}
	}
	_, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"hosts": server.Addr}})
	if _, permanent := errors.AsType[*component.PermanentError](err); permanent || err == nil || !strings.Contains(err.Error(), "check hosts and that the server runs") {
		t.Errorf("open without a server: got error %v", err)
	}
}

// lives counts when the server is about to go away, and to come back.
type lives struct {
	*testserver.MemcachedServer
	n atomic.Int64
}

func (l *lives) Stop() {
	l.n.Add(1)
	l.MemcachedServer.Stop()
}

func (l *lives) Start() {
	l.n.Add(1)
	l.MemcachedServer.Start()
}

// TestOneOfSeveralIsAway: its keys fail, those of the others do not.
func TestOneOfSeveralIsAway(t *testing.T) {
	one, two := testserver.Memcached(t), testserver.Memcached(t)
	s := opened(t, one.Addr+","+two.Addr)
	defer closed(t, s)
	two.Stop()
	failed := 0
	for i := range 50 {
		key := fmt.Sprintf("k%d", i)
		owner, _ := servers{server(one.Addr), server(two.Addr)}.PickServer(key)
		err := s.Set(t.Context(), state.SetRequest{Key: key})
		if away := owner.String() == two.Addr; away != errors.Is(err, state.ErrUnavailable) || !away && err != nil {
			t.Errorf("set %s at %s: got error %v", key, owner, err)
		}
		if err != nil {
			failed++
		}
	}
	if failed == 0 || failed == 50 {
		t.Errorf("%d of 50 keys failed: want some of each server", failed)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("ping: got error %v", err)
	}
}

func TestBadSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata component.Metadata
		want     string
	}{
		"none":    {nil, "metadata field hosts is missing: host:port of the server"},
		"empty":   {component.Metadata{"hosts": " , "}, `metadata field hosts: want host:port, separated by commas, found " , "`},
		"URL":     {component.Metadata{"hosts": "memcached://h:1"}, "metadata field hosts: want host:port"},
		"idle":    {component.Metadata{"hosts": "h:1", "maxIdleConnections": "0"}, "metadata field maxIdleConnections: want 1 to 65536, found 0"},
		"number":  {component.Metadata{"hosts": "h:1", "maxIdleConnections": "many"}, `metadata field maxIdleConnections: want an integer, found "many"`},
		"timeout": {component.Metadata{"hosts": "h:1", "timeout": "soon"}, `metadata field timeout: want a duration such as 5s or 200ms, found "soon"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Spec.New(t.Context(), component.Config{Metadata: tc.metadata})
			if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want a permanent one with %q", err, tc.want)
			}
		})
	}
	set := settings{Hosts: "a, b:1 ,[::1],[::1]:2", MaxIdleConns: 1}
	if got, err := set.servers(); err != nil || !slices.Equal(got, servers{"a:11211", "b:1", "[::1]:11211", "[::1]:2"}) {
		t.Errorf("servers: got %v, error %v", got, err)
	}
}

func BenchmarkGet(b *testing.B) {
	s := opened(b, testserver.Memcached(b).Addr)
	defer closed(b, s)
	statetest.BenchmarkGet(b, s)
}

func BenchmarkSet(b *testing.B) {
	s := opened(b, testserver.Memcached(b).Addr)
	defer closed(b, s)
	statetest.BenchmarkSet(b, s)
}
