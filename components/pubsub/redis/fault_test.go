package redis

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// TestFaults: the server goes and comes under load, while some messages are refused and come again. Each that was
// acknowledged to its publisher is handled in the end.
func TestFaults(t *testing.T) {
	server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "sesame-open")
	b := openClosed(t, component.Metadata{"redisHost": server.Addr, "redisPassword": "sesame-open"})
	var mu sync.Mutex
	handled := map[int]bool{}
	sub := pubsub.Subscription{Topic: "faults", Consumer: "g"}
	c, err := b.Subscribe(t.Context(), sub, func(_ context.Context, msg pubsub.Message) error {
		if rand.IntN(10) == 0 {
			return errors.New("refused by the test")
		}
		n, err := strconv.Atoi(string(msg.Data))
		mu.Lock()
		defer mu.Unlock()
		handled[n] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			return b.Publish(ctx, pubsub.Message{Topic: sub.Topic, Data: []byte(strconv.Itoa(n))})
		},
		Arrived: func(context.Context) (map[int]bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(handled), nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, pubsub.ErrUnavailable) },
		Credentials: []string{"sesame-open"},
	})
}
