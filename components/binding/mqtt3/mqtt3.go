// Package mqtt3 is the driver bindings.mqtt3: messages of an MQTT server, by version 3.1.1 of the protocol, for talking to
// devices and programs that know nothing of CloudEvents. Topics on MQTT are pubsub.mqtt3 and pubsub.mqtt5.
package mqtt3

import (
	"context"
	"fmt"
	"maps"

	"github.com/mrt-wasm/mrt-wasm/components/internal/mqttconn"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type:    "bindings.mqtt3",
	Aliases: []string{"bindings.mqtt"},
	Doc: `Messages of a topic of an MQTT server (Mosquitto, EMQX, HiveMQ and others), by MQTT 3.1.1.

Operation: create publishes the data as it is. The request's metadata topic and retain take the place of the component's.
As an input, topic may have the wildcards + and #; an event's metadata are topic and retained.

Every app that reads has a session of its own at the server, whose name begins with consumerID and the app's name. An event
whose handler failed is held, not acknowledged, and handled again after growing pauses; after backOffMaxRetries it is left
to the next connection, as in Dapr. For replicas of an app set clientID to a name of each: they then share the events by a
shared subscription.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	mqttconn.Settings
	Topic      string `metadata:"topic,required" doc:"topic that is read and that create publishes to; wildcards only for reading"`
	MaxRetries int64  `metadata:"backOffMaxRetries" default:"-1" doc:"how often an event that failed is handled again before it is left to the server, which delivers it again with the next connection; -1 is without end"`
}

func open(ctx context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := mqttconn.CheckFilter(s.Topic); err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field topic: %w", err))
	}
	if s.MaxRetries < -1 {
		return nil, component.Permanent(fmt.Errorf("metadata field backOffMaxRetries: want -1 or more, found %d", s.MaxRetries))
	}
	client, err := mqttconn.Open(ctx, mqttconn.Config{Settings: &s.Settings, Name: s.Owner(cfg.Name), Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	return &conn{s: s, name: s.Owner(cfg.Name), client: client}, nil
}

// failures are the block's kinds of errors.
var failures = mqttconn.Kinds{Topic: binding.ErrInvalid, Invalid: binding.ErrInvalid, Unavailable: binding.ErrUnavailable}

type conn struct {
	s      *settings
	name   string
	client *mqttconn.Client
}

var (
	_ binding.Binding = (*conn)(nil)
	_ binding.Output  = (*conn)(nil)
	_ binding.Input   = (*conn)(nil)
	_ binding.Pinger  = (*conn)(nil)
)

// Operations lists what Invoke takes.
func (c *conn) Operations() []string { return []string{"create"} }

func (c *conn) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	if req.Operation != "create" {
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: c.Operations()}
	}
	m := &mqttconn.Message{Topic: c.s.Topic, Data: req.Data, Metadata: req.Metadata}
	if topic, _ := component.Metadata(req.Metadata).Get("topic"); topic != "" {
		m.Topic = topic
	}
	return nil, failures.Of(c.client.Publish(ctx, m))
}

// Read begins to read for one app.
func (c *conn) Read(ctx context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	r, err := c.client.Subscribe(ctx, mqttconn.Subscription{
		Filter: c.s.Topic, Consumer: c.name + "-" + consumer, MaxRetries: int(c.s.MaxRetries),
	}, func(ctx context.Context, m *mqttconn.Message) error {
		ev := &binding.Event{Data: m.Data, Metadata: maps.Clone(m.Metadata)}
		ev.Metadata["topic"] = m.Topic
		// That the app has no place now is not one of the failures that backOffMaxRetries counts.
		_, err := binding.Admitted(ctx, h, ev)
		return err
	})
	if err != nil {
		return nil, failures.Of(err)
	}
	return r, nil
}

// Ping connects once more.
func (c *conn) Ping(ctx context.Context) error { return failures.Of(c.client.Ping(ctx)) }

func (c *conn) Close(ctx context.Context) error { return c.client.Close(ctx) }
