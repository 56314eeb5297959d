package faulttest_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

// A plain client on a server that keeps what it acknowledges passes.
func TestPlainClient(t *testing.T) {
	server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "sesame")
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Password: "sesame"})
	defer func() { _ = client.Close() }()
	away := errors.New("away")

	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			if err := client.Set(ctx, strconv.Itoa(n), n, 0).Err(); err != nil {
				return errors.Join(away, err)
			}
			return nil
		},
		Arrived: func(ctx context.Context) (map[int]bool, error) {
			keys, err := client.Keys(ctx, "*").Result()
			got := map[int]bool{}
			for _, k := range keys {
				n, _ := strconv.Atoi(k)
				got[n] = true
			}
			return got, err
		},
		Unavailable: func(err error) bool { return errors.Is(err, away) },
		Credentials: []string{"sesame"},
	})
}
