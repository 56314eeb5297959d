package mqtt3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

// deadline is how long anything may take that has to happen.
const deadline = 60 * time.Second

func tryOpen(ctx context.Context, addr string, fields component.Metadata) (pubsub.Broker, error) {
	all := component.Metadata{"url": "tcp://" + addr}
	maps.Copy(all, fields)
	return Spec.New(ctx, component.Config{Name: "bus", Metadata: all, Log: slog.New(slog.DiscardHandler)})
}

func openWith(t testing.TB, addr string, fields component.Metadata) pubsub.Broker {
	t.Helper()
	b, err := tryOpen(t.Context(), addr, fields)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openAt(ctx context.Context, addr string) (pubsub.Broker, error) { return tryOpen(ctx, addr, nil) }

func TestMain(m *testing.M) { os.Exit(pubsubtest.Main(m, openAt)) }

func caps(server *testserver.MosquittoServer) pubsubtest.Caps {
	return pubsubtest.Caps{
		Shared: true, Bare: true, Large: 8 << 20,
		Topics: []string{"a b", "a.b", "a/b/c", "/", "a//b", "/a/", "$own/x", "{tag}:x", "ünïcode/✓", strings.Repeat("long", 500)},
		Invalid: []string{
			"tab\tnewline\n", "null\x00", "\xff\xfe", "no\u0080control", "noncharacter\ufffe", "a/#/b", "a+", "a/b#", "$share/g", "$share//t", "$share/a+/t",
			strings.Repeat("a/", 128), strings.Repeat("x", 65536),
		},
		Restart: func(testing.TB) { server.Stop(); server.Start() },
	}
}

func TestConformance(t *testing.T) {
	server := testserver.Mosquitto(t)
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker { return openWith(t, server.Addr, nil) }, caps(server))
}

func TestReplicaConformance(t *testing.T) {
	server := testserver.Mosquitto(t)
	c := caps(server)
	// Mosquitto has no shared subscriptions of topics that begin with $, and after a restart it has none any more until
	// their consumers are connected again.
	c.Restart, c.Topics = nil, slices.DeleteFunc(c.Topics, func(topic string) bool { return topic[0] == '$' })
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker {
		return openWith(t, server.Addr, component.Metadata{"clientID": "one"})
	}, c)
}

func TestQoS2Conformance(t *testing.T) {
	server := testserver.Mosquitto(t)
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker {
		return openWith(t, server.Addr, component.Metadata{"qos": "2"})
	}, caps(server))
}

func TestConsumerCrash(t *testing.T) { pubsubtest.Crash(t, openAt, testserver.Mosquitto(t).Addr) }

func TestServerGoesDown(t *testing.T) {
	server := testserver.MosquittoPassword(t)
	b := openClosed(t, server.User+":"+server.Password+"@"+server.Addr, nil)
	var mu sync.Mutex
	arrived := map[int]bool{}
	consume(t, b, pubsub.Subscription{Topic: "load/#", Consumer: "app"}, func(msg pubsub.Message) {
		n, err := strconv.Atoi(string(msg.Data))
		if err != nil {
			t.Errorf("message %q", msg.Data)
		}
		mu.Lock()
		defer mu.Unlock()
		arrived[n] = true
	})
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			return b.Publish(ctx, pubsub.Message{Topic: fmt.Sprint("load/", n%7), Data: []byte(strconv.Itoa(n))})
		},
		Arrived: func(context.Context) (map[int]bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(arrived), nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, pubsub.ErrUnavailable) },
		Credentials: []string{server.Password},
	})
	server.Stop()
	if err := b.(pubsub.Pinger).Ping(t.Context()); !errors.Is(err, pubsub.ErrUnavailable) || strings.Contains(err.Error(), server.Password) {
		t.Errorf("ping: got %v, want ErrUnavailable", err)
	}
}

// What was acknowledged for a session that nobody uses is there after the server was stopped and started.
func TestAbsentConsumer(t *testing.T) {
	server := testserver.Mosquitto(t)
	b := openClosed(t, server.Addr, nil)
	sub := pubsub.Subscription{Topic: "absent", Consumer: "app"}
	stop := consume(t, b, sub, func(pubsub.Message) {})
	stop()
	for n := range 100 {
		send(t, b, "absent", strconv.Itoa(n))
	}
	server.Stop()
	server.Start()
	missing := make(chan string, 1000)
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = b.(pubsub.Pinger).Ping(t.Context()); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	consume(t, b, sub, func(msg pubsub.Message) { missing <- string(msg.Data) })
	got := map[string]bool{}
	for len(got) < 100 {
		select {
		case text := <-missing:
			got[text] = true
		case <-time.After(deadline):
			t.Fatalf("%d of 100 messages", len(got))
		}
	}
}

func TestServerDownAtStart(t *testing.T) {
	server := testserver.Mosquitto(t)
	server.Stop()
	_, err := tryOpen(t.Context(), "user:s3cret@"+server.Addr, nil)
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.Contains(err.Error(), "check url") || strings.Contains(err.Error(), "s3cret") {
		t.Fatalf("got %v, want an error that can be tried again and says what to check", err)
	}
	server.Start()
	openClosed(t, server.Addr, nil)
}

func TestBadSettings(t *testing.T) {
	for name, value := range map[string]string{
		"qos": "3", "retain": "maybe", "cleanSession": "maybe", "caCert": "no PEM", "clientCert": "x", "clientKey": "x", "consumerID": "a\tb", "url": "none",
	} {
		_, err := tryOpen(t.Context(), "127.0.0.1:1", component.Metadata{name: value})
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), name) {
			t.Errorf("%s %q: got %v, want a permanent error that names it", name, value, err)
		}
	}
	if _, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{}}); err == nil || !strings.Contains(err.Error(), "url is missing") {
		t.Errorf("no url: got %v", err)
	}
}

func TestSubscriptions(t *testing.T) {
	server := testserver.Mosquitto(t)
	b := openClosed(t, server.Addr, nil)
	for _, topic := range []string{"a/+", "#", "$share/g/t", "$SYS/x"} {
		if err := b.Publish(t.Context(), pubsub.Message{Topic: topic}); !errors.Is(err, pubsub.ErrInvalidTopic) {
			t.Errorf("publish to %s: got %v, want ErrInvalidTopic", topic, err)
		}
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "t", Metadata: map[string]string{"retain": "maybe"}}); !errors.Is(err, pubsub.ErrInvalid) {
		t.Errorf("retain: got %v, want ErrInvalid", err)
	}
	got := make(chan pubsub.Message, 10)
	forget := map[string]string{"UnsubscribeOnClose": "True"}
	stop := consume(t, b, pubsub.Subscription{Topic: "plant/+/state", Consumer: "app", Metadata: forget}, func(msg pubsub.Message) { got <- msg })
	send(t, b, "plant/pump/state", "on")
	if msg := <-got; msg.Topic != "plant/pump/state" || string(msg.Data) != "on" || msg.Metadata["retained"] != "false" || msg.Attempt != 1 {
		t.Errorf("got %+v", msg)
	}
	stop()
	send(t, b, "plant/pump/state", "meanwhile")
	consume(t, b, pubsub.Subscription{Topic: "plant/+/state", Consumer: "app"}, func(msg pubsub.Message) { got <- msg })
	send(t, b, "plant/pump/state", "off")
	if msg := <-got; string(msg.Data) != "off" {
		t.Errorf("got %q, want only what was published after the second start", msg.Data)
	}
}

// Dapr sends the CloudEvent as the payload, or the raw payload, and nothing else; so does this driver.
func TestPayloadIsDaprs(t *testing.T) {
	server := testserver.Mosquitto(t)
	b := openClosed(t, server.Addr, nil)
	payloads := make(chan []byte, 10)
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + server.Addr).SetClientID("other"))
	wait := func(token mqtt.Token) {
		t.Helper()
		if token.Wait(); token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	wait(client.Connect())
	wait(client.Subscribe("orders", 1, func(_ mqtt.Client, m mqtt.Message) { payloads <- m.Payload() }))
	defer client.Disconnect(100)
	const event = `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"a":1}}`
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "orders", ContentType: "application/cloudevents+json", Data: []byte(event), Metadata: map[string]string{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	if got := <-payloads; string(got) != event {
		t.Errorf("on the wire: %q", got)
	}
	got := make(chan pubsub.Message, 10)
	consume(t, b, pubsub.Subscription{Topic: "fromdapr", Consumer: "app"}, func(msg pubsub.Message) { got <- msg })
	wait(client.Publish("fromdapr", 1, false, event))
	if msg := <-got; string(msg.Data) != event {
		t.Errorf("from another client: %q", msg.Data)
	}
}

func send(t *testing.T, b pubsub.Broker, topic, data string) {
	t.Helper()
	if err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

// consume starts a consumer, which is stopped before the broker is closed, or before.
func consume(t *testing.T, b pubsub.Broker, sub pubsub.Subscription, handle func(pubsub.Message)) (stop func()) {
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

// openClosed is openWith for a test of its own: the broker is closed after its consumers are stopped.
func openClosed(t *testing.T, addr string, fields component.Metadata) pubsub.Broker {
	t.Helper()
	b := openWith(t, addr, fields)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func BenchmarkMosquitto(b *testing.B) {
	server := testserver.Mosquitto(b)
	pubsubtest.Bench(b, func(t testing.TB) pubsub.Broker { return openWith(t, server.Addr, nil) })
}
