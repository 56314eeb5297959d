package mqtttest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

func testServerGoesDown(t *testing.T, d Driver) {
	server := testserver.MosquittoPassword(t)
	b := d.Open(t, server.User+":"+server.Password+"@"+server.Addr, nil)
	var mu sync.Mutex
	arrived := map[int]bool{}
	Consume(t, b, pubsub.Subscription{Topic: "load/#", Consumer: "app"}, func(msg pubsub.Message) {
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
func testAbsentConsumer(t *testing.T, d Driver) {
	server := testserver.Mosquitto(t)
	b := d.Open(t, server.Addr, nil)
	sub := pubsub.Subscription{Topic: "absent", Consumer: "app"}
	stop := Consume(t, b, sub, func(pubsub.Message) {})
	stop()
	for n := range 100 {
		Send(t, b, "absent", strconv.Itoa(n))
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
	Consume(t, b, sub, func(msg pubsub.Message) { missing <- string(msg.Data) })
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

func testServerDownAtStart(t *testing.T, d Driver) {
	server := testserver.Mosquitto(t)
	server.Stop()
	_, err := d.openWith(t.Context(), "user:s3cret@"+server.Addr, nil)
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.Contains(err.Error(), "check url") || strings.Contains(err.Error(), "s3cret") {
		t.Fatalf("got %v, want an error that can be tried again and says what to check", err)
	}
	server.Start()
	d.Open(t, server.Addr, nil)
}

func testBadSettings(t *testing.T, d Driver) {
	bad := component.Metadata{
		"qos": "3", "retain": "maybe", "cleanSession": "maybe", "caCert": "no PEM", "clientCert": "x", "clientKey": "x", "consumerID": "a\tb", "url": "none",
	}
	maps.Copy(bad, d.Bad)
	for name, value := range bad {
		_, err := d.openWith(t.Context(), "127.0.0.1:1", component.Metadata{name: value})
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), name) {
			t.Errorf("%s %q: got %v, want a permanent error that names it", name, value, err)
		}
	}
	if _, err := d.New(t.Context(), component.Config{Metadata: component.Metadata{}}); err == nil || !strings.Contains(err.Error(), "url is missing") {
		t.Errorf("no url: got %v", err)
	}
}

func testSubscriptions(t *testing.T, d Driver) {
	server := testserver.Mosquitto(t)
	b := d.Open(t, server.Addr, nil)
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
	stop := Consume(t, b, pubsub.Subscription{Topic: "plant/+/state", Consumer: "app", Metadata: forget}, func(msg pubsub.Message) { got <- msg })
	Send(t, b, "plant/pump/state", "on")
	if msg := <-got; msg.Topic != "plant/pump/state" || string(msg.Data) != "on" || msg.Metadata["retained"] != "false" || msg.Attempt != 1 {
		t.Errorf("got %+v", msg)
	}
	stop()
	Send(t, b, "plant/pump/state", "meanwhile")
	Consume(t, b, pubsub.Subscription{Topic: "plant/+/state", Consumer: "app"}, func(msg pubsub.Message) { got <- msg })
	Send(t, b, "plant/pump/state", "off")
	if msg := <-got; string(msg.Data) != "off" {
		t.Errorf("got %q, want only what was published after the second start", msg.Data)
	}
}
