// Package kafka is the driver bindings.kafka: messages of Apache Kafka, and of what speaks its protocol, for talking to
// programs that know nothing of topics and CloudEvents. Topics on Kafka are pubsub.kafka.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/components/internal/kafkaconn"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.kafka",
	Doc: `Messages of Apache Kafka. With topics it is an input; every binding is an output.

Operation create publishes data to publishTopic, or to the topic that the request's metadata name. Metadata
partitionKey is the record's key, partitionNumber its partition, and all of them are headers; without data it is a
tombstone. The answer's metadata are topic, partition and offset. As an input, an event has the headers, and
__key, __offset, __partition, __timestamp and __topic.

As in Dapr, an event whose handler failed is left out, unless consumeRetryEnabled is true: then it is handled again
until it succeeds, and those behind it in its partition wait.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	kafkaconn.Settings

	Topics       string `metadata:"topics" doc:"topics to read, several separated by commas"`
	PublishTopic string `metadata:"publishTopic" doc:"topic that create publishes to, unless the request names one"`
	ConsumerID   string `metadata:"consumerID" doc:"consumer group, without consumerGroup; default the app's name"`
	Retry        bool   `metadata:"consumeRetryEnabled" default:"false" doc:"handle an event that failed again until it succeeds; false leaves it out"`
}

func (s *settings) topics() []string {
	var out []string
	for topic := range strings.SplitSeq(s.Topics, ",") {
		if topic = strings.TrimSpace(topic); topic != "" {
			out = append(out, topic)
		}
	}
	return out
}

func open(ctx context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := s.check(cfg); err != nil {
		return nil, component.Permanent(err)
	}
	client, err := kafkaconn.Open(ctx, &s.Settings, cfg.Log)
	if err != nil {
		return nil, err
	}
	out := &output{s: s, client: client}
	if len(s.topics()) == 0 {
		return out, nil
	}
	return &both{out}, nil
}

func (s *settings) check(cfg component.Config) error {
	err := s.Check()
	direction, _ := cfg.Metadata.Get("direction")
	if strings.Contains(strings.ToLower(direction), "input") && len(s.topics()) == 0 {
		err = errors.Join(err, errors.New("metadata field topics is missing: direction says input"))
	}
	return err
}

// output is a binding that has no topics to read.
type output struct {
	s      *settings
	client *kafkaconn.Client
}

// both is one that has.
type both struct{ *output }

var (
	_ binding.Output = (*output)(nil)
	_ binding.Pinger = (*output)(nil)
	_ binding.Input  = (*both)(nil)
)

// Operations lists what Invoke takes.
func (o *output) Operations() []string { return []string{"create"} }

func (o *output) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	if req.Operation != "create" {
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: o.Operations()}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	msg := kafkaconn.Message{Topic: o.s.PublishTopic, Data: req.Data, Metadata: req.Metadata}
	if topic := req.Metadata["topic"]; topic != "" {
		msg.Topic = topic
		msg.Metadata = maps.Clone(req.Metadata)
		delete(msg.Metadata, "topic")
	}
	if msg.Topic == "" {
		return nil, fmt.Errorf("%w: no topic: give metadata topic, or set the component's publishTopic", binding.ErrInvalid)
	}
	place, err := o.client.Publish(ctx, msg)
	if err != nil {
		return nil, failure(err)
	}
	return &binding.Reply{Metadata: map[string]string{
		"topic": msg.Topic, "partition": strconv.Itoa(int(place.Partition)), "offset": strconv.FormatInt(place.Offset, 10),
	}}, nil
}

// Ping asks a server.
func (o *output) Ping(ctx context.Context) error { return failure(o.client.Ping(ctx)) }

func (o *output) Close(context.Context) error {
	o.client.Close()
	return nil
}

// Read begins to read for one app.
func (b *both) Read(ctx context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	if b.s.ConsumerID != "" {
		consumer = b.s.ConsumerID
	}
	r, err := b.client.Consume(ctx, kafkaconn.Reading{
		Group: consumer, Topics: b.s.topics(), Retry: b.s.Retry,
		Handle: func(ctx context.Context, d kafkaconn.Delivery) error {
			_, err := binding.Admitted(ctx, h, &binding.Event{Data: d.Data, ContentType: d.ContentType, Metadata: d.Metadata})
			return err
		},
	})
	if err != nil {
		return nil, failure(err)
	}
	return r, nil
}

// failure makes the block's error of one of the connection's.
func failure(err error) error {
	switch kafkaconn.KindOf(err) {
	case kafkaconn.Unavailable:
		return fmt.Errorf("%w: %w", binding.ErrUnavailable, err)
	case kafkaconn.BadTopic, kafkaconn.BadRequest:
		return fmt.Errorf("%w: %w", binding.ErrInvalid, err)
	default:
		return err
	}
}
