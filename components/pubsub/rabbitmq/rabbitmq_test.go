package rabbitmq

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

// patience is how long anything may take that has to happen.
const patience = 90 * time.Second

var server = sync.OnceValue(func() *testserver.RabbitMQServer { return testserver.RabbitMQ(testserver.Shared) })

// kept are the settings with which nothing is lost.
func kept(url string) component.Metadata {
	return component.Metadata{"connectionString": url, "deletedWhenUnused": "false", "requeueInFailure": "true", "reconnectWait": "1s"}
}

func openAt(ctx context.Context, url string) (pubsub.Broker, error) {
	return Spec.New(ctx, component.Config{Name: "bus", Metadata: kept(url)})
}

func TestMain(m *testing.M) {
	os.Exit(testserver.Main(func() int { return pubsubtest.Main(m, openAt) }))
}

func tryOpen(t testing.TB, log *slog.Logger, fields component.Metadata) (pubsub.Broker, error) {
	t.Helper()
	return Spec.New(t.Context(), component.Config{Name: "bus", Metadata: fields, Log: log})
}

func openWith(t testing.TB, more component.Metadata) pubsub.Broker {
	t.Helper()
	fields := kept(server().URL())
	maps.Copy(fields, more)
	b, err := tryOpen(t, nil, fields)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openClosed is openWith for a test of its own: the broker is closed after its consumers are stopped.
func openClosed(t testing.TB, more component.Metadata) pubsub.Broker {
	t.Helper()
	b := openWith(t, more)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func send(t testing.TB, b pubsub.Broker, topic, data string, metadata ...string) {
	t.Helper()
	msg := pubsub.Message{Topic: topic, Data: []byte(data), Metadata: pairs(metadata)}
	if err := b.Publish(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

func pairs(list []string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(list); i += 2 {
		out[list[i]] = list[i+1]
	}
	return out
}

// running is a consumer whose deliveries the test sees.
type running struct {
	pubsub.Consumer
	got chan pubsub.Message
}

// consume starts a consumer of group g.
func consume(t testing.TB, b pubsub.Broker, sub pubsub.Subscription, handle func(pubsub.Message) error) *running {
	t.Helper()
	r := &running{got: make(chan pubsub.Message, 1000)}
	sub.Consumer = "g"
	c, err := b.Subscribe(t.Context(), sub, func(_ context.Context, msg pubsub.Message) error {
		r.got <- msg
		if handle == nil {
			return nil
		}
		return handle(msg)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Consumer = c
	t.Cleanup(func() { r.stop(t) })
	return r
}

func (r *running) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func (r *running) next(t testing.TB) pubsub.Message {
	t.Helper()
	select {
	case msg := <-r.got:
		return msg
	case <-time.After(patience):
		t.Fatalf("no message within %s", patience)
		return pubsub.Message{}
	}
}

// raw is a client as another program has it.
func raw(t testing.TB) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(server().URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// until waits until something is so.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func caps() pubsubtest.Caps {
	return pubsubtest.Caps{
		Shared:  true,
		Topics:  []string{"a b", "a.b.c", ".", "a/b/c", "*", "#", "ünïcode/✓", "%41", strings.Repeat("long", 50)},
		Invalid: []string{"line\nbreak", "tab\t", "\x00", "\xff", strings.Repeat("x", 256)},
		Large:   4 << 20,
	}
}

func TestConformance(t *testing.T) {
	c := caps()
	c.Restart = func(testing.TB) { server().Stop(); server().Start() }
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker { return openWith(t, nil) }, c)
}

// One message at a time, as a component file for ordered handling has it.
func TestSingleConformance(t *testing.T) {
	c := caps()
	c.Topics = nil
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker {
		return openWith(t, component.Metadata{"concurrencyMode": "single", "prefetchCount": "2"})
	}, c)
}

func TestConsumerCrash(t *testing.T) { pubsubtest.Crash(t, openAt, server().URL()) }

func BenchmarkServer(b *testing.B) {
	pubsubtest.Bench(b, func(t testing.TB) pubsub.Broker { return openWith(t, nil) })
}
