package redis

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
	"github.com/mrt-wasm/mrt-wasm/host/lock/locktest"
)

const patience = 90 * time.Second

func opened(t testing.TB, metadata component.Metadata) lock.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Spec.New(ctx, component.Config{Name: "lockstore", Type: Spec.Type, Metadata: metadata})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// kept is a store that is closed with the test.
func kept(t testing.TB, metadata component.Metadata) lock.Store {
	t.Helper()
	s := opened(t, metadata)
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// cli is redis-cli.
func cli(t testing.TB, addr string) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestConformance(t *testing.T) {
	for name, run := range map[string]func(t *testing.T) component.Metadata{
		"node": func(t *testing.T) component.Metadata {
			return component.Metadata{"redisHost": testserver.Redis(t).Addr, "redisDB": "3"}
		},
		"cluster": func(t *testing.T) component.Metadata {
			return component.Metadata{"redisHost": testserver.RedisCluster(t).Addrs(), "redisType": "cluster"}
		},
		"sentinel": func(t *testing.T) component.Metadata {
			sentinel := testserver.RedisSentinel(t, testserver.Redis(t))
			return component.Metadata{"redisHost": sentinel.Addr, "redisType": "sentinel", "sentinelMasterName": "mymaster"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			metadata := run(t)
			locktest.Run(t, func(t *testing.T) lock.Store { return opened(t, metadata) }, locktest.Caps{})
		})
	}
}

// TestLayout: a lock is what Dapr makes of it, so that either sees the other's.
func TestLayout(t *testing.T) {
	server := testserver.Redis(t)
	s, c := kept(t, component.Metadata{"redisHost": server.Addr}), cli(t, server.Addr)
	const resource = "lock||shop||order-1"
	if got, err := s.TryLock(t.Context(), resource, "ann", time.Hour); err != nil || !got {
		t.Fatalf("try-lock: got %t, error %v", got, err)
	}
	if got, err := c.Get(t.Context(), resource).Result(); err != nil || got != "ann" {
		t.Errorf("the server has %q, error %v, want the owner", got, err)
	}
	if ttl := c.PTTL(t.Context(), resource).Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("the lock lives for %s, want an hour or a little less", ttl)
	}
	if err := c.Set(t.Context(), "lock||shop||order-2", "dapr", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TryLock(t.Context(), "lock||shop||order-2", "ann", time.Hour); err != nil || got {
		t.Errorf("try-lock of one that a Dapr app has: got %t, error %v, want false", got, err)
	}
	if got, err := s.Unlock(t.Context(), "lock||shop||order-2", "dapr"); err != nil || got != lock.Success {
		t.Errorf("unlock for its owner: got %s, error %v", got, err)
	}
	if err := c.HSet(t.Context(), "hash", "a", "b").Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TryLock(t.Context(), "hash", "ann", time.Hour); err != nil || got {
		t.Errorf("try-lock of something else: got %t, error %v, want false", got, err)
	}
	if _, err := s.Unlock(t.Context(), "hash", "ann"); err == nil || errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("unlock of something else: got error %v, want the server's", err)
	}
}

// TestReplicas: a warning where Dapr does not start.
func TestReplicas(t *testing.T) {
	master := testserver.Redis(t)
	host, port, _ := strings.Cut(master.Addr, ":")
	testserver.Redis(t, "--replicaof", host+" "+port)
	c := cli(t, master.Addr)
	for end := time.Now().Add(patience); !strings.Contains(c.Info(t.Context(), "replication").Val(), "connected_slaves:1"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no replica within %s", patience)
		}
	}
	var out bytes.Buffer
	s, err := Spec.New(t.Context(), component.Config{
		Metadata: component.Metadata{"redisHost": master.Addr}, Log: slog.New(slog.NewTextHandler(&out, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	if !strings.Contains(out.String(), "the server has replicas") {
		t.Errorf("got the log %q, want a warning of replicas", out.String())
	}
}

func TestBadSettings(t *testing.T) {
	down := testserver.Redis(t)
	down.Stop()
	guarded := testserver.Redis(t, "--requirepass", "right")
	for _, tc := range []struct {
		name      string
		metadata  component.Metadata
		want      string
		permanent bool
	}{
		{"no host", nil, "metadata field redisHost is missing", true},
		{"down", component.Metadata{"redisHost": down.Addr}, "redis at " + down.Addr + " does not answer", false},
		{"OIDC", component.Metadata{"redisHost": down.Addr, "useOIDC": "true"}, "this binary cannot authenticate to Redis by OIDC", true},
		{"Entra ID", component.Metadata{"redisHost": down.Addr, "useEntraID": "true"}, "this binary cannot authenticate to Redis by Microsoft Entra ID", true},
		{"type", component.Metadata{"redisHost": down.Addr, "redisType": "ring"}, "metadata field redisType: want node or cluster", true},
		{"sentinel without a master", component.Metadata{"redisHost": down.Addr, "redisType": "sentinel"}, "metadata fields failover and sentinelMasterName", true},
		{"password", component.Metadata{"redisHost": guarded.Addr, "redisPassword": "sesame-wrong"}, "refuses the credentials", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Spec.New(t.Context(), component.Config{Metadata: tc.metadata})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("open: got error %v, want %q", err, tc.want)
			}
			if _, ok := errors.AsType[*component.PermanentError](err); ok != tc.permanent {
				t.Errorf("open: error %v: permanent %t, want %t", err, ok, tc.permanent)
			}
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}
