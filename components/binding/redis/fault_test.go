package redis

import (
	"context"
	"errors"
	"strconv"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// TestFaults: the server goes and comes under load, and keeps what it has acknowledged.
func TestFaults(t *testing.T) {
	server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "sesame-open")
	k := openAt(t, "redisHost", server.Addr, "redisPassword", "sesame-open")
	defer func() { _ = k.Close(context.Background()) }()
	other := goredis.NewClient(&goredis.Options{Addr: server.Addr, Password: "sesame-open"})
	defer func() { _ = other.Close() }()
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			req := request("create", "key", strconv.Itoa(n))
			req.Data = []byte("v")
			_, err := k.Invoke(ctx, &req)
			return err
		},
		Arrived: func(ctx context.Context) (map[int]bool, error) {
			keys, err := other.Keys(ctx, "*").Result()
			got := map[int]bool{}
			for _, key := range keys {
				if n, err := strconv.Atoi(key); err == nil {
					got[n] = true
				}
			}
			return got, err
		},
		Unavailable: func(err error) bool { return errors.Is(err, binding.ErrUnavailable) },
		Credentials: []string{"sesame-open"},
	})
}
