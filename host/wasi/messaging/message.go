package messaging

import (
	"context"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	abimessaging "github.com/mrt-wasm/mrt-wasm/abi/wasi/messaging"
)

// binaryType is the content type of a message that has none: its bytes are not to be changed.
const binaryType = "application/octet-stream"

// attributePrefix begins the names by which metadata has the attributes of the CloudEvent itself, as in Dapr.
const attributePrefix = "cloudevent."

// message is the resource of one message, received or to be sent. It belongs to one instance.
type message struct {
	// from is the event that it came as; empty for one that the guest made.
	from        abipubsub.Event
	topic       *string
	contentType *string
	data        []byte
	// metadata has each name once; nil is none.
	metadata pairs
}

// NewMessage makes a message that has only data.
func (h *Host) NewMessage(_ context.Context, data []byte) abimessaging.Message {
	return &message{data: data}
}

// received makes the message of an event. Its metadata are the event's extensions, its own attributes as
// cloudevent.<name>, and the broker's facts and the publisher's settings where their names are free.
func received(e abipubsub.Event) *message {
	m := &message{from: e, topic: &e.Topic, data: e.Data}
	if e.ContentType != "" {
		m.contentType = &e.ContentType
	}
	for _, kv := range e.Extensions {
		if m.full() {
			break
		}
		if !internal(kv.F0) {
			m.put(kv.F0, kv.F1)
		}
	}
	for _, kv := range [...][2]string{{"id", e.ID}, {"source", e.Source}, {"type", e.EventType}, {"subject", e.Subject}, {"time", e.Time}} {
		if kv[1] != "" {
			m.put(attributePrefix+kv[0], kv[1])
		}
	}
	for _, kv := range e.Metadata {
		if m.full() {
			break
		}
		if !m.metadata.has(kv.F0) {
			m.put(kv.F0, kv.F1)
		}
	}
	return m
}

// internal tells the names of extensions that are the host's own.
func internal(name string) bool {
	switch name {
	case "traceid", "traceparent", "tracestate", "expiration", "pubsubname", "topic":
		return true
	default:
		return strings.HasPrefix(name, "mrtreply")
	}
}

// event gives what is published: metadata are the settings of the publishing, and extensions of the event where their
// names can be. The identity of an event that is sent on is not taken over: it is a new one.
func (m *message) event(pubsub, topic string) abipubsub.Event {
	e := abipubsub.Event{Pubsub: pubsub, Topic: topic, ContentType: binaryType, Data: m.data}
	if m.contentType != nil {
		e.ContentType = *m.contentType
	}
	for _, kv := range m.metadata {
		if m.from.ID != "" && kv.F0 == attributePrefix+"id" && kv.F1 == m.from.ID {
			continue
		}
		e.Metadata = append(e.Metadata, kv)
		e.Extensions = append(e.Extensions, kv)
	}
	return e
}

// Topic gives the topic on which the message was received; nil for one that the guest made.
func (m *message) Topic(context.Context) *string { return m.topic }

// ContentType gives the format of the data; nil if it is not said.
func (m *message) ContentType(context.Context) *string { return m.contentType }

// SetContentType sets the format of the data.
func (m *message) SetContentType(_ context.Context, contentType string) { m.contentType = &contentType }

// Data gives the payload.
func (m *message) Data(context.Context) []byte { return m.data }

// SetData replaces the payload.
func (m *message) SetData(_ context.Context, data []byte) { m.data = data }

// Metadata gives all pairs; nil if there are none.
func (m *message) Metadata(context.Context) *abimessaging.Metadata {
	if len(m.metadata) == 0 {
		return nil
	}
	out := abimessaging.Metadata(m.metadata)
	return &out
}

// AddMetadata sets one pair.
func (m *message) AddMetadata(_ context.Context, key, value string) { m.put(key, value) }

// SetMetadata replaces all pairs; of several with one name the last counts.
func (m *message) SetMetadata(_ context.Context, meta abimessaging.Metadata) {
	m.metadata = nil
	for _, kv := range meta[:min(len(meta), maxMetadata)] {
		m.put(kv.F0, kv.F1)
	}
}

// RemoveMetadata takes one pair away; one that is not there is no error.
func (m *message) RemoveMetadata(_ context.Context, key string) {
	m.metadata = slices.DeleteFunc(m.metadata, func(kv canon.Tuple2[string, string]) bool { return kv.F0 == key })
}

// Drop has nothing to release.
func (*message) Drop(context.Context) {}

// maxMetadata bounds how many pairs a message has; more are left out.
const maxMetadata = 1024

func (m *message) full() bool { return len(m.metadata) >= maxMetadata }

func (m *message) put(key, value string) {
	for i := range m.metadata {
		if m.metadata[i].F0 == key {
			m.metadata[i].F1 = value
			return
		}
	}
	if !m.full() {
		m.metadata = append(m.metadata, canon.Tuple2[string, string]{F0: key, F1: value})
	}
}
