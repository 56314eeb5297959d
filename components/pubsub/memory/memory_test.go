package memory

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

func open1(t testing.TB) pubsub.Broker {
	t.Helper()
	b, err := Spec.New(t.Context(), component.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	pubsubtest.Run(t, open1, pubsubtest.Caps{
		Topics: []string{"a b", "a.b", "a/b/*", ">", "ünïcode", strings.Repeat("x", 1000)},
		Large:  32 << 20,
	})
}

func BenchmarkMemory(b *testing.B) { pubsubtest.Bench(b, open1) }

func TestFullGroupMakesPublishersWait(t *testing.T) {
	br := open1(t).(*broker)
	br.maxQueued = 2
	leave := make(chan struct{})
	c, err := br.Subscribe(t.Context(), pubsub.Subscription{Topic: "t", Consumer: "g"}, func(context.Context, pubsub.Message) error {
		<-leave
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(ctx context.Context) error { return br.Publish(ctx, pubsub.Message{Topic: "t"}) }
	for range 2 {
		if err := publish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	if err := publish(ctx); err == nil {
		t.Fatal("third message: got no error, want the group to be full")
	}
	waiting := make(chan error, 1)
	go func() { waiting <- publish(t.Context()) }()
	close(leave)
	if err := <-waiting; err != nil {
		t.Errorf("after the handlers have returned: %v", err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := br.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := publish(t.Context()); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("publish after close: got %v, want ErrUnavailable", err)
	}
}

func TestFullGroupWithoutConsumersDropsTheOldest(t *testing.T) {
	br := open1(t).(*broker)
	br.maxQueued = 2
	sub := pubsub.Subscription{Topic: "t", Consumer: "g", InFlight: 1}
	c, err := br.Subscribe(t.Context(), sub, func(context.Context, pubsub.Message) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"1", "2", "3"} {
		if err := br.Publish(t.Context(), pubsub.Message{Topic: "t", Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	got := make(chan string, 3)
	if _, err := br.Subscribe(t.Context(), sub, func(_ context.Context, msg pubsub.Message) error {
		got <- string(msg.Data)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if a, b := <-got, <-got; a+b != "23" {
		t.Errorf("got %s and %s, want 2 and 3", a, b)
	}
}
