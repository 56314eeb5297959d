package rabbitmq

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/rabbitconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// metadataHeader has a message's metadata as a JSON object: names of headers cannot be any text, and some mean something
// to the server.
const metadataHeader = "mrt-metadata"

// outgoing makes what is published of a message.
func (b *broker) outgoing(msg pubsub.Message) (rabbitconn.Outgoing, error) {
	meta := component.Metadata(msg.Metadata)
	text := func(name string) string {
		v, _ := meta.Get(name)
		return v
	}
	out := rabbitconn.Outgoing{
		Exchange: msg.Topic, Key: text("routingKey"), Name: msg.Topic,
		Declare: func(ch *amqp.Channel) error { return b.s.exchange(ch, msg.Topic) },
		Publishing: amqp.Publishing{
			Body: msg.Data, ContentType: msg.ContentType, DeliveryMode: b.s.deliveryMode(),
			MessageId: text("messageID"), CorrelationId: text("correlationID"), Type: text("type"),
		},
	}
	if err := checkTopic(msg.Topic); err != nil {
		return out, err
	}
	if v := text("contentType"); v != "" {
		out.ContentType = v
	}
	if n, ok, err := number(meta, "priority", 255); err != nil {
		return out, err
	} else if ok {
		out.Priority = uint8(n)
	}
	lives, err := b.ttl(meta)
	if err != nil {
		return out, err
	}
	if lives > 0 {
		out.Expiration = strconv.FormatInt(max(lives.Milliseconds(), 1), 10)
	}
	if len(msg.Metadata) > 0 {
		all, err := json.Marshal(msg.Metadata)
		if err != nil {
			return out, fmt.Errorf("metadata: %w: %w", pubsub.ErrInvalid, err)
		}
		out.Headers = amqp.Table{metadataHeader: string(all)}
	}
	if err := out.Check(); err != nil {
		return out, fmt.Errorf("%w: %w", pubsub.ErrInvalid, err)
	}
	return out, nil
}

// ttl is how long a message lives; 0 for ever.
func (b *broker) ttl(meta component.Metadata) (time.Duration, error) {
	text, _ := meta.Get("ttlInSeconds", "ttl")
	if text == "" {
		if b.s.TTL != nil {
			return *b.s.TTL, nil
		}
		return 0, nil
	}
	lives, err := time.ParseDuration(text)
	if n, intErr := strconv.ParseInt(text, 10, 64); intErr == nil && n > 0 && n <= int64(maxTTL/time.Second) {
		lives, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || lives <= 0 || lives > maxTTL {
		return 0, fmt.Errorf("%w: metadata ttlInSeconds: RabbitMQ takes 1 to %d, found %q", pubsub.ErrInvalid, int64(maxTTL/time.Second), text)
	}
	return lives, nil
}

// message is the reverse of outgoing. The attempt after which a message is given up is one of which nothing is known: so a
// subscription's own dead letter topic gets it.
func (b *broker) message(topic string, d *rabbitconn.Delivery) pubsub.Message {
	msg := pubsub.Message{Topic: topic, ContentType: d.ContentType, Data: d.Body, Attempt: d.Attempt}
	if b.last(d) {
		msg.Attempt = 0
	}
	if text, ok := d.Headers[metadataHeader].(string); ok && json.Unmarshal([]byte(text), &msg.Metadata) != nil {
		msg.Metadata = nil // somebody else's
	}
	if !b.s.Properties {
		return msg
	}
	if msg.Metadata == nil {
		msg.Metadata = map[string]string{}
	}
	for name, value := range map[string]string{"messageid": d.MessageId, "correlationid": d.CorrelationId, "type": d.Type, "contenttype": d.ContentType} {
		if value != "" {
			msg.Metadata["metadata."+name] = value
		}
	}
	for name, value := range d.Headers {
		switch v := value.(type) {
		case nil:
		case []byte:
			msg.Metadata["metadata."+name] = string(v)
		default:
			msg.Metadata["metadata."+name] = fmt.Sprint(v)
		}
	}
	delete(msg.Metadata, "metadata."+metadataHeader)
	return msg
}

// last tells whether a message is given up when it fails now.
func (b *broker) last(d *rabbitconn.Delivery) bool {
	most := b.s.maxDeliver()
	return most > 0 && d.Attempt >= most
}
