package kafka

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

// server is the one of all tests: it takes long to start.
var server = sync.OnceValue(func() *testserver.KafkaServer { return testserver.Kafka(testserver.Shared) })

func TestMain(m *testing.M) {
	os.Exit(testserver.Main(func() int { return pubsubtest.Main(m, openAt) }))
}

func openAt(ctx context.Context, addr string) (pubsub.Broker, error) {
	return tryOpen(ctx, component.Metadata{"brokers": addr, "authType": "none"})
}

// tryOpen opens a broker whose consumers notice soon that others come and go.
func tryOpen(ctx context.Context, fields component.Metadata) (pubsub.Broker, error) {
	all := component.Metadata{"heartbeatInterval": "200ms", "consumeRetryInterval": "20ms"}
	maps.Copy(all, fields)
	return Spec.New(ctx, component.Config{Name: "bus", Metadata: all, Log: slog.New(slog.DiscardHandler)})
}

// openWith opens a broker at the server.
func openWith(t testing.TB, fields component.Metadata) pubsub.Broker {
	t.Helper()
	all := component.Metadata{"brokers": server().Addr, "authType": "none"}
	maps.Copy(all, fields)
	b, err := tryOpen(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var caps = pubsubtest.Caps{
	Shared: true, Large: 1_000_000, Rebalances: true,
	Topics:  []string{"a.b-C_1", "-", "...", strings.Repeat("long", 62)},
	Invalid: []string{"a b", ".", "..", "a/b", "ü", ">", strings.Repeat("x", 250)},
	Ordered: map[string]string{"partitionKey": "one"},
	Restart: func(testing.TB) { server().Stop(); server().Start() },
}

func TestConformance(t *testing.T) {
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker { return openWith(t, nil) }, caps)
}

// The strategy that Dapr's consumers have, by which all partitions change hands with every change of the group.
func TestConformanceWithRange(t *testing.T) {
	without := caps
	without.Restart = nil
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker {
		return openWith(t, component.Metadata{"consumerGroupRebalanceStrategy": "range", "initialOffset": "oldest"})
	}, without)
}

func BenchmarkKafka(b *testing.B) {
	pubsubtest.Bench(b, func(t testing.TB) pubsub.Broker { return openWith(t, nil) })
}

func TestConsumerCrash(t *testing.T) { pubsubtest.Crash(t, openAt, server().Addr) }

func TestBadSettings(t *testing.T) {
	for _, test := range []struct {
		fields component.Metadata
		want   string
	}{
		{component.Metadata{"consumeRetryEnabled": "perhaps"}, "consumeRetryEnabled"},
		{component.Metadata{"authType": "kerberos"}, "authType"},
		{component.Metadata{"brokers": ""}, "brokers"},
	} {
		all := component.Metadata{"brokers": "127.0.0.1:1", "authType": "none"}
		maps.Copy(all, test.fields)
		_, err := tryOpen(t.Context(), all)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want a permanent error that names %s", test.fields, err, test.want)
		}
	}
}
