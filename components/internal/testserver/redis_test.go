package testserver_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

func TestRedisStopsAndStartsOnTheSamePort(t *testing.T) {
	s := testserver.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = client.Close() }()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("running: %v", err)
	}
	s.Stop()
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Fatal("stopped: want an error, got none")
	}
	s.Start()
	// The pool may hold connections to the stopped server.
	client = redis.NewClient(&redis.Options{Addr: s.Addr})
	defer func() { _ = client.Close() }()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("started again: %v", err)
	}
}

func TestRedisCluster(t *testing.T) {
	c := testserver.RedisCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(c.Addrs(), ",")})
	defer func() { _ = client.Close() }()
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		if err := client.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Fatalf("set %s: %v", key, err)
		}
	}
}
