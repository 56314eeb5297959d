package redis

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

func opened(t testing.TB, metadata component.Metadata) *store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := Spec.New(ctx, component.Config{Name: "statestore", Type: Spec.Type, Metadata: metadata})
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

func TestConformanceNode(t *testing.T) {
	server := testserver.Redis(t)
	statetest.Run(t, func(t *testing.T) state.Store {
		return opened(t, component.Metadata{"redisHost": server.Addr})
	}, statetest.Caps{BadETag: "not-a-number"})
}

func TestConformanceCluster(t *testing.T) {
	cluster := testserver.RedisCluster(t)
	statetest.Run(t, func(t *testing.T) state.Store {
		return opened(t, component.Metadata{"redisHost": cluster.Addrs(), "redisType": "cluster"})
	}, statetest.Caps{BadETag: "not-a-number", Tag: "{tx}"})
}

// TestClusterTransactionAcrossSlots: the error says what to do.
func TestClusterTransactionAcrossSlots(t *testing.T) {
	cluster := testserver.RedisCluster(t)
	s := opened(t, component.Metadata{"redisHost": cluster.Addrs(), "redisType": "cluster"})
	defer closed(t, s)
	err := s.Transact(t.Context(), []state.Operation{
		{Upsert: &state.SetRequest{Key: "app||a"}}, {Upsert: &state.SetRequest{Key: "app||b"}},
	}, nil)
	const want = "not supported: the keys of this transaction lie in different slots of the Redis Cluster; give them a common hash tag, for example {order-1}: "
	if !errors.Is(err, state.ErrNotSupported) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("transact: got error %v, want %q...", err, want)
	}
	for _, key := range []string{"app||a", "app||b"} {
		if e, err := s.Get(t.Context(), state.GetRequest{Key: key}); err != nil || e != nil {
			t.Errorf("get %s: got %+v, error %v, want nothing", key, e, err)
		}
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// TestLayout reads what the store writes, and the other way round, as Dapr does.
func TestLayout(t *testing.T) {
	server := testserver.Redis(t)
	s := opened(t, component.Metadata{"redisHost": server.Addr})
	defer closed(t, s)
	raw := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer func() { _ = raw.Close() }()

	if err := s.Set(t.Context(), state.SetRequest{Key: "app||k", Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	e, err := s.Get(t.Context(), state.GetRequest{Key: "app||k"})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := raw.HGetAll(t.Context(), "app||k").Result()
	if err != nil || len(hash) != 2 || hash["data"] != "v" || hash["version"] != *e.ETag {
		t.Errorf("hash: got %v, error %v, want data v and version %s", hash, err, *e.ETag)
	}
	if err := raw.HSet(t.Context(), "app||theirs", "data", "x", "version", "3").Err(); err != nil {
		t.Fatal(err)
	}
	tag := "3"
	if err := s.Set(t.Context(), state.SetRequest{Key: "app||theirs", Value: []byte("y"), ETag: &tag}); err != nil {
		t.Fatal(err)
	}
	e, err = s.Get(t.Context(), state.GetRequest{Key: "app||theirs"})
	if err != nil || string(e.Value) != "y" || *e.ETag != "4" {
		t.Errorf("entry of Dapr after a write: got %+v, error %v, want value y and etag 4", e, err)
	}
	if err := raw.Set(t.Context(), "app||string", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(t.Context(), state.GetRequest{Key: "app||string"})
	if err == nil || !strings.Contains(err.Error(), `key "app||string" is not a hash, so it was not written by a state store`) {
		t.Errorf("get of a string: got error %v", err)
	}
}

func TestDefaultTTL(t *testing.T) {
	server := testserver.Redis(t)
	s := opened(t, component.Metadata{"redisHost": server.Addr, "ttlInSeconds": "3600"})
	defer closed(t, s)
	never := time.Duration(-1)
	for key, tc := range map[string]struct {
		ttl     *time.Duration
		expires bool
	}{"default": {nil, true}, "never": {&never, false}} {
		if err := s.Set(t.Context(), state.SetRequest{Key: key, TTL: tc.ttl}); err != nil {
			t.Fatal(err)
		}
		e, err := s.Get(t.Context(), state.GetRequest{Key: key})
		if err != nil || e.Expires.IsZero() == tc.expires {
			t.Errorf("%s: got %+v, error %v, want that it expires: %t", key, e, err, tc.expires)
		}
	}
}

// TestServerGoesAndComes: calls fail with ErrUnavailable while the server is away, and work when it is back.
func TestServerGoesAndComes(t *testing.T) {
	server := testserver.Redis(t)
	s := opened(t, component.Metadata{"redisHost": server.Addr})
	defer closed(t, s)
	set := func() error { return s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte("v")}) }
	if err := set(); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := set(); !errors.Is(err, state.ErrUnavailable) || !strings.Contains(err.Error(), "redis at "+server.Addr) {
		t.Errorf("set without a server: got error %v, want %v and the address", err, state.ErrUnavailable)
	}
	if _, err := s.Get(t.Context(), state.GetRequest{Key: "k"}); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("get without a server: got error %v, want %v", err, state.ErrUnavailable)
	}
	if _, err := s.ListKeys(t.Context(), state.ListRequest{Limit: 1}); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("list without a server: got error %v, want %v", err, state.ErrUnavailable)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("ping without a server: got error %v, want %v", err, state.ErrUnavailable)
	}
	server.Start()
	for deadline := time.Now().Add(30 * time.Second); set() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("set after the server is back: %v", set())
		}
	}
}

func TestOpenFails(t *testing.T) {
	server := testserver.Redis(t, "--requirepass", "secret")
	down := testserver.Redis(t)
	down.Stop()
	cluster := testserver.RedisCluster(t)
	for _, tc := range []struct {
		name      string
		metadata  component.Metadata
		want      string
		permanent bool
	}{
		{"no host", nil, "metadata field redisHost is missing", true},
		{"no password", component.Metadata{"redisHost": server.Addr}, "refuses the credentials; check redisUsername and redisPassword", true},
		{"wrong password", component.Metadata{"redisHost": server.Addr, "redisPassword": "guess"}, "refuses the credentials", true},
		{"down", component.Metadata{"redisHost": down.Addr}, "redis at " + down.Addr + " does not answer; check redisHost and that the server runs", false},
		{"no cluster", component.Metadata{"redisHost": server.Addr, "redisPassword": "secret", "redisType": "cluster"}, "is no cluster; set redisType: node", true},
		{"a cluster", component.Metadata{"redisHost": cluster.Nodes[0].Addr}, "the server is a node of a cluster; set redisType: cluster", true},
		{"no such database", component.Metadata{"redisHost": server.Addr, "redisPassword": "secret", "redisDB": "99"}, "has no database 99; check redisDB", true},
		{"TTL", component.Metadata{"redisHost": server.Addr, "ttlInSeconds": "-2"}, "metadata field ttlInSeconds: want -1 to 2147483647, found -2", true},
		{"OIDC", component.Metadata{"redisHost": server.Addr, "useOIDC": "true"}, "this binary cannot authenticate to Redis by OIDC", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := Spec.New(ctx, component.Config{Metadata: tc.metadata})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("open: got error %v, want %q", err, tc.want)
			}
			if _, ok := errors.AsType[*component.PermanentError](err); ok != tc.permanent {
				t.Errorf("open: error %v: permanent %t, want %t", err, ok, tc.permanent)
			}
			if strings.Contains(err.Error(), "guess") {
				t.Errorf("open: the error %v shows the password", err)
			}
		})
	}
	s := opened(t, component.Metadata{"redisHost": server.Addr, "redisPassword": "secret"})
	closed(t, s)
}

func BenchmarkGet(b *testing.B) {
	s := opened(b, component.Metadata{"redisHost": testserver.Redis(b).Addr})
	defer closed(b, s)
	statetest.BenchmarkGet(b, s)
}

func BenchmarkSet(b *testing.B) {
	s := opened(b, component.Metadata{"redisHost": testserver.Redis(b).Addr})
	defer closed(b, s)
	statetest.BenchmarkSet(b, s)
}

// TestClusterLosesAMaster: keys of the master that is gone fail with ErrUnavailable, and work when it is back.
func TestClusterLosesAMaster(t *testing.T) {
	cluster := testserver.RedisCluster(t)
	s := opened(t, component.Metadata{"redisHost": cluster.Addrs(), "redisType": "cluster"})
	defer closed(t, s)
	cluster.Nodes[1].Stop()
	failures := 0
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		err := s.Set(t.Context(), state.SetRequest{Key: key})
		if err == nil {
			continue
		}
		failures++
		if !errors.Is(err, state.ErrUnavailable) {
			t.Errorf("set %s: got error %v, want %v", key, err, state.ErrUnavailable)
		}
	}
	if failures == 0 {
		t.Error("no key failed though a master is gone")
	}
	cluster.Nodes[1].Start()
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			err := s.Set(t.Context(), state.SetRequest{Key: key})
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("set %s after the master is back: %v", key, err)
			}
		}
	}
}
