// Package pubsub publishes to topics. Package subscriber, below this one, handles what subscriptions deliver, and
// package bulk does so many messages at a time.
//
//	err := pubsub.PublishJSON("pubsub", "order.placed", order)
package pubsub

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The errors of this package; test with errors.Is. The text says what was wrong.
var (
	// ErrNotFound: the app sees no pubsub component of this name.
	ErrNotFound = errors.New("pubsub not found")
	// ErrInvalidTopic: the topic is empty or not valid for the broker.
	ErrInvalidTopic = errors.New("invalid topic")
	// ErrForbidden: the app may not publish to this topic.
	ErrForbidden = errors.New("forbidden")
	// ErrInvalidRequest: the message is not valid.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrUnavailable: the broker cannot be reached now.
	ErrUnavailable = errors.New("unavailable")
)

// Option changes how one message is published.
type Option func(map[string]string)

// WithMetadata gives the broker a setting, for example "partitionKey".
func WithMetadata(key, value string) Option {
	return func(m map[string]string) { m[key] = value }
}

// WithTTL drops the message if it is not delivered within d, rounded up to whole seconds.
func WithTTL(d time.Duration) Option {
	return WithMetadata("ttlInSeconds", strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
}

// Raw publishes the data as it is, without a CloudEvent around it.
func Raw() Option { return WithMetadata("rawPayload", "true") }

// WithType sets the event's type.
func WithType(eventType string) Option { return WithMetadata("cloudevent.type", eventType) }

// WithID sets the event's id.
func WithID(id string) Option { return WithMetadata("cloudevent.id", id) }

// WithSubject sets the event's subject.
func WithSubject(subject string) Option { return WithMetadata("cloudevent.subject", subject) }

func collect(opts []Option) map[string]string {
	if len(opts) == 0 {
		return nil
	}
	m := map[string]string{}
	for _, o := range opts {
		o(m)
	}
	return m
}

// Publish publishes data of a content type ("" for text/plain) and returns when the broker has it. An empty pubsub
// name is the only component there is, or the one called "pubsub".
func Publish(pubsub, topic, contentType string, data []byte, opts ...Option) error {
	return wrap(topic, pubsub, backendPublish(pubsub, topic, contentType, data, collect(opts)))
}

// PublishJSON publishes v as JSON.
func PublishJSON(pubsub, topic string, v any, opts ...Option) error {
	data, err := json.Marshal(v)
	if err != nil {
		return wrap(topic, pubsub, err)
	}
	return Publish(pubsub, topic, "application/json", data, opts...)
}

// Entry is one message of a bulk publish.
type Entry struct {
	// ID is unique within the call.
	ID          string
	ContentType string
	Data        []byte
	Metadata    map[string]string
}

// PublishBulk publishes many messages. The map has the ids of those that failed; it is empty if all went well.
func PublishBulk(pubsub, topic string, entries []Entry, opts ...Option) (map[string]error, error) {
	failed, err := backendPublishBulk(pubsub, topic, entries, collect(opts))
	return failed, wrap(topic, pubsub, err)
}

func wrap(topic, pubsub string, err error) error {
	if err == nil {
		return nil
	}
	if pubsub == "" {
		pubsub = "default pubsub"
	}
	return fmt.Errorf("pubsub: publish %q to %s: %w", topic, pubsub, err)
}
