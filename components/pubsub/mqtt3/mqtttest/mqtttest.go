// Package mqtttest is what the tests of the drivers on MQTT have in common: pubsub.mqtt3 and pubsub.mqtt5 differ in the
// version of the protocol, and neither in what they take nor in what they promise.
package mqtttest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

// deadline is how long anything may take that has to happen.
const deadline = 60 * time.Second

// Driver is a driver to test.
type Driver struct {
	// New is the one of its Spec.
	New func(ctx context.Context, cfg component.Config) (pubsub.Broker, error)
	// Bare tells that a message is its payload only.
	Bare bool
	// Bad are values of the metadata fields that only this driver has, each one wrong.
	Bad component.Metadata
}

// Run tests what the drivers have in common, beside the conformance suite at its defaults.
func (d Driver) Run(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Driver)
	}{
		{"ReplicaConformance", testReplicaConformance},
		{"QoS2Conformance", testQoS2Conformance},
		{"ServerGoesDown", testServerGoesDown},
		{"AbsentConsumer", testAbsentConsumer},
		{"ServerDownAtStart", testServerDownAtStart},
		{"BadSettings", testBadSettings},
		{"Subscriptions", testSubscriptions},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, d) })
	}
}

// OpenAt opens the driver at host:port of a server, user:password@ before it where needed.
func (d Driver) OpenAt(ctx context.Context, addr string) (pubsub.Broker, error) {
	return d.openWith(ctx, addr, nil)
}

func (d Driver) openWith(ctx context.Context, addr string, fields component.Metadata) (pubsub.Broker, error) {
	all := component.Metadata{"url": "tcp://" + addr}
	maps.Copy(all, fields)
	return d.New(ctx, component.Config{Name: "bus", Metadata: all, Log: slog.New(slog.DiscardHandler)})
}

// Suite opens the driver for the block's suites, which close it themselves.
func (d Driver) Suite(server *testserver.MosquittoServer, fields component.Metadata) pubsubtest.Open {
	return func(t testing.TB) pubsub.Broker {
		t.Helper()
		b, err := d.openWith(t.Context(), server.Addr, fields)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// Open opens the driver for a test of its own. It is closed after its consumers are stopped.
func (d Driver) Open(t *testing.T, addr string, fields component.Metadata) pubsub.Broker {
	t.Helper()
	b, err := d.openWith(t.Context(), addr, fields)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// Caps says what the driver can do on Mosquitto.
func (d Driver) Caps(server *testserver.MosquittoServer) pubsubtest.Caps {
	return pubsubtest.Caps{
		Shared: true, Bare: d.Bare, Large: 8 << 20,
		Topics: []string{"a b", "a.b", "a/b/c", "/", "a//b", "/a/", "$own/x", "{tag}:x", "ünïcode/✓", strings.Repeat("long", 500)},
		Invalid: []string{
			"tab\tnewline\n", "null\x00", "\xff\xfe", "no\u0080control", "noncharacter\ufffe", "a/#/b", "a+", "a/b#", "$share/g", "$share//t", "$share/a+/t",
			strings.Repeat("a/", 128), strings.Repeat("x", 65536),
		},
		Restart: func(testing.TB) { server.Stop(); server.Start() },
	}
}

func testReplicaConformance(t *testing.T, d Driver) {
	server := testserver.Mosquitto(t)
	c := d.Caps(server)
	// Mosquitto has no shared subscriptions of topics that begin with $, and after a restart it has none any more until
	// their consumers are connected again.
	c.Restart, c.Topics = nil, slices.DeleteFunc(c.Topics, func(topic string) bool { return topic[0] == '$' })
	pubsubtest.Run(t, d.Suite(server, component.Metadata{"clientID": "one"}), c)
}

func testQoS2Conformance(t *testing.T, d Driver) {
	server := testserver.Mosquitto(t)
	pubsubtest.Run(t, d.Suite(server, component.Metadata{"qos": "2"}), d.Caps(server))
}

// Send publishes.
func Send(t *testing.T, b pubsub.Broker, topic, data string) {
	t.Helper()
	if err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

// Consume starts a consumer, which is stopped before the broker is closed, or before.
func Consume(t *testing.T, b pubsub.Broker, sub pubsub.Subscription, handle func(pubsub.Message)) (stop func()) {
	t.Helper()
	c, err := b.Subscribe(t.Context(), sub, func(_ context.Context, msg pubsub.Message) error {
		handle(msg)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}
