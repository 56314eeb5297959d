// Package redis is the driver pubsub.redis: topics as Redis streams, consumer groups as the groups of streams. Streams
// and groups are those of Dapr, so both can share a server.
//
// A new group gets all that the stream still has. Entries stay in the stream after they are acknowledged; maxLenApprox
// and streamTTL bound it. A message that failed, or whose consumer is gone, is delivered again once it was left alone
// for processingTimeout, which is looked for every redeliverInterval.
package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/redisconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Spec is the driver.
var Spec = component.Spec[pubsub.Broker]{
	Type: "pubsub.redis",
	Doc: `Topics in Redis streams, on a single server, behind sentinels or in a cluster. Redis 6.2 or newer is needed.

A message that failed is delivered again after processingTimeout, as is one whose consumer crashed; while a handler
runs, its message stays its own. What Redis keeps over a restart is up to its own settings (appendonly).`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	redisconn.Settings

	ConsumerID        string        `metadata:"consumerID" doc:"consumer group; default the app's name"`
	RedeliverInterval time.Duration `metadata:"redeliverInterval,ms" default:"60s" doc:"how often to look for messages to deliver again; 0 never delivers again"`
	ProcessingTimeout time.Duration `metadata:"processingTimeout,ms" default:"15s" doc:"time after which a message that nobody works on is delivered again; 0 never delivers again"`
	QueueDepth        int64         `metadata:"queueDepth" default:"100" doc:"most messages that are taken from the server and not handled yet, per subscription"`
	Concurrency       int64         `metadata:"concurrency" default:"10" doc:"messages that are handled at once, per subscription"`
	MaxLenApprox      int64         `metadata:"maxLenApprox" doc:"about how many of the latest messages a stream keeps; default all"`
	StreamTTL         time.Duration `metadata:"streamTTL,ms" doc:"about how long a stream keeps messages; default for ever"`
}

func (s *settings) check() error {
	if s.RedeliverInterval < 0 || s.ProcessingTimeout < 0 || s.QueueDepth < 0 || s.MaxLenApprox < 0 || s.StreamTTL < 0 || s.Concurrency < 1 {
		return errors.New("metadata fields redeliverInterval, processingTimeout, queueDepth, maxLenApprox and streamTTL: want 0 or more; concurrency: 1 or more")
	}
	return nil
}

// The fields of a stream entry; data and metadata are Dapr's.
const (
	dataField     = "data"
	metadataField = "metadata"
	typeField     = "contentType"
)

func open(ctx context.Context, cfg component.Config) (pubsub.Broker, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, component.Permanent(err)
	}
	client, err := redisconn.Dial(ctx, &s.Settings)
	if err != nil {
		return nil, err
	}
	return &broker{client: client, s: s, log: cfg.Log}, nil
}

type broker struct {
	client goredis.UniversalClient
	s      *settings
	log    *slog.Logger
}

var (
	_ pubsub.Broker        = (*broker)(nil)
	_ pubsub.BulkPublisher = (*broker)(nil)
	_ pubsub.Pinger        = (*broker)(nil)
)

func (b *broker) Publish(ctx context.Context, msg pubsub.Message) error {
	add, err := b.add(msg)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.client.XAdd(ctx, add).Err(); err != nil {
		return failure(ctx, msg.Topic, err)
	}
	b.trim(ctx, msg.Topic)
	return nil
}

// trim bounds the length where XADD has bounded the age; it takes only one of both.
func (b *broker) trim(ctx context.Context, topic string) {
	if b.s.StreamTTL == 0 || b.s.MaxLenApprox == 0 {
		return
	}
	if err := b.client.XTrimMaxLenApprox(ctx, topic, b.s.MaxLenApprox, 0).Err(); err != nil {
		b.log.Warn("a stream is not cut to maxLenApprox", "topic", topic, "error", err)
	}
}

// BulkPublish sends all messages in one go.
func (b *broker) BulkPublish(ctx context.Context, msgs []pubsub.Message) ([]error, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	errs := make([]error, len(msgs))
	cmds := make([]*goredis.StringCmd, len(msgs))
	pipe := b.client.Pipeline()
	topics := map[string]bool{}
	for i, msg := range msgs {
		add, err := b.add(msg)
		if err != nil {
			errs[i] = err
			continue
		}
		cmds[i] = pipe.XAdd(ctx, add)
		topics[msg.Topic] = true
	}
	_, _ = pipe.Exec(ctx) // every command has its own error
	for i, cmd := range cmds {
		if cmd != nil && cmd.Err() != nil {
			errs[i] = failure(ctx, msgs[i].Topic, cmd.Err())
		}
	}
	for topic := range topics {
		b.trim(ctx, topic)
	}
	return errs, nil
}

func (b *broker) add(msg pubsub.Message) (*goredis.XAddArgs, error) {
	if msg.Topic == "" {
		return nil, fmt.Errorf("topic is empty: %w", pubsub.ErrInvalidTopic)
	}
	values := []any{dataField, msg.Data}
	if msg.ContentType != "" {
		values = append(values, typeField, msg.ContentType)
	}
	if len(msg.Metadata) > 0 {
		meta, err := json.Marshal(msg.Metadata)
		if err != nil {
			return nil, fmt.Errorf("metadata: %w: %w", pubsub.ErrInvalid, err)
		}
		values = append(values, metadataField, meta)
	}
	add := &goredis.XAddArgs{Stream: msg.Topic, Values: values}
	switch {
	case b.s.StreamTTL > 0:
		add.MinID, add.Approx = strconv.FormatInt(time.Now().Add(-b.s.StreamTTL).UnixMilli(), 10), true
	case b.s.MaxLenApprox > 0:
		add.MaxLen, add.Approx = b.s.MaxLenApprox, true
	}
	return add, nil
}

// message is the reverse of add. Values that another program wrote in another form are left out.
func message(topic string, entry goredis.XMessage, attempt int) pubsub.Message {
	msg := pubsub.Message{Topic: topic, Attempt: attempt}
	if data, ok := entry.Values[dataField].(string); ok {
		msg.Data = []byte(data)
	}
	if typ, ok := entry.Values[typeField].(string); ok {
		msg.ContentType = typ
	}
	if text, ok := entry.Values[metadataField].(string); ok {
		if json.Unmarshal([]byte(text), &msg.Metadata) != nil {
			msg.Metadata = nil
		}
	}
	return msg
}

// failure says what kind of error it is.
func failure(ctx context.Context, topic string, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case redisconn.Unreachable(err):
		return fmt.Errorf("%w: %w", pubsub.ErrUnavailable, err)
	case strings.HasPrefix(err.Error(), "WRONGTYPE"):
		return fmt.Errorf("topic %q: %w: the key of this name is no stream: %w", topic, pubsub.ErrInvalidTopic, err)
	default:
		return err
	}
}

// Ping asks the server.
func (b *broker) Ping(ctx context.Context) error {
	if err := b.client.Ping(ctx).Err(); err != nil {
		return failure(ctx, "", err)
	}
	return nil
}

func (b *broker) Close(context.Context) error { return b.client.Close() }
