//go:build !wasip1

package pubsub

import (
	"maps"
	"slices"
	"sync"
)

// Message is what a native build has published.
type Message struct {
	PubSub, Topic, ContentType string
	Data                       []byte
	Metadata                   map[string]string
}

var fake struct {
	sync.Mutex
	published []Message
	fail      error
}

// Published gives what the native build has published since ResetFake, for tests.
func Published() []Message {
	fake.Lock()
	defer fake.Unlock()
	return slices.Clone(fake.published)
}

// ResetFake forgets what was published. Call it at the start of a test.
func ResetFake() {
	fake.Lock()
	defer fake.Unlock()
	fake.published, fake.fail = nil, nil
}

// FailFake makes every publish of a native build fail with err until ResetFake.
func FailFake(err error) {
	fake.Lock()
	defer fake.Unlock()
	fake.fail = err
}

func backendPublish(pubsub, topic, contentType string, data []byte, metadata map[string]string) error {
	fake.Lock()
	defer fake.Unlock()
	if topic == "" {
		return ErrInvalidTopic
	}
	if fake.fail != nil {
		return fake.fail
	}
	fake.published = append(fake.published, Message{pubsub, topic, contentType, slices.Clone(data), maps.Clone(metadata)})
	return nil
}

func backendPublishBulk(pubsub, topic string, entries []Entry, metadata map[string]string) (map[string]error, error) {
	failed := map[string]error{}
	for _, e := range entries {
		m := maps.Clone(metadata)
		if m == nil {
			m = map[string]string{}
		}
		maps.Copy(m, e.Metadata)
		if err := backendPublish(pubsub, topic, e.ContentType, e.Data, m); err != nil {
			failed[e.ID] = err
		}
	}
	return failed, nil
}
