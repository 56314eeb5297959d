package pubsubtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

func testNothingAfterStop(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("stop")
	sub := pubsub.Subscription{Topic: topic, Consumer: "app"}
	r := subscribe(t, b, sub, nil)
	publish(t, b, topic, "before")
	r.next(t)
	r.stop(t)
	publish(t, b, topic, "after")
	again := subscribe(t, b, sub, nil)
	if got := string(again.next(t).Data); got != "after" {
		t.Errorf("the next consumer of the group got %q, want the message published meanwhile", got)
	}
	select {
	case msg := <-r.got:
		t.Errorf("the stopped consumer got %q", msg.Data)
	default:
	}
}

func testStopWaits(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("stop-waits")
	entered, leave := make(chan struct{}), make(chan struct{})
	sub := pubsub.Subscription{Topic: topic, Consumer: "app", InFlight: 1}
	r := subscribe(t, b, sub, func(ctx context.Context, _ pubsub.Message) error {
		close(entered)
		<-leave
		return ctx.Err()
	})
	publishWith(t, b, topic, s.caps.Ordered, "running", "waiting")
	wait(t, "handler is entered", entered)
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(context.Background()) }()
	select {
	case err := <-stopped:
		t.Fatalf("stop returned while a handler ran: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	case <-time.After(deadline):
		t.Fatal("stop does not return though the handler has")
	}
	again := subscribe(t, b, sub, nil)
	if got := string(again.next(t).Data); got != "waiting" {
		t.Errorf("the next consumer got %q first, want the message that was not begun", got)
	}
}

func testStopGivesBack(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("gives-back")
	entered := make(chan struct{}, 10)
	ended := make(chan struct{})
	sub := pubsub.Subscription{Topic: topic, Consumer: "app", InFlight: 1}
	r := subscribe(t, b, sub, func(ctx context.Context, _ pubsub.Message) error {
		entered <- struct{}{}
		<-ctx.Done()
		close(ended)
		return nil // too late: the message is not ours any more
	})
	publish(t, b, topic, "hangs")
	wait(t, "handler is entered", entered)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Stop(ctx); err == nil {
		t.Error("stop with a handler that does not return: got no error")
	}
	wait(t, "the handler's context ends", ended)
	again := subscribe(t, b, sub, nil)
	if got := string(again.next(t).Data); got != "hangs" {
		t.Errorf("the next consumer got %q", got)
	}
}

func testStopTwice(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("stop-twice")
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app"}, nil)
	r.stop(t)
	r.stop(t)
}

func testCancelled(t *testing.T, s *suite) {
	b := s.broker(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publish(ctx, pubsub.Message{Topic: fresh("cancelled"), Data: []byte("x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("publish with a cancelled context: got %v, want context.Canceled", err)
	}
}

func testBulk(t *testing.T, s *suite) {
	b := s.broker(t)
	bulk, ok := b.(pubsub.BulkPublisher)
	if !ok {
		return // the block publishes one by one; nothing to promise
	}
	topic := fresh("bulk")
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app"}, nil)
	texts := numbered(300)
	msgs := make([]pubsub.Message, len(texts))
	for i, text := range texts {
		msgs[i] = pubsub.Message{Topic: topic, ContentType: "text/plain", Data: []byte(text)}
	}
	msgs = append(msgs, pubsub.Message{Topic: ""})
	errs, err := bulk.BulkPublish(t.Context(), msgs)
	if err != nil || len(errs) != len(msgs) {
		t.Fatalf("got %d errors and %v, want one for each of %d messages", len(errs), err, len(msgs))
	}
	for i, err := range errs[:len(texts)] {
		if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	if last := errs[len(texts)]; !errors.Is(last, pubsub.ErrInvalidTopic) {
		t.Errorf("message without topic: got %v, want ErrInvalidTopic", last)
	}
	r.all(t, texts)
}

func testPing(t *testing.T, s *suite) {
	if p, ok := s.broker(t).(pubsub.Pinger); ok {
		if err := p.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// testHammer publishes, fails, stops and starts consumers at once; every message has to be acknowledged at last.
func testHammer(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("hammer")
	const publishers, each, consumers = 6, 60, 3
	var acked counter
	sub := pubsub.Subscription{Topic: topic, Consumer: "app", InFlight: 8}
	handler := func(_ context.Context, msg pubsub.Message) error {
		if rand.IntN(20) == 0 {
			return errRefused
		}
		acked.add(string(msg.Data))
		return nil
	}
	subscribe(t, b, sub, handler)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				text := fmt.Sprintf("%d/%d", p, i)
				if err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Data: []byte(text)}); err != nil {
					t.Errorf("publish %s: %v", text, err)
				}
			}
		})
	}
	for range consumers {
		wg.Go(func() {
			for range 3 {
				subscribe(t, b, sub, handler).stop(t)
			}
		})
	}
	wg.Wait()
	for end := time.Now().Add(deadline); ; time.Sleep(10 * time.Millisecond) {
		acked.mu.Lock()
		n := len(acked.n)
		acked.mu.Unlock()
		if n == publishers*each {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d messages acknowledged within %s", n, publishers*each, deadline)
		}
	}
}

func testTwoBrokers(t *testing.T, s *suite) {
	one, two, topic := s.broker(t), s.broker(t), fresh("two-brokers")
	a := subscribe(t, one, pubsub.Subscription{Topic: topic, Consumer: "a"}, nil)
	b := subscribe(t, two, pubsub.Subscription{Topic: topic, Consumer: "b"}, nil)
	publish(t, one, topic, "from one")
	publish(t, two, topic, "from two")
	want := []string{"from one", "from two"}
	a.all(t, want)
	b.all(t, want)
}

// testRestartWaiting publishes while nobody consumes, and restarts the server.
func testRestartWaiting(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("restart-waiting")
	sub := pubsub.Subscription{Topic: topic, Consumer: "app"}
	subscribe(t, b, sub, nil).stop(t)
	texts := numbered(50)
	publish(t, b, topic, texts...)
	s.caps.Restart(t)
	r := subscribeAgain(t, b, sub)
	r.all(t, texts)
}

func subscribeAgain(t *testing.T, b pubsub.Broker, sub pubsub.Subscription) *running {
	t.Helper()
	r := &running{got: make(chan pubsub.Message, 1<<16)}
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		r.Consumer, err = b.Subscribe(t.Context(), sub, func(_ context.Context, msg pubsub.Message) error {
			r.got <- msg
			return nil
		})
		if err == nil {
			t.Cleanup(func() { _ = r.Stop(context.Background()) })
			return r
		}
	}
	t.Fatalf("subscribe after the restart: %v", err)
	return nil
}

// testRestartRunning restarts the server under a running consumer, which holds messages that it has not acknowledged.
func testRestartRunning(t *testing.T, s *suite) {
	b, topic := s.broker(t), fresh("restart-running")
	restarted := make(chan struct{})
	var acked counter
	done := make(chan struct{})
	texts := numbered(20)
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app", InFlight: 4}, func(ctx context.Context, msg pubsub.Message) error {
		select {
		case <-restarted:
		default:
			<-restarted
			return errRefused
		}
		if acked.add(string(msg.Data)) == 1 {
			acked.mu.Lock()
			defer acked.mu.Unlock()
			if len(acked.n) == len(texts)+1 {
				close(done)
			}
		}
		return ctx.Err()
	})
	publish(t, b, topic, texts...)
	r.next(t)
	s.caps.Restart(t)
	close(restarted)
	// Publishing fails with the reason until the client is connected again.
	for end := time.Now().Add(deadline); ; time.Sleep(50 * time.Millisecond) {
		err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Data: []byte("after the restart")})
		if err == nil {
			break
		}
		if !errors.Is(err, pubsub.ErrUnavailable) {
			t.Errorf("publish while the server is away: got %v, want ErrUnavailable", err)
		}
		if time.Now().After(end) {
			t.Fatalf("publish after the restart: %v", err)
		}
	}
	wait(t, "all messages are acknowledged after the restart", done)
}
