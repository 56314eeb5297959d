package pubsubtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

func testMessage(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("message")
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app"}, nil)
	want := pubsub.Message{
		Topic: topic, ContentType: "application/cloudevents+json", Data: []byte("{\"a\":\"\x00\xff\r\n\u00e9\"}"),
		Metadata: map[string]string{"key": "a, b\r\nc: d", "Ünicode key": "ü", "empty": ""},
	}
	if err := b.Publish(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if s.caps.Bare {
		want.ContentType, want.Metadata = "", nil
	}
	got := r.next(t)
	if got.Topic != topic || got.ContentType != want.ContentType || !bytes.Equal(got.Data, want.Data) {
		t.Errorf("got topic %q, content type %q, data %q; want %q, %q, %q", got.Topic, got.ContentType, got.Data, topic, want.ContentType, want.Data)
	}
	for k, v := range want.Metadata {
		if got.Metadata[k] != v {
			t.Errorf("metadata %q: got %q, want %q", k, got.Metadata[k], v)
		}
	}
	if got.Attempt != 0 && got.Attempt != 1 {
		t.Errorf("attempt: got %d, want 1, or 0 for unknown", got.Attempt)
	}
}

func testEmptyMessage(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("empty")
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app"}, nil)
	if err := b.Publish(t.Context(), pubsub.Message{Topic: topic}); err != nil {
		t.Fatal(err)
	}
	if got := r.next(t); len(got.Data) != 0 || got.ContentType != "" {
		t.Errorf("got content type %q and data %q; want both empty", got.ContentType, got.Data)
	}
}

func testLargeMessage(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("large")
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app"}, nil)
	data := make([]byte, s.caps.Large)
	for i := range data {
		data[i] = byte(i * 31 >> 3)
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Data: data}); err != nil {
		t.Fatalf("publish %d bytes: %v", len(data), err)
	}
	if got := r.next(t); !bytes.Equal(got.Data, data) {
		t.Errorf("got %d bytes, want the %d that were published", len(got.Data), len(data))
	}
}

func testUnusualTopics(t *testing.T, s *suite) {
	b := s.broker(t)
	for _, topic := range s.caps.Topics {
		t.Run(fmt.Sprintf("%.40q", topic), func(t *testing.T) {
			r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: fresh("app")}, nil)
			text := fresh("to " + topic)
			publish(t, b, topic, text)
			for {
				// A server may have messages of an earlier run.
				if msg := r.next(t); string(msg.Data) == text {
					if msg.Topic != topic {
						t.Errorf("topic: got %q, want %q", msg.Topic, topic)
					}
					return
				}
			}
		})
	}
}

func testInvalidTopics(t *testing.T, s *suite) {
	b := s.broker(t)
	for _, topic := range append([]string{""}, s.caps.Invalid...) {
		if err := b.Publish(t.Context(), pubsub.Message{Topic: topic}); !errors.Is(err, pubsub.ErrInvalidTopic) {
			t.Errorf("publish to %q: got %v, want ErrInvalidTopic", topic, err)
		}
		c, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: topic, Consumer: "app"},
			func(context.Context, pubsub.Message) error { return nil })
		if !errors.Is(err, pubsub.ErrInvalidTopic) {
			t.Errorf("subscribe to %q: got %v, %v, want ErrInvalidTopic", topic, c, err)
		}
	}
}

func testFanOut(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("fan")
	one := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "one"}, nil)
	two := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "two"}, nil)
	texts := numbered(20)
	publish(t, b, topic, texts...)
	one.all(t, texts)
	two.all(t, texts)
}

func testTopicsApart(t *testing.T, s *suite) {
	b, a, z := s.broker(t), fresh("apart-a"), fresh("apart-z")
	ra := subscribe(t, b, pubsub.Subscription{Topic: a, Consumer: "app"}, nil)
	rz := subscribe(t, b, pubsub.Subscription{Topic: z, Consumer: "app"}, nil)
	publish(t, b, z, "for z")
	publish(t, b, a, "for a")
	if got := string(ra.next(t).Data); got != "for a" {
		t.Errorf("topic a: got %q", got)
	}
	if got := string(rz.next(t).Data); got != "for z" {
		t.Errorf("topic z: got %q", got)
	}
}

// testCompeting holds each consumer's first message until the other has one too.
func testCompeting(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("competing")
	both := make(chan struct{})
	var took [2]atomic.Int64
	var once sync.Once
	handler := func(i int) pubsub.Handler {
		return func(ctx context.Context, _ pubsub.Message) error {
			if took[i].Add(1) == 1 && took[1-i].Load() > 0 {
				once.Do(func() { close(both) })
			}
			select {
			case <-both:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	sub := pubsub.Subscription{Topic: topic, Consumer: "app", InFlight: 1}
	one := subscribe(t, b, sub, handler(0))
	two := subscribe(t, b, sub, handler(1))
	texts := numbered(50)
	publish(t, b, topic, texts...)
	wait(t, "both consumers of one group have a message", both)
	got, deliveries := map[string]int{}, 0
	for ; len(got) < len(texts); deliveries++ {
		if deliveries >= len(texts) && !s.caps.Rebalances || deliveries >= 3*len(texts)/2 {
			t.Fatalf("%d different messages in %d deliveries: consumers of one group got the same message", len(got), deliveries)
		}
		select {
		case msg := <-one.got:
			got[string(msg.Data)]++
		case msg := <-two.got:
			got[string(msg.Data)]++
		case <-time.After(deadline):
			t.Fatalf("%d of %d messages delivered", len(got), len(texts))
		}
	}
}

func testRedelivery(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("redelivery")
	var c counter
	done := make(chan struct{})
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app"}, func(_ context.Context, msg pubsub.Message) error {
		n := c.add(string(msg.Data))
		if string(msg.Data) == "bad" && n <= 2 {
			return errRefused
		}
		if string(msg.Data) == "bad" {
			close(done)
		}
		return nil
	})
	publish(t, b, topic, "bad", "good")
	wait(t, "third delivery of a message that was refused twice", done)
	attempts := 0
	for range 4 {
		msg := r.next(t)
		if string(msg.Data) != "bad" {
			continue
		}
		attempts++
		if msg.Attempt != 0 && msg.Attempt != attempts {
			t.Errorf("delivery %d: got attempt %d", attempts, msg.Attempt)
		}
	}
	if attempts != 3 {
		t.Errorf("the refused message came %d times among 4 deliveries, want 3", attempts)
	}
}

func testOrder(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("order")
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app", InFlight: 1}, nil)
	texts := numbered(100)
	publishWith(t, b, topic, s.caps.Ordered, texts...)
	for _, want := range texts {
		if got := string(r.next(t).Data); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

func testInFlight(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("inflight")
	const limit = 3
	var now atomic.Int64
	full, over := make(chan struct{}), make(chan struct{})
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app", InFlight: limit}, func(ctx context.Context, _ pubsub.Message) error {
		defer now.Add(-1)
		switch now.Add(1) {
		case limit:
			select {
			case <-full:
			default:
				close(full)
			}
		case limit + 1:
			close(over)
		}
		select {
		case <-full:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	texts := numbered(30)
	publish(t, b, topic, texts...)
	r.all(t, texts)
	select {
	case <-over:
		t.Errorf("more than %d messages were handled at once", limit)
	default:
	}
}

func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("message %d", i)
	}
	return out
}
