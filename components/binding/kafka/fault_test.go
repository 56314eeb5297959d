package kafka

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// TestFaults: the broker goes and comes while events are written and read, every tenth of which is refused once.
func TestFaults(t *testing.T) {
	b := openWith(t, component.Metadata{
		"brokers": server().SASLAddr, "authType": "password", "disableTls": "true", "saslMechanism": "SHA-512",
		"saslUsername": server().User, "saslPassword": server().Password,
		"topics": "faults", "publishTopic": "faults", "consumerGroup": "faults", "initialOffset": "oldest", "consumeRetryEnabled": "true",
	})
	var mu sync.Mutex
	arrived, refused := map[int]bool{}, map[int]bool{}
	r, err := b.(binding.Input).Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		n, err := strconv.Atoi(string(ev.Data))
		mu.Lock()
		defer mu.Unlock()
		if n%10 == 0 && !refused[n] {
			refused[n] = true
			return nil, errors.New("refused by the test")
		}
		arrived[n] = true
		return nil, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(r.Stop(context.WithoutCancel(t.Context())), b.Close(context.WithoutCancel(t.Context()))); err != nil {
			t.Error(err)
		}
	}()
	faulttest.Run(t, server(), faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			req := create("", strconv.Itoa(n), "partitionKey", strconv.Itoa(n))
			_, err := b.(binding.Output).Invoke(ctx, &req)
			return err
		},
		Arrived: func(context.Context) (map[int]bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(arrived), nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, binding.ErrUnavailable) },
		Credentials: []string{server().Password},
		Bound:       30 * time.Second,
	})
}
