package conformance

import (
	"testing"

	contrib "github.com/dapr/components-contrib/pubsub"
	"github.com/dapr/components-contrib/tests/conformance/pubsub"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

func TestPubSub(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typ        string
		bulk       bool
		config     map[string]any
		properties func(t *testing.T) map[string]string
	}{
		{
			typ:        "pubsub.in-memory",
			properties: func(*testing.T) map[string]string { return nil },
		},
		{
			typ: "pubsub.jetstream", bulk: true,
			properties: func(t *testing.T) map[string]string {
				return map[string]string{
					"natsURL": testserver.NATS(t).URL, "name": "config-test", "flowControl": "true", "heartbeat": "5s",
				}
			},
		},
		{
			typ: "pubsub.redis", bulk: true,
			config: map[string]any{"checkInOrderProcessing": false}, // as Dapr
			properties: func(t *testing.T) map[string]string {
				return map[string]string{
					"redisHost": testserver.Redis(t).Addr, "redisPassword": "", "consumerID": "testConsumer",
					"processingTimeout": "5s", "redeliverInterval": "1s", "concurrency": "1",
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.typ, func(t *testing.T) {
			t.Parallel()
			b := newBroker(testOpener(t, tt.typ))
			var ps contrib.PubSub = b
			var operations []string
			if tt.bulk {
				ps, operations = bulkBroker{b}, []string{"bulkpublish"}
			}
			cfg, err := pubsub.NewTestConfig(tt.typ, operations, tt.config)
			if err != nil {
				t.Fatal(err)
			}
			pubsub.ConformanceTests(t, tt.properties(t), ps, cfg)
		})
	}
}
