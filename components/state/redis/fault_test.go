package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// TestFaults: the server goes and comes under load, and keeps what it has acknowledged.
func TestFaults(t *testing.T) {
	server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "sesame-open")
	s := opened(t, component.Metadata{"redisHost": server.Addr, "redisPassword": "sesame-open"})
	defer closed(t, s)
	const prefix = "app||fault-"
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			return s.Set(ctx, state.SetRequest{Key: prefix + strconv.Itoa(n), Value: []byte(strconv.Itoa(n))})
		},
		Arrived: func(ctx context.Context) (map[int]bool, error) {
			got := map[int]bool{}
			iter := s.client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
			for iter.Next(ctx) {
				e, err := s.Get(ctx, state.GetRequest{Key: iter.Val()})
				if err != nil {
					return nil, err
				}
				if n, err := strconv.Atoi(strings.TrimPrefix(iter.Val(), prefix)); err == nil && e != nil && string(e.Value) == strconv.Itoa(n) {
					got[n] = true
				}
			}
			return got, iter.Err()
		},
		Unavailable: func(err error) bool { return errors.Is(err, state.ErrUnavailable) },
		Credentials: []string{"sesame-open"},
	})
}
