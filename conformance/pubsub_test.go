package conformance

import (
	"testing"

	contrib "github.com/dapr/components-contrib/pubsub"
	"github.com/dapr/components-contrib/tests/conformance/pubsub"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

// pubsubTest is one run of the suite.
type pubsubTest struct {
	typ    string
	bulk   bool
	config map[string]any
	open   func(t *testing.T) map[string]string
}

func pubsubTests() []pubsubTest {
	anyOrder := map[string]any{"checkInOrderProcessing": false}
	mqtt := func(t *testing.T) map[string]string {
		return map[string]string{
			"url": "tcp://" + testserver.Mosquitto(t).Addr, "consumerID": "testConsumer", "retain": "false", "qos": "1", "cleanSession": "false",
		}
	}
	return []pubsubTest{
		{typ: "pubsub.in-memory", open: fixed(nil)},
		{typ: "pubsub.jetstream", bulk: true, open: func(t *testing.T) map[string]string {
			return map[string]string{
				"natsURL": testserver.NATS(t).URL, "name": "config-test", "flowControl": "true", "heartbeat": "5s",
			}
		}},
		{typ: "pubsub.redis", bulk: true, config: anyOrder, open: func(t *testing.T) map[string]string {
			return map[string]string{
				"redisHost": testserver.Redis(t).Addr, "redisPassword": "", "consumerID": "testConsumer",
				"processingTimeout": "5s", "redeliverInterval": "1s", "concurrency": "1",
			}
		}},
		{typ: "pubsub.kafka", bulk: true, open: func(*testing.T) map[string]string {
			return map[string]string{
				"brokers": kafka().Addr, "consumerGroup": "pubsubgroup1", "authRequired": "false", "initialOffset": "oldest",
			}
		}},
		{typ: "pubsub.mqtt3", open: mqtt},
		{typ: "pubsub.mqtt5", open: mqtt},
		{typ: "pubsub.rabbitmq", bulk: true, config: anyOrder, open: func(*testing.T) map[string]string {
			return map[string]string{
				"host": rabbitMQ().URL(), "consumerID": "testConsumer", "durable": "false", "deletedWhenUnused": "false",
				"autoAck": "false", "deliveryMode": "0", "requeueInFailure": "true", "prefetchCount": "0", "reconnectWait": "0",
				"concurrencyMode": "single",
			}
		}},
		{typ: "pubsub.wasm", bulk: true},
	}
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	for _, tt := range pubsubTests() {
		t.Run(tt.typ, func(t *testing.T) {
			var o opener
			var properties map[string]string
			if tt.open == nil {
				o, _ = plugin(t, tt.typ, "../components/pubsub/wasm/testdata/overstate")
			} else {
				o, properties = testOpener(t, tt.typ), tt.open(t)
			}
			t.Parallel()
			b := newBroker(o)
			var ps contrib.PubSub = b
			var operations []string
			if tt.bulk {
				ps, operations = bulkBroker{b}, []string{"bulkpublish"}
			}
			cfg, err := pubsub.NewTestConfig(tt.typ, operations, tt.config)
			if err != nil {
				t.Fatal(err)
			}
			pubsub.ConformanceTests(t, properties, ps, cfg)
		})
	}
}
