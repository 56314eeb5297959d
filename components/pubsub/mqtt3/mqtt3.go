// Package mqtt3 is the driver pubsub.mqtt3: topics of an MQTT server, by version 3.1.1 of the protocol. A message is its
// payload and nothing more, as Dapr sends it, so both can share a server.
//
// Every consumer group has a session for each topic that it subscribes to, which the server keeps. Version 3 has no way to
// give a message back: one that failed is held, not acknowledged, and handled again after growing pauses; what is not
// acknowledged when the consumer stops or crashes is delivered again to the next one.
package mqtt3

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/components/internal/mqttconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Spec is the driver.
var Spec = component.Spec[pubsub.Broker]{
	Type:    "pubsub.mqtt3",
	Aliases: []string{"pubsub.mqtt"},
	Doc: `Topics of an MQTT server (Mosquitto, EMQX, HiveMQ and others), by MQTT 3.1.1.

A message is its payload: its content type and metadata are not sent, beside what a CloudEvent has of them. Subscriptions
may have the wildcards + and #, and may be shared: $share/<group>/<topic>. metadata retain of a message takes the place of
the component's; metadata unsubscribeOnClose of a subscription has the server forget it when it stops.

The server keeps a session for each consumer group and topic; their names begin with consumerID, or the app's name. One
process at a time may consume by a session. For replicas set clientID to a name of each: they then share the messages by
$share/<consumerID>/, which Mosquitto and most others know in version 3 too; as it is everywhere, retained messages do not
come by shared subscriptions. In Dapr replicas have a consumerID each, and $share stands in the topic: that works as well.
How many messages a server keeps for a session that nobody uses, and how long, are its own settings; Mosquitto drops all
beyond 1,000 (max_queued_messages).`,
	Fields: func() any { return &mqttconn.Settings{} },
	New:    open,
}

func open(ctx context.Context, cfg component.Config) (pubsub.Broker, error) {
	s := &mqttconn.Settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	client, err := mqttconn.Open(ctx, mqttconn.Config{Settings: s, Name: s.Owner(cfg.Name), Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	return &broker{client: client}, nil
}

// failures are the block's kinds of errors.
var failures = mqttconn.Kinds{Topic: pubsub.ErrInvalidTopic, Invalid: pubsub.ErrInvalid, Unavailable: pubsub.ErrUnavailable}

type broker struct{ client *mqttconn.Client }

var (
	_ pubsub.Broker = (*broker)(nil)
	_ pubsub.Pinger = (*broker)(nil)
)

func (b *broker) Publish(ctx context.Context, msg pubsub.Message) error {
	m := &mqttconn.Message{Topic: msg.Topic, Data: msg.Data, Metadata: msg.Metadata}
	return failures.Of(b.client.Publish(ctx, m))
}

func (b *broker) Subscribe(ctx context.Context, sub pubsub.Subscription, h pubsub.Handler) (pubsub.Consumer, error) {
	c, err := b.client.Subscribe(ctx, mqttconn.Subscription{
		Filter: sub.Topic, Consumer: sub.Consumer, InFlight: sub.InFlight, MaxRetries: -1, Unsubscribe: mqttconn.Unsubscribes(sub.Metadata),
	}, func(ctx context.Context, m *mqttconn.Message) error {
		return h(ctx, pubsub.Message{Topic: m.Topic, Data: m.Data, Metadata: m.Metadata, Attempt: m.Attempt})
	})
	if err != nil {
		return nil, failures.Of(err)
	}
	return c, nil
}

// Ping connects once more.
func (b *broker) Ping(ctx context.Context) error { return failures.Of(b.client.Ping(ctx)) }

func (b *broker) Close(ctx context.Context) error { return b.client.Close(ctx) }
