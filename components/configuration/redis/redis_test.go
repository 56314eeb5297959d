package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
)

const patience = 60 * time.Second

func opened(t testing.TB, metadata component.Metadata) *store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Spec.New(ctx, component.Config{Name: "configstore", Type: Spec.Type, Metadata: metadata})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s.(*store)
}

func closed(t testing.TB, s *store) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

// operator is redis-cli.
func operator(t testing.TB, addrs ...string) goredis.UniversalClient {
	t.Helper()
	c := goredis.NewUniversalClient(&goredis.UniversalOptions{Addrs: addrs, IsClusterMode: len(addrs) > 1, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func fixture(t *testing.T, s *store, op goredis.UniversalClient, version bool) configurationtest.Fixture {
	n := atomic.Int64{}
	return configurationtest.Fixture{
		Store: s,
		Set: func(key, value string) error {
			if version {
				value += fmt.Sprint("||", n.Add(1))
			}
			return op.Set(t.Context(), key, value, 0).Err()
		},
		Delete: func(key string) error { return op.Del(t.Context(), key).Err() },
	}
}

func TestConformanceNode(t *testing.T) {
	server := testserver.Redis(t)
	op := operator(t, server.Addr)
	configurationtest.Run(t, func(t *testing.T) configurationtest.Fixture {
		return fixture(t, opened(t, component.Metadata{"redisHost": server.Addr}), op, true)
	}, configurationtest.Caps{})
}

func TestConformanceNoVersions(t *testing.T) {
	server := testserver.Redis(t)
	op := operator(t, server.Addr)
	configurationtest.Run(t, func(t *testing.T) configurationtest.Fixture {
		return fixture(t, opened(t, component.Metadata{"redisHost": server.Addr}), op, false)
	}, configurationtest.Caps{NoVersions: true})
}

func TestConformanceCluster(t *testing.T) {
	cluster := testserver.RedisCluster(t)
	op := operator(t, strings.Split(cluster.Addrs(), ",")...)
	configurationtest.Run(t, func(t *testing.T) configurationtest.Fixture {
		return fixture(t, opened(t, component.Metadata{"redisHost": cluster.Addrs(), "redisType": "cluster"}), op, true)
	}, configurationtest.Caps{})
}

// TestValues: value and version as Dapr reads them, and what is no item.
func TestValues(t *testing.T) {
	server := testserver.Redis(t)
	s := opened(t, component.Metadata{"redisHost": server.Addr})
	defer closed(t, s)
	op := operator(t, server.Addr)
	for text, want := range map[string]configuration.Item{
		"v||7": {Value: "v", Version: "7"}, "v": {Value: "v"}, "||7": {Version: "7"}, "v||": {Value: "v"}, "": {}, "a||b||c": {Value: "a", Version: "b"},
		"a|b||1": {Value: "a|b", Version: "1"},
	} {
		if err := op.Set(t.Context(), "k", text, 0).Err(); err != nil {
			t.Fatal(err)
		}
		items, err := s.Get(t.Context(), []string{"k"}, nil)
		if err != nil || len(items) != 1 || items[0].Value != want.Value || items[0].Version != want.Version {
			t.Errorf("%q: got %+v, error %v, want value %q, version %q", text, items, err, want.Value, want.Version)
		}
	}
	if err := op.HSet(t.Context(), "hash", "a", "b").Err(); err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]string{{"hash", "k"}, nil} {
		if items, err := s.Get(t.Context(), keys, nil); err != nil || len(items) != 1 || items[0].Key != "k" {
			t.Errorf("get %q: got %+v, error %v, want only k", keys, items, err)
		}
	}
	for _, bad := range [][2]string{{"hash", "v"}, {"k", "a||b"}} {
		if err := s.Set(t.Context(), bad[0], bad[1], nil); !errors.Is(err, configuration.ErrInvalid) {
			t.Errorf("set %q: got error %v, want %v", bad, err, configuration.ErrInvalid)
		}
	}
	for i, old := range []string{"", "x", "x||2", "x||9007199254740", "x||v3"} {
		want := []string{"v||1", "v||1", "v||3", "v||9007199254741", "v||1"}[i]
		if old == "" {
			op.Del(t.Context(), "n")
		} else {
			op.Set(t.Context(), "n", old, 0)
		}
		if err := s.Set(t.Context(), "n", "v", nil); err != nil {
			t.Fatal(err)
		}
		if got := op.Get(t.Context(), "n").Val(); got != want {
			t.Errorf("set on top of %q: got %q, want %q", old, got, want)
		}
	}
}

// TestNotifications: the server's setting is extended, and an error says what to do where that is not allowed.
func TestNotifications(t *testing.T) {
	server := testserver.Redis(t, "--notify-keyspace-events", "El")
	s := opened(t, component.Metadata{"redisHost": server.Addr})
	defer closed(t, s)
	op := operator(t, server.Addr)
	for _, user := range [][]any{
		{"ACL", "SETUSER", "blind", "on", ">pw", "~*", "&*", "+@all", "-config"},
		{"ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@all", "-config|set"},
	} {
		if err := op.Do(t.Context(), user...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	none := func([]string) {}
	reader := opened(t, component.Metadata{"redisHost": server.Addr, "redisUsername": "reader", "redisPassword": "pw"})
	defer closed(t, reader)
	_, err := reader.Subscribe(t.Context(), nil, nil, none)
	if !errors.Is(err, configuration.ErrUnsupported) || !strings.Contains(err.Error(), "run there: CONFIG SET notify-keyspace-events lEKg$xe") {
		t.Errorf("subscribe without the right to switch notifications on: got error %v", err)
	}
	blind := opened(t, component.Metadata{"redisHost": server.Addr, "redisUsername": "blind", "redisPassword": "pw"})
	defer closed(t, blind)
	for _, s := range []*store{blind, s, reader} {
		stop, err := s.Subscribe(t.Context(), nil, nil, none)
		if err != nil {
			t.Fatalf("subscribe: %v", err)
		}
		stop()
	}
	got := op.ConfigGet(t.Context(), "notify-keyspace-events").Val()["notify-keyspace-events"]
	if lacking(got) != "" || !strings.Contains(got, "l") || !strings.Contains(got, "E") {
		t.Errorf("notify-keyspace-events: got %q, want l and E as before, and Kg$xe", got)
	}
	if got := lacking("AKE"); got != "" {
		t.Errorf("lacking in AKE: got %q, want nothing", got)
	}
}

// TestEvents: every way in which a string changes, comes or goes is told; other types are not.
func TestEvents(t *testing.T) {
	server := testserver.Redis(t)
	s := opened(t, component.Metadata{"redisHost": server.Addr, "redisDB": "3"})
	defer closed(t, s)
	db := goredis.NewClient(&goredis.Options{Addr: server.Addr, DB: 3})
	defer func() { _ = db.Close() }()
	told := make(chan string, 1000)
	stop, err := s.Subscribe(t.Context(), nil, nil, func(keys []string) { told <- strings.Join(keys, ",") })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, c := range []struct{ command, key string }{
		{"SET a 1", "a"},
		{"APPEND a 2", "a"},
		{"INCR a", "a"},
		{"SETRANGE a 0 9", "a"},
		{"GETSET a 1", "a"},
		{"MSET b 1", "b"},
		{"RENAME a c", "a"},
		{"COPY c d", "d"},
		{"DEL c", "c"},
		{"SET e 1 PX 1", "e"},
		{"GETDEL d", "d"},
		{"UNLINK b", "b"},
	} {
		for drained := false; !drained; {
			select {
			case <-told:
			default:
				drained = true
			}
		}
		var args []any
		for word := range strings.FieldsSeq(c.command) {
			args = append(args, word)
		}
		db.HSet(t.Context(), "hash", "x", "y")
		if err := db.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", c.command, err)
		}
		deadline := time.After(patience)
		for got := ""; got != c.key; {
			select {
			case got = <-told:
				if got == "hash" {
					t.Error("told of a hash")
				}
			case <-deadline:
				t.Fatalf("%s: not told of %s", c.command, c.key)
			}
		}
	}
}

// TestServerGoesAndComes: a watch is told to compare when the server is back, and of changes afterwards.
func TestServerGoesAndComes(t *testing.T) {
	server := testserver.Redis(t)
	s := opened(t, component.Metadata{"redisHost": server.Addr})
	defer closed(t, s)
	all, a := make(chan struct{}, 1000), make(chan struct{}, 1000)
	stop, err := s.Subscribe(t.Context(), []string{"a", "b"}, nil, func(keys []string) {
		if len(keys) == 0 {
			all <- struct{}{}
		} else {
			a <- struct{}{}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for range 2 {
		server.Stop()
		if _, err := s.Get(t.Context(), []string{"a"}, nil); !errors.Is(err, configuration.ErrUnavailable) {
			t.Errorf("get without a server: got error %v, want %v", err, configuration.ErrUnavailable)
		}
		if _, err := s.Get(t.Context(), nil, nil); !errors.Is(err, configuration.ErrUnavailable) {
			t.Errorf("get all without a server: got error %v, want %v", err, configuration.ErrUnavailable)
		}
		if _, err := s.Subscribe(t.Context(), nil, nil, func([]string) {}); !errors.Is(err, configuration.ErrUnavailable) {
			t.Errorf("subscribe without a server: got error %v, want %v", err, configuration.ErrUnavailable)
		}
		if err := s.Ping(t.Context()); !errors.Is(err, configuration.ErrUnavailable) {
			t.Errorf("ping without a server: got error %v, want %v", err, configuration.ErrUnavailable)
		}
		server.Start()
		wait(t, "told to compare", all)
		for len(a) > 0 {
			<-a
		}
		if err := operator(t, server.Addr).Set(t.Context(), "a", "1", 0).Err(); err != nil {
			t.Fatal(err)
		}
		wait(t, "told of a", a)
	}
}

// TestClusterMasterGoesAndComes: the master of a key is away for a while.
func TestClusterMasterGoesAndComes(t *testing.T) {
	cluster := testserver.RedisCluster(t)
	s := opened(t, component.Metadata{"redisHost": cluster.Addrs(), "redisType": "cluster"})
	defer closed(t, s)
	all := make(chan struct{}, 1000)
	stop, err := s.Subscribe(t.Context(), nil, nil, func(keys []string) {
		if len(keys) == 0 {
			all <- struct{}{}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	cluster.Nodes[1].Stop()
	cluster.Nodes[1].Start()
	wait(t, "told to compare", all)
}

func wait(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("not %s within %s", what, patience)
	}
}

func TestOpenFails(t *testing.T) {
	down := testserver.Redis(t)
	down.Stop()
	for _, tc := range []struct {
		name      string
		metadata  component.Metadata
		want      string
		permanent bool
	}{
		{"no host", nil, "metadata field redisHost is missing", true},
		{"down", component.Metadata{"redisHost": down.Addr}, "redis at " + down.Addr + " does not answer", false},
		{"OIDC", component.Metadata{"redisHost": down.Addr, "useOIDC": "true"}, "this binary cannot authenticate to Redis by OIDC", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Spec.New(t.Context(), component.Config{Metadata: tc.metadata})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("open: got error %v, want %q", err, tc.want)
			}
			if _, ok := errors.AsType[*component.PermanentError](err); ok != tc.permanent {
				t.Errorf("open: error %v: permanent %t, want %t", err, ok, tc.permanent)
			}
		})
	}
}
