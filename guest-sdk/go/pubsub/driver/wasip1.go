//go:build wasip1

package driver

import (
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/driver/internal/contract"
)

var (
	subscriptions = map[uint32]Subscription{}
	last          uint32
)

func find(n uint32) (Subscription, error) {
	s := subscriptions[n]
	if s == nil {
		return nil, fmt.Errorf("%w: there is no subscription %d", pubsub.ErrInvalidRequest, n)
	}
	return s, nil
}

func init() {
	driver.Exports.Init = func(metadata driver.Metadata) *driver.Error {
		return contract.Error(registered.Init(pairs.Map(metadata)))
	}
	driver.Exports.Publish = func(topic, contentType string, data []byte, metadata driver.Metadata) *driver.Error {
		return contract.Error(registered.Publish(Message{Topic: topic, ContentType: contentType, Data: data, Metadata: pairs.Map(metadata)}))
	}
	driver.Exports.Subscribe = func(topic, consumer string, metadata driver.Metadata) (uint32, *driver.Error) {
		s, err := registered.Subscribe(topic, consumer, pairs.Map(metadata))
		if err != nil {
			return 0, contract.Error(err)
		}
		last++
		subscriptions[last] = s
		return last, nil
	}
	driver.Exports.Unsubscribe = func(subscription uint32) *driver.Error {
		s, err := find(subscription)
		if err == nil {
			delete(subscriptions, subscription)
			err = s.Close()
		}
		return contract.Error(err)
	}
	driver.Exports.Pull = pull
	driver.Exports.Settle = func(subscription uint32, id string, acknowledged bool) *driver.Error {
		s, err := find(subscription)
		if err == nil {
			err = s.Settle(id, acknowledged)
		}
		return contract.Error(err)
	}
}

func pull(subscription, limit, waitMS uint32) ([]driver.Message, *driver.Error) {
	s, err := find(subscription)
	if err != nil {
		return nil, contract.Error(err)
	}
	msgs, err := s.Pull(int(limit), time.Duration(waitMS)*time.Millisecond)
	if err != nil {
		return nil, contract.Error(err)
	}
	out := make([]driver.Message, len(msgs))
	for i, m := range msgs {
		out[i] = driver.Message{
			ID: m.ID, Attempt: uint32(m.Attempt), Topic: m.Topic, ContentType: m.ContentType, Data: m.Data, Metadata: pairs.From(m.Metadata),
		}
	}
	return out, nil
}
