package mqtt3

import (
	"os"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/components/pubsub/mqtt3/mqtttest"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

var driver = mqtttest.Driver{New: Spec.New, Bare: true}

func TestMain(m *testing.M) { os.Exit(pubsubtest.Main(m, driver.OpenAt)) }

func TestConformance(t *testing.T) {
	server := testserver.Mosquitto(t)
	pubsubtest.Run(t, driver.Suite(server, nil), driver.Caps(server))
}

func TestMQTT(t *testing.T) { driver.Run(t) }

func TestConsumerCrash(t *testing.T) {
	pubsubtest.Crash(t, driver.OpenAt, testserver.Mosquitto(t).Addr)
}

// Dapr sends the CloudEvent as the payload, or the raw payload, and nothing else; so does this driver.
func TestPayloadIsDaprs(t *testing.T) {
	server := testserver.Mosquitto(t)
	b := driver.Open(t, server.Addr, nil)
	payloads := make(chan []byte, 10)
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + server.Addr).SetClientID("other"))
	wait := func(token mqtt.Token) {
		t.Helper()
		if token.Wait(); token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	wait(client.Connect())
	wait(client.Subscribe("orders", 1, func(_ mqtt.Client, m mqtt.Message) { payloads <- m.Payload() }))
	defer client.Disconnect(100)
	const event = `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"a":1}}`
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "orders", ContentType: "application/cloudevents+json", Data: []byte(event), Metadata: map[string]string{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	if got := <-payloads; string(got) != event {
		t.Errorf("on the wire: %q", got)
	}
	got := make(chan pubsub.Message, 10)
	mqtttest.Consume(t, b, pubsub.Subscription{Topic: "fromdapr", Consumer: "app"}, func(msg pubsub.Message) { got <- msg })
	wait(client.Publish("fromdapr", 1, false, event))
	if msg := <-got; string(msg.Data) != event {
		t.Errorf("from another client: %q", msg.Data)
	}
}

func BenchmarkMosquitto(b *testing.B) {
	pubsubtest.Bench(b, driver.Suite(testserver.Mosquitto(b), nil))
}
