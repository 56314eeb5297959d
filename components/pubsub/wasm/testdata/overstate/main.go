// A broker that keeps its messages in the state store that metadata "store" names.
package main

import (
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin/testdata/queue"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/driver/bulk"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

type broker struct{ q queue.Queue }

func init() {
	b := &broker{}
	driver.Register(b)
	bulk.Register(b)
}

func main() {}

func (b *broker) Init(metadata map[string]string) error {
	b.q.Store = state.Open(metadata["store"])
	return nil
}

func check(topic string) error {
	if strings.Contains(topic, "\n") {
		return pubsub.ErrInvalidTopic
	}
	return nil
}

func (b *broker) Publish(m driver.Message) error {
	if err := check(m.Topic); err != nil {
		return err
	}
	return b.q.Add(m.Topic, m)
}

func (b *broker) BulkPublish(topic string, msgs []driver.Message) ([]error, error) {
	if err := check(topic); err != nil {
		return nil, err
	}
	list := make([]any, len(msgs))
	for i, m := range msgs {
		list[i] = m
	}
	return make([]error, len(msgs)), b.q.Add(topic, list...)
}

func (b *broker) Subscribe(topic, consumer string, metadata map[string]string) (driver.Subscription, error) {
	if err := check(topic); err != nil {
		return nil, err
	}
	s, err := queue.Subscribe[driver.Message](b.q, topic, consumer)
	return subscription{s}, err
}

type subscription struct{ *queue.Sub[driver.Message] }

func (s subscription) Pull(limit int, wait time.Duration) ([]driver.Message, error) {
	got, err := s.Sub.Pull(limit, wait)
	out := make([]driver.Message, len(got))
	for i, t := range got {
		out[i] = t.Value
		out[i].ID, out[i].Attempt = t.ID, t.Attempt
		if string(t.Value.Data) == "trap once" && t.Attempt == 1 {
			for _, t := range got { // else they come again when their lease is over
				_ = s.Sub.Settle(t.ID, false)
			}
			panic("asked to trap")
		}
	}
	return out, err
}
