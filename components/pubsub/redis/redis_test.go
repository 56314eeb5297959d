package redis

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

// openWith opens a broker with short times for redelivery and the given fields.
func openWith(t testing.TB, fields component.Metadata) pubsub.Broker {
	t.Helper()
	b, err := tryOpen(t.Context(), fields)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tryOpen(ctx context.Context, fields component.Metadata) (pubsub.Broker, error) {
	all := component.Metadata{"redeliverInterval": "100ms", "processingTimeout": "1500", "redisMaxRetryInterval": "20ms"}
	maps.Copy(all, fields)
	return Spec.New(ctx, component.Config{Name: "bus", Metadata: all, Log: slog.New(slog.DiscardHandler)})
}

var anyText = []string{"a b", "a.b", "a/b/*", ">", "{tag}:x", "ünïcode/✓", "tab\tnewline\n", strings.Repeat("long", 500)}

func TestConformance(t *testing.T) {
	server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker {
		return openWith(t, component.Metadata{"redisHost": server.Addr})
	}, pubsubtest.Caps{
		Shared: true, Topics: anyText, Large: 32 << 20,
		Restart: func(testing.TB) { server.Stop(); server.Start() },
	})
}

func TestClusterConformance(t *testing.T) {
	cluster := testserver.RedisCluster(t)
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker {
		return openWith(t, component.Metadata{"redisHost": cluster.Addrs(), "redisType": "cluster"})
	}, pubsubtest.Caps{Shared: true, Topics: anyText, Large: 1 << 20})
}

func BenchmarkRedis(b *testing.B) {
	server := testserver.Redis(b)
	pubsubtest.Bench(b, func(t testing.TB) pubsub.Broker { return openWith(t, component.Metadata{"redisHost": server.Addr}) })
}

func openAt(ctx context.Context, addr string) (pubsub.Broker, error) {
	return tryOpen(ctx, component.Metadata{"redisHost": addr})
}

func TestMain(m *testing.M) { os.Exit(pubsubtest.Main(m, openAt)) }

func TestConsumerCrash(t *testing.T) {
	pubsubtest.Crash(t, openAt, testserver.Redis(t).Addr)
}

func TestServerDownAtStart(t *testing.T) {
	server := testserver.Redis(t)
	server.Stop()
	_, err := openAt(t.Context(), server.Addr)
	if err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Fatalf("got %v, want an error that says that the server does not answer", err)
	}
	server.Start()
	b, err := openAt(t.Context(), server.Addr)
	if err != nil {
		t.Fatalf("after the server has started: %v", err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestServerGoesDown(t *testing.T) {
	server := testserver.Redis(t)
	b := openClosed(t, component.Metadata{"redisHost": server.Addr})
	got := consume(t, b, "t", nil)
	server.Stop()
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "t"}); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("publish: got %v, want ErrUnavailable", err)
	}
	if err := b.(pubsub.Pinger).Ping(t.Context()); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("ping: got %v, want ErrUnavailable", err)
	}
	// It comes back without its streams and groups: both are made again.
	server.Start()
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "t", Data: []byte("again")}); err != nil {
		t.Fatalf("publish after the server is back: %v", err)
	}
	if msg := <-got; string(msg.Data) != "again" {
		t.Errorf("got %q", msg.Data)
	}
}

func TestStreamDeletedWhileRunning(t *testing.T) {
	server := testserver.Redis(t)
	b := openClosed(t, component.Metadata{"redisHost": server.Addr})
	got := consume(t, b, "t", nil)
	send(t, b, "t", "one")
	<-got
	if err := b.(*broker).client.Del(t.Context(), "t").Err(); err != nil {
		t.Fatal(err)
	}
	send(t, b, "t", "two")
	if msg := <-got; string(msg.Data) != "two" {
		t.Errorf("got %q, want two", msg.Data)
	}
}

// A handler that runs longer than processingTimeout keeps its message, and gets it once.
func TestLongHandlerKeepsItsMessage(t *testing.T) {
	server := testserver.Redis(t)
	fields := component.Metadata{"redisHost": server.Addr, "processingTimeout": "600ms", "redeliverInterval": "50ms"}
	one, two := openClosed(t, fields), openClosed(t, fields)
	leave := make(chan struct{})
	handle := func(pubsub.Message) error {
		<-leave
		return nil
	}
	first, second := consume(t, one, "t", handle), consume(t, two, "t", handle)
	send(t, one, "t", "long")
	select {
	case <-first:
	case <-second:
	}
	time.Sleep(2 * time.Second) // several times processingTimeout: time is what the test is about
	close(leave)
	select {
	case <-first:
		t.Error("the message was delivered twice while its handler ran")
	case <-second:
		t.Error("the message was delivered twice while its handler ran")
	default:
	}
}

func TestNoRedelivery(t *testing.T) {
	server := testserver.Redis(t)
	b := openClosed(t, component.Metadata{"redisHost": server.Addr, "processingTimeout": "0"})
	got := consume(t, b, "t", func(pubsub.Message) error { return errors.New("refused") })
	send(t, b, "t", "once")
	<-got
	send(t, b, "t", "last")
	if msg := <-got; string(msg.Data) != "last" {
		t.Errorf("got %q", msg.Data)
	}
	pending, err := b.(*broker).client.XPending(t.Context(), "t", "g").Result()
	if err != nil || pending.Count != 2 {
		t.Errorf("pending at the server: got %v, %v; want both messages", pending, err)
	}
}

func TestStreamLimits(t *testing.T) {
	server := testserver.Redis(t)
	for _, test := range []struct {
		name   string
		fields component.Metadata
		most   int64
	}{
		{"maxLenApprox", component.Metadata{"maxLenApprox": "100"}, 300},
		{"streamTTL", component.Metadata{"streamTTL": "1ms"}, 300},
		{"both", component.Metadata{"streamTTL": "1h", "maxLenApprox": "100"}, 300},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.fields["redisHost"] = server.Addr
			b := openClosed(t, test.fields)
			for range 10 {
				msgs := make([]pubsub.Message, 100)
				for i := range msgs {
					msgs[i].Topic = test.name
				}
				if _, err := b.(*broker).BulkPublish(t.Context(), msgs); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond) // longer than streamTTL
			}
			send(t, b, test.name, "last")
			n, err := b.(*broker).client.XLen(t.Context(), test.name).Result()
			if err != nil || n > test.most || n == 0 {
				t.Errorf("the stream has %d entries, %v; want 1 to %d of 1,001", n, err, test.most)
			}
		})
	}
}

// What Dapr writes has neither a content type nor, mostly, metadata.
func TestEntriesOfOthers(t *testing.T) {
	server := testserver.Redis(t)
	b := openClosed(t, component.Metadata{"redisHost": server.Addr})
	got := consume(t, b, "t", nil)
	client := b.(*broker).client
	for _, values := range [][]any{
		{"data", "from dapr", "metadata", `{"k":"v"}`}, {"data", "bad metadata", "metadata", "{"}, {"other", "x"},
	} {
		if err := client.XAdd(t.Context(), &goredis.XAddArgs{Stream: "t", Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	texts := map[string]string{}
	for range 3 {
		msg := <-got
		texts[string(msg.Data)] = msg.Metadata["k"]
	}
	if want := map[string]string{"from dapr": "v", "bad metadata": "", "": ""}; !maps.Equal(texts, want) {
		t.Errorf("got %v, want %v", texts, want)
	}
}

func TestTopicIsNoStream(t *testing.T) {
	server := testserver.Redis(t)
	b := openClosed(t, component.Metadata{"redisHost": server.Addr})
	if err := b.(*broker).client.Set(t.Context(), "text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "text"}); !errors.Is(err, pubsub.ErrInvalidTopic) {
		t.Errorf("publish: got %v, want ErrInvalidTopic", err)
	}
	_, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: "text", Consumer: "g"}, nil)
	if !errors.Is(err, pubsub.ErrInvalidTopic) {
		t.Errorf("subscribe: got %v, want ErrInvalidTopic", err)
	}
}

func TestBadSettings(t *testing.T) {
	for name, value := range map[string]string{
		"concurrency": "0", "queueDepth": "-1", "redeliverInterval": "soon", "streamTTL": "-5s", "maxLenApprox": "many",
	} {
		_, err := tryOpen(t.Context(), component.Metadata{"redisHost": "127.0.0.1:1", name: value})
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), name) {
			t.Errorf("%s %q: got %v, want a permanent error that names it", name, value, err)
		}
	}
}

func send(t *testing.T, b pubsub.Broker, topic, data string) {
	t.Helper()
	if err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

// consume starts a consumer of group g, which is stopped before the broker is closed.
func consume(t *testing.T, b pubsub.Broker, topic string, handle func(pubsub.Message) error) <-chan pubsub.Message {
	t.Helper()
	got := make(chan pubsub.Message, 100)
	c, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: topic, Consumer: "g"}, func(_ context.Context, msg pubsub.Message) error {
		got <- msg
		if handle == nil {
			return nil
		}
		return handle(msg)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return got
}

// openClosed is openWith for a test of its own: the broker is closed after its consumers are stopped.
func openClosed(t *testing.T, fields component.Metadata) pubsub.Broker {
	t.Helper()
	b := openWith(t, fields)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}
