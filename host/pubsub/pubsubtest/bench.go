package pubsubtest

import (
	"context"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Bench measures a driver: one message from publishing to its handler, and a stream of them.
func Bench(b *testing.B, open Open) {
	s := &suite{open: open}
	data := make([]byte, 1024)
	b.Run("PublishToDelivery", func(b *testing.B) {
		br, topic := s.broker(b), fresh("bench")
		got := make(chan struct{}, 1)
		start(b, br, topic, got)
		for b.Loop() {
			if err := br.Publish(b.Context(), pubsub.Message{Topic: topic, Data: data}); err != nil {
				b.Fatal(err)
			}
			<-got
		}
	})
	b.Run("Stream", func(b *testing.B) {
		br, topic := s.broker(b), fresh("bench")
		got := make(chan struct{}, 1024)
		start(b, br, topic, got)
		b.ResetTimer()
		done := make(chan struct{})
		go func() {
			for range b.N {
				<-got
			}
			close(done)
		}()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if err := br.Publish(b.Context(), pubsub.Message{Topic: topic, Data: data}); err != nil {
					b.Error(err)
				}
			}
		})
		<-done
	})
}

func start(b *testing.B, br pubsub.Broker, topic string, got chan struct{}) {
	b.Helper()
	c, err := br.Subscribe(b.Context(), pubsub.Subscription{Topic: topic, Consumer: "app"}, func(context.Context, pubsub.Message) error {
		got <- struct{}{}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Stop(context.Background()) })
}
