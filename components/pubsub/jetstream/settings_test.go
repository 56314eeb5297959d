package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

func newOf(ctx context.Context, cfg component.Config) (pubsub.Broker, error) {
	cfg.Log = discard
	return Spec.New(ctx, cfg)
}

// openClosed opens a broker that is closed at the end, after its consumers are stopped.
func openClosed(t *testing.T, cfg component.Config) *broker {
	t.Helper()
	b := openWith(t, cfg).(*broker)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func send(t *testing.T, b pubsub.Broker, topic, data string) {
	t.Helper()
	if err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

// consume starts a consumer of group g.
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

func TestDeliverPolicies(t *testing.T) {
	server := testserver.NATS(t)
	b := openClosed(t, component.Config{Metadata: component.Metadata{"natsURL": server.URL}})
	stream, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "HISTORY", Subjects: []string{"h"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"1", "2", "3"} {
		send(t, b, "h", data)
	}
	third, err := stream.GetMsg(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	later := strconv.FormatInt(third.Time.Add(time.Hour).Unix(), 10)
	for _, test := range []struct {
		fields component.Metadata
		first  string
	}{
		{component.Metadata{"deliverPolicy": "all"}, "1"},
		{component.Metadata{"deliverPolicy": "last"}, "3"},
		{component.Metadata{"deliverPolicy": "sequence", "startSequence": "2"}, "2"},
		{component.Metadata{"deliverPolicy": "time", "startTime": "1"}, "1"},
		{component.Metadata{"deliverPolicy": "time", "startTime": later}, ""},
		{component.Metadata{"deliverPolicy": "new"}, "new"},
	} {
		test.fields["natsURL"], test.fields["streamName"] = server.URL, "HISTORY"
		test.fields["durableName"] = test.fields["deliverPolicy"] + test.fields["startTime"]
		one := openClosed(t, component.Config{Metadata: test.fields})
		if test.first == "" {
			info, err := one.js.CreateConsumer(t.Context(), "HISTORY", mustCheck(t, one.s).consumer("x", "h"))
			if err != nil || !info.CachedInfo().Config.OptStartTime.After(third.Time) {
				t.Errorf("start time: got %v, %v", info, err)
			}
			continue
		}
		got := consume(t, one, "h", nil)
		if test.first == "new" {
			send(t, b, "h", "new")
		}
		if msg := <-got; string(msg.Data) != test.first {
			t.Errorf("%v: got %q first, want %q", test.fields, msg.Data, test.first)
		}
	}
}

func mustCheck(t *testing.T, s *settings) *settings {
	t.Helper()
	if err := s.check(component.Config{Log: discard}); err != nil {
		t.Fatal(err)
	}
	return s
}

// A change that the server does not allow for an existing consumer does not keep the component from starting.
func TestSettingsThatCannotChange(t *testing.T) {
	e := embeddedServer(t, t.TempDir())
	old := openClosed(t, component.Config{Embedded: e})
	c, err := old.Subscribe(t.Context(), pubsub.Subscription{Topic: "t", Consumer: "g"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	changed := openClosed(t, component.Config{Embedded: e, Metadata: component.Metadata{"deliverPolicy": "last"}})
	got := consume(t, changed, "t", nil)
	send(t, changed, "t", "works")
	if msg := <-got; string(msg.Data) != "works" {
		t.Errorf("got %q", msg.Data)
	}
}

func TestMaxDeliverAndBackOff(t *testing.T) {
	e := embeddedServer(t, t.TempDir())
	b := openClosed(t, component.Config{Embedded: e, Metadata: component.Metadata{"maxDeliver": "3", "backOff": "10ms, 20ms"}})
	got := consume(t, b, "t", func(msg pubsub.Message) error {
		if string(msg.Data) == "bad" {
			return errors.New("refused")
		}
		return nil
	})
	send(t, b, "t", "bad")
	for want := 1; want <= 3; want++ {
		if msg := <-got; msg.Attempt != want {
			t.Errorf("attempt: got %d, want %d", msg.Attempt, want)
		}
	}
	time.Sleep(200 * time.Millisecond) // several times backOff: time is what the test is about
	send(t, b, "t", "good")
	if msg := <-got; string(msg.Data) != "good" {
		t.Errorf("after maxDeliver: got %q", msg.Data)
	}
}

// A handler that runs longer than ackWait keeps its message, and gets it once.
func TestLongHandlerKeepsItsMessage(t *testing.T) {
	e := embeddedServer(t, t.TempDir())
	b := openClosed(t, component.Config{Embedded: e, Metadata: component.Metadata{"ackWait": "600ms"}})
	leave := make(chan struct{})
	handle := func(pubsub.Message) error {
		<-leave
		return nil
	}
	first, second := consume(t, b, "t", handle), consume(t, b, "t", handle)
	send(t, b, "t", "long")
	select {
	case <-first:
	case <-second:
	}
	time.Sleep(2 * time.Second) // several times ackWait: time is what the test is about
	close(leave)
	select {
	case <-first:
		t.Error("the message was delivered twice while its handler ran")
	case <-second:
		t.Error("the message was delivered twice while its handler ran")
	default:
	}
}

func TestAckPolicies(t *testing.T) {
	e := embeddedServer(t, t.TempDir())
	for _, policy := range []string{"none", "all"} {
		b := openClosed(t, component.Config{Name: "ack-" + policy, Embedded: e, Metadata: component.Metadata{"ackPolicy": policy}})
		fail := true
		got := consume(t, b, "t", func(pubsub.Message) error {
			if fail {
				fail = false
				return errors.New("refused")
			}
			return nil
		})
		send(t, b, "t", "one")
		first := <-got
		if policy == "all" {
			again := <-got
			if first.Attempt != 1 || again.Attempt != 2 {
				t.Errorf("all: got attempts %d and %d", first.Attempt, again.Attempt)
			}
		}
		send(t, b, "t", "two")
		if msg := <-got; string(msg.Data) != "two" {
			t.Errorf("%s: got %q, want two", policy, msg.Data)
		}
	}
}

func TestRateLimit(t *testing.T) {
	e := embeddedServer(t, t.TempDir())
	const perSecond = 2000
	b := openClosed(t, component.Config{Embedded: e, Metadata: component.Metadata{"rateLimit": strconv.Itoa(8 * perSecond), "heartbeat": "5s"}})
	got := consume(t, b, "t", nil)
	start := time.Now()
	for range 3 {
		send(t, b, "t", string(make([]byte, perSecond)))
	}
	for range 3 {
		<-got
	}
	if took := time.Since(start); took < 1900*time.Millisecond {
		t.Errorf("three seconds' worth of messages, one at once, took %s; want about 2 s", took)
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct{ topic, want string }{
		{"a.b", "a.b"}, {"a..b", "a%2E%2Eb"}, {"a b", "a%20b"}, {"a/b", "a/b"}, {"%", "%25"}, {"ü", "%C3%BC"}, {">", "%3E"},
	} {
		if got := escapeTopic(test.topic); got != test.want {
			t.Errorf("escapeTopic(%q): got %q, want %q", test.topic, got, test.want)
		}
		targets := &targets{prefix: "mrt_bus."}
		if got := targets.topic("mrt_bus." + test.want); got != test.topic {
			t.Errorf("topic of %q: got %q, want %q", test.want, got, test.topic)
		}
	}
	if durable("a", "b.c") == durable("a.b", "c") || durable("a@b", "c") == durable("a", "b@c") {
		t.Error("two pairs of group and topic have one consumer name")
	}
	long := string(make([]byte, 500))
	if got := durable("g", long); len(got) > 160 || got == durable("g", long+"x") {
		t.Errorf("long name: got %d bytes, or one that another topic has too", len(got))
	}
}

// One message at a time must not make the subscription miss a request: it would stand still until a heartbeat is missed.
func TestNoStall(t *testing.T) {
	var logged logs
	e := embeddedServer(t, t.TempDir())
	b := openClosed(t, component.Config{Embedded: e, Metadata: component.Metadata{"heartbeat": "1s"}, Log: slog.New(slog.NewTextHandler(&logged, nil))})
	got := consume(t, b, "t", nil)
	for i := range 3000 {
		send(t, b, "t", strconv.Itoa(i))
		if msg := <-got; string(msg.Data) != strconv.Itoa(i) {
			t.Fatalf("got %s, want %d", msg.Data, i)
		}
	}
	if strings.Contains(logged.String(), errSilent.Error()) {
		t.Errorf("the subscription stood still:\n%s", logged.String())
	}
}

// logs keeps what is logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
