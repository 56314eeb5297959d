// Package pubsubtest is the conformance suite of pubsub drivers: what every broker promises, each property in a test
// of its own, and the benchmarks. Drivers run it against the real thing.
package pubsubtest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// deadline is how long anything may take that has to happen.
const deadline = 60 * time.Second

// Open makes a new broker on the server under test. The suite closes it.
type Open func(t testing.TB) pubsub.Broker

// Caps say what there is to test.
type Caps struct {
	// Shared tells that two brokers of Open see the same topics.
	Shared bool
	// Restart stops the server and starts it again with what it had stored; nil if the broker has no server.
	Restart func(t testing.TB)
	// Topics are unusual topics that work, Invalid those that publishing refuses.
	Topics, Invalid []string
	// Bare tells that a message is its data only: the broker carries neither content type nor metadata.
	Bare bool
	// Large is the size of the largest message to test, in bytes.
	Large int
	// Ordered is the metadata of messages that come in their order; nil if all do.
	Ordered map[string]string
	// Rebalances tells that messages which are being handled while a group gets another consumer may come again.
	Rebalances bool
}

// Run tests a driver.
func Run(t *testing.T, open Open, caps Caps) {
	s := &suite{open: open, caps: caps}
	for _, test := range []struct {
		name string
		run  func(*testing.T, *suite)
		when bool
	}{
		{"Message", testMessage, true},
		{"EmptyMessage", testEmptyMessage, true},
		{"LargeMessage", testLargeMessage, true},
		{"UnusualTopics", testUnusualTopics, true},
		{"InvalidTopics", testInvalidTopics, true},
		{"FanOut", testFanOut, true},
		{"CompetingConsumers", testCompeting, true},
		{"TopicsAreApart", testTopicsApart, true},
		{"RedeliveryAfterError", testRedelivery, true},
		{"Order", testOrder, true},
		{"InFlightIsALimit", testInFlight, true},
		{"NothingAfterStop", testNothingAfterStop, true},
		{"StopWaitsForHandlers", testStopWaits, true},
		{"StopGivesBack", testStopGivesBack, true},
		{"StopTwice", testStopTwice, true},
		{"CancelledPublish", testCancelled, true},
		{"BulkPublish", testBulk, true},
		{"Ping", testPing, true},
		{"Hammer", testHammer, true},
		{"TwoBrokers", testTwoBrokers, caps.Shared},
		{"WaitingMessagesSurviveRestart", testRestartWaiting, caps.Restart != nil},
		{"RunningConsumerSurvivesRestart", testRestartRunning, caps.Restart != nil},
	} {
		if test.when {
			t.Run(test.name, func(t *testing.T) { test.run(t, s) })
		}
	}
}

type suite struct {
	open Open
	caps Caps
}

// broker opens a broker that the test closes in the end.
func (s *suite) broker(t testing.TB) pubsub.Broker {
	t.Helper()
	b := s.open(t)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// fresh makes a name that no other run of the suite used: servers keep what they have.
func fresh(name string) string { return name + "-" + strings.ToLower(rand.Text()[:8]) }

func publish(t testing.TB, b pubsub.Broker, topic string, data ...string) {
	t.Helper()
	publishWith(t, b, topic, nil, data...)
}

func publishWith(t testing.TB, b pubsub.Broker, topic string, metadata map[string]string, data ...string) {
	t.Helper()
	for _, d := range data {
		err := b.Publish(t.Context(), pubsub.Message{Topic: topic, ContentType: "text/plain", Data: []byte(d), Metadata: metadata})
		if err != nil {
			t.Fatalf("publish %q to %s: %v", d, topic, err)
		}
	}
}

// running is a consumer whose deliveries the test sees.
type running struct {
	pubsub.Consumer
	got chan pubsub.Message
}

// subscribe starts a consumer; what handle says goes to the broker, nil acknowledges everything.
func subscribe(t testing.TB, b pubsub.Broker, sub pubsub.Subscription, handle pubsub.Handler) *running {
	t.Helper()
	r := &running{got: make(chan pubsub.Message, 1<<16)}
	c, err := b.Subscribe(t.Context(), sub, func(ctx context.Context, msg pubsub.Message) error {
		r.got <- msg
		if handle == nil {
			return nil
		}
		return handle(ctx, msg)
	})
	if err != nil {
		t.Fatalf("subscribe to %s as %s: %v", sub.Topic, sub.Consumer, err)
	}
	r.Consumer = c
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = c.Stop(ctx) // a test that wants to know has stopped it itself
	})
	return r
}

func (r *running) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

// next waits for a delivery.
func (r *running) next(t testing.TB) pubsub.Message {
	t.Helper()
	select {
	case msg := <-r.got:
		return msg
	case <-time.After(deadline):
		t.Fatalf("no delivery within %s", deadline)
		return pubsub.Message{}
	}
}

// all waits until every text has been delivered; more deliveries of the same are fine.
func (r *running) all(t testing.TB, want []string) {
	t.Helper()
	missing := map[string]bool{}
	for _, w := range want {
		missing[w] = true
	}
	for end := time.After(deadline); len(missing) > 0; {
		select {
		case msg := <-r.got:
			delete(missing, string(msg.Data))
		case <-end:
			t.Fatalf("%d of %d messages were not delivered within %s", len(missing), len(want), deadline)
		}
	}
}

// wait waits for an event.
func wait(t testing.TB, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(deadline):
		t.Fatalf("%s: not within %s", what, deadline)
	}
}

var errRefused = errors.New("refused by the test")

// counter counts by key, for handlers that run at once.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) add(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[key]++
	return c.n[key]
}
