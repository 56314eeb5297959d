// Package mqtt5 is the driver pubsub.mqtt5: topics of an MQTT server, by version 5 of the protocol, which carries content
// types and metadata as properties, bounds the life of messages and sessions, and says why it refuses something.
//
// Every consumer group has a session for each topic that it subscribes to, which the server keeps. A message that failed is
// held, not acknowledged, and handled again after growing pauses; what is not acknowledged when the consumer stops or
// crashes is delivered again to the next one.
package mqtt5

import (
	"context"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/mqttconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Spec is the driver.
var Spec = component.Spec[pubsub.Broker]{
	Type: "pubsub.mqtt5",
	Doc: `Topics of an MQTT server (Mosquitto 1.6 or newer, EMQX, HiveMQ and others), by MQTT 5.

The fields are those of pubsub.mqtt3, which is what Dapr has, and a few more. Content type and metadata of a message are sent as properties, and what other programs send as user properties is metadata.
ttlInSeconds is the message's expiry at the server. Subscriptions may have the wildcards + and #, and may be shared:
$share/<group>/<topic>. metadata retain of a message takes the place of the component's; metadata unsubscribeOnClose of a
subscription has the server forget it when it stops.

The server keeps a session for each consumer group and topic; their names begin with consumerID, or the app's name. One
process at a time may consume by a session. For replicas set clientID to a name of each: they then share the messages by
$share/<consumerID>/; as it is everywhere, retained messages do not come by shared subscriptions, and messages that a server
has assigned to a replica wait for it: a replica that goes for good is to keep its messages no longer than
sessionExpiryInterval. Mosquitto drops what a session has beyond 1,000 messages (max_queued_messages).`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	mqttconn.Settings
	Expiry time.Duration `metadata:"sessionExpiryInterval,s" default:"168h" doc:"how long the server keeps a session that nobody uses, and its messages; -1 is for ever"`
}

func open(ctx context.Context, cfg component.Config) (pubsub.Broker, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if s.Expiry == 0 || s.Expiry < 0 && s.Expiry != -time.Second {
		return nil, component.Permanent(fmt.Errorf("metadata field sessionExpiryInterval: want more than 0, or -1 for ever, found %s; for sessions that end at once set cleanSession: true", s.Expiry))
	}
	client, err := mqttconn.Open(ctx, mqttconn.Config{Settings: &s.Settings, V5: true, Expiry: s.Expiry, Name: s.Owner(cfg.Name), Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	return &broker{client: client}, nil
}

// failures are the block's kinds of errors.
var failures = mqttconn.Kinds{Topic: pubsub.ErrInvalidTopic, Invalid: pubsub.ErrInvalid, Unavailable: pubsub.ErrUnavailable}

type broker struct{ client *mqttconn.Client }

var (
	_ pubsub.Broker  = (*broker)(nil)
	_ pubsub.Pinger  = (*broker)(nil)
	_ pubsub.Expirer = (*broker)(nil)
)

func (b *broker) Publish(ctx context.Context, msg pubsub.Message) error {
	m := &mqttconn.Message{Topic: msg.Topic, Data: msg.Data, ContentType: msg.ContentType, Metadata: msg.Metadata}
	return failures.Of(b.client.Publish(ctx, m))
}

func (b *broker) Subscribe(ctx context.Context, sub pubsub.Subscription, h pubsub.Handler) (pubsub.Consumer, error) {
	c, err := b.client.Subscribe(ctx, mqttconn.Subscription{
		Filter: sub.Topic, Consumer: sub.Consumer, InFlight: sub.InFlight, MaxRetries: -1, Unsubscribe: mqttconn.Unsubscribes(sub.Metadata),
	}, func(ctx context.Context, m *mqttconn.Message) error {
		return h(ctx, pubsub.Message{Topic: m.Topic, ContentType: m.ContentType, Data: m.Data, Metadata: m.Metadata, Attempt: m.Attempt})
	})
	if err != nil {
		return nil, failures.Of(err)
	}
	return c, nil
}

// Ping connects once more.
func (b *broker) Ping(ctx context.Context) error { return failures.Of(b.client.Ping(ctx)) }

// Expires says that the server drops messages after ttlInSeconds.
func (b *broker) Expires() {}

func (b *broker) Close(ctx context.Context) error { return b.client.Close(ctx) }
