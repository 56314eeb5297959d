package kafkaconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Metadata of messages, as Dapr names them.
const (
	keyField       = "partitionKey"
	partitionField = "partitionNumber"
	schemaField    = "valueSchemaType"

	keyFact       = "__key"
	offsetFact    = "__offset"
	topicFact     = "__topic"
	timestampFact = "__timestamp"
	partitionFact = "__partition"
)

// Two headers that carry a content type: ours, and that of other programs (CloudEvents). Ours is another one, because
// Dapr makes HTTP headers of all headers.
const (
	typeHeader        = "contentType"
	foreignTypeHeader = "content-type"
)

// Message is one message to publish.
type Message struct {
	Topic       string
	ContentType string
	// Data is copied. nil makes a tombstone, which deletes the key in a compacted topic.
	Data     []byte
	Metadata map[string]string
}

// Place is where a message was put.
type Place struct {
	Partition int32
	Offset    int64
}

// Publish returns when the servers have the message, as producerRequiredAcks says.
func (c *Client) Publish(ctx context.Context, msg Message) (Place, error) {
	places, errs := c.PublishAll(ctx, []Message{msg})
	return places[0], errs[0]
}

// PublishAll sends many messages in as few requests as can be. What it gives is in the order of msgs.
func (c *Client) PublishAll(ctx context.Context, msgs []Message) ([]Place, []error) {
	places, errs := make([]Place, len(msgs)), make([]error, len(msgs))
	type outcome struct {
		i   int
		err error
	}
	outcomes := make(chan outcome, len(msgs)) // room for all: nobody may wait for us once we are gone
	records := make([]*kgo.Record, len(msgs))
	sent := 0
	for i, msg := range msgs {
		rec, err := c.record(ctx, msg)
		if err != nil {
			errs[i] = err
			continue
		}
		records[i] = rec
		sent++
		// Of several messages in a batch the first one's context would end all, so none has its caller's.
		c.cl.Produce(context.WithoutCancel(ctx), rec, func(_ *kgo.Record, err error) { outcomes <- outcome{i, err} })
	}
	timer := time.NewTimer(publishTimeout)
	defer timer.Stop()
	settled := make([]bool, len(msgs))
	for ; sent > 0; sent-- {
		var late error
		select {
		case o := <-outcomes:
			settled[o.i] = true
			errs[o.i] = c.failed(msgs[o.i].Topic, o.err)
			places[o.i] = Place{records[o.i].Partition, records[o.i].Offset}
			continue
		case <-ctx.Done():
			late = ctx.Err()
		case <-timer.C:
			late = unavailable("no server has confirmed the message within %s; it may be published all the same", publishTimeout)
		}
		for i, rec := range records {
			if rec != nil && !settled[i] {
				errs[i] = late
			}
		}
		break
	}
	return places, errs
}

// failed says what to do about an error of publishing.
func (c *Client) failed(topic string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return fmt.Errorf("the message is too large: maxMessageBytes is %d, and servers and topics have a limit of their own (message.max.bytes, max.message.bytes): %w", c.s.MaxMessageBytes, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		// It was deleted; the client library goes on with one of the same name only when it has forgotten this one.
		c.forget(topic)
		c.cl.PurgeTopicsFromProducing(topic)
		return unavailable("topic %s is not there any more; the next message asks for it again: %w", topic, err)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("topic %s: the server does not let this user publish: %w", topic, err)
	case strings.Contains(err.Error(), "topic purged"):
		return unavailable("topic %s was deleted: %w", topic, err)
	case strings.Contains(err.Error(), "record partitioning"): // the client library has no value of its own for it
		return badRequest("metadata %s: topic %s has no such partition: %w", partitionField, topic, err)
	}
	return err
}

// record makes Kafka's record of a message, in a topic that is there.
func (c *Client) record(ctx context.Context, msg Message) (*kgo.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := schema(msg.Metadata); err != nil {
		return nil, err
	}
	rec := &kgo.Record{Topic: msg.Topic, Partition: -1, Value: bytes.Clone(msg.Data)}
	for _, name := range slices.Sorted(maps.Keys(msg.Metadata)) {
		value := msg.Metadata[name]
		switch name {
		case keyField:
			rec.Key = []byte(value)
		case keyFact:
			if rec.Key == nil { // partitionKey comes later in the alphabet and counts more
				rec.Key = []byte(value)
			}
		case partitionField:
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil || n < 0 {
				return nil, badRequest("metadata %s: want 0 or more, found %q", partitionField, value)
			}
			rec.Partition = int32(n)
		case typeHeader:
			continue
		}
		if c.s.exclude == nil || !c.s.exclude.MatchString(name) {
			rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
	}
	if msg.ContentType != "" {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: typeHeader, Value: []byte(msg.ContentType)})
	}
	if err := c.ensure(ctx, msg.Topic); err != nil {
		return nil, err
	}
	return rec, nil
}

// schema refuses what needs a schema registry.
func schema(metadata map[string]string) error {
	for name, value := range metadata {
		if strings.EqualFold(name, schemaField) && !oneOf(value, "", "none") {
			return badRequest("metadata %s: want none, found %q: this driver has no schema registry; mrt-wasm-full has Dapr's own driver", schemaField, value)
		}
	}
	return nil
}

// partitioner puts a message into the partition that was asked for by number, or by its key into the one that Dapr
// takes for it, or else into any.
type partitioner struct{}

var byKey = kgo.StickyKeyPartitioner(kgo.SaramaCompatHasher(func(key []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(key) // never fails
	return h.Sum32()
}))

// ForTopic is called by the client library.
func (partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{byKey.ForTopic(topic)}
}

type topicPartitioner struct{ kgo.TopicPartitioner }

// RequiresConsistency tells whether only one partition will do.
func (p topicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || p.TopicPartitioner.RequiresConsistency(r)
}

// Partition chooses one of n.
func (p topicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition) // the client library refuses one that is not there
	}
	return p.TopicPartitioner.Partition(r, n)
}

// OnNewBatch lets messages without a key go to another partition.
func (p topicPartitioner) OnNewBatch() {
	if sticky, ok := p.TopicPartitioner.(kgo.TopicPartitionerOnNewBatch); ok {
		sticky.OnNewBatch()
	}
}
