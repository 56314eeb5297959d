package wasm_test

import (
	"context"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/pubsub/wasm"
	"github.com/mrt-wasm/mrt-wasm/components/state/memory"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

const manifest = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: broker}
spec:
  type: pubsub.wasm
  version: v1
  initTimeout: 60s
  metadata:
    - {name: source, value: overstate.wasm}
    - {name: imports, value: inner}
    - {name: store, value: inner}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: inner}
spec: {type: state.in-memory, version: v1}
`

func newHost(t testing.TB) *host.Host {
	t.Helper()
	brokers, err := component.NewSet("pubsub", wasm.Spec)
	if err != nil {
		t.Fatal(err)
	}
	stores, err := component.NewSet("state", memory.Spec)
	if err != nil {
		t.Fatal(err)
	}
	h, err := plugintest.New(t, plugintest.Config{
		Drivers: host.Drivers{PubSub: brokers, State: stores}, Guests: []string{"testdata/overstate"}, Manifest: manifest,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// lasting is a broker that the suite does not close: its host does.
type lasting struct{ pubsub.Broker }

func (lasting) Close(context.Context) error { return nil }

func (l lasting) BulkPublish(ctx context.Context, msgs []pubsub.Message) ([]error, error) {
	return l.Broker.(pubsub.BulkPublisher).BulkPublish(ctx, msgs)
}

func TestConformance(t *testing.T) {
	b := plugintest.Of[pubsub.Broker](t, newHost(t), "broker")
	pubsubtest.Run(t, func(testing.TB) pubsub.Broker { return lasting{b} }, pubsubtest.Caps{
		Shared: true, Topics: []string{"a b", "a/b.c", "äöü", "*", ">"}, Invalid: []string{"a\nb"}, Large: 1 << 20,
	})
}

// TestTrapOfASubscription: its instance is started again, and subscribes again.
func TestTrapOfASubscription(t *testing.T) {
	b := plugintest.Of[pubsub.Broker](t, newHost(t), "broker")
	got := make(chan pubsub.Message, 10)
	c, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: "t", Consumer: "app"}, func(_ context.Context, m pubsub.Message) error {
		got <- m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"trap once", "after"} {
		if err := b.Publish(t.Context(), pubsub.Message{Topic: "t", Data: []byte(text)}); err != nil {
			t.Fatalf("publish while the subscription's instance traps: %v", err)
		}
	}
	seen := map[string]bool{}
	for !seen["trap once"] || !seen["after"] {
		select {
		case m := <-got:
			seen[string(m.Data)] = true
		case <-t.Context().Done():
			t.Fatalf("got only %v", seen)
		}
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
