package mqtt5

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/components/pubsub/mqtt3/mqtttest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

var driver = mqtttest.Driver{New: Spec.New, Bad: component.Metadata{"sessionExpiryInterval": "0"}}

func TestMain(m *testing.M) { os.Exit(pubsubtest.Main(m, driver.OpenAt)) }

func TestConformance(t *testing.T) {
	server := testserver.Mosquitto(t)
	pubsubtest.Run(t, driver.Suite(server, nil), driver.Caps(server))
}

func TestMQTT(t *testing.T) { driver.Run(t) }

func TestConsumerCrash(t *testing.T) {
	pubsubtest.Crash(t, driver.OpenAt, testserver.Mosquitto(t).Addr)
}

// Properties are what other programs of MQTT 5 see, and theirs are metadata here.
func TestProperties(t *testing.T) {
	server := testserver.Mosquitto(t)
	b := driver.Open(t, server.Addr, nil)
	got := make(chan pubsub.Message, 10)
	mqtttest.Consume(t, b, pubsub.Subscription{Topic: "props", Consumer: "app"}, func(msg pubsub.Message) { got <- msg })
	raw, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan *paho.Publish, 10)
	client := paho.NewClient(paho.ClientConfig{Conn: raw, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) {
			seen <- p.Packet
			return true, nil
		},
	}})
	if _, err := client.Connect(t.Context(), &paho.Connect{ClientID: "other", CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(&paho.Disconnect{}) }()
	if _, err := client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "props", QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "props", ContentType: "text/x", Data: []byte("ours"), Metadata: map[string]string{"k": "v", "ttlInSeconds": "60"}}); err != nil {
		t.Fatal(err)
	}
	<-got
	if p := <-seen; p.Properties.ContentType != "text/x" || p.Properties.User.Get("k") != "v" || len(p.Properties.User) != 1 || p.Properties.MessageExpiry == nil || *p.Properties.MessageExpiry > 60 {
		t.Errorf("on the wire: %+v", p.Properties)
	}
	theirs := &paho.Publish{Topic: "props", QoS: 1, Payload: []byte("theirs"), Properties: &paho.PublishProperties{ContentType: "text/y"}}
	theirs.Properties.User.Add("device", "pump")
	if _, err := client.Publish(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	if msg := <-got; msg.ContentType != "text/y" || msg.Metadata["device"] != "pump" || string(msg.Data) != "theirs" {
		t.Errorf("from another client: %+v", msg)
	}
}

// A server forgets a session, and the messages that wait there, after sessionExpiryInterval.
func TestSessionExpiry(t *testing.T) {
	server := testserver.Mosquitto(t)
	for expiry, kept := range map[string]bool{"1": false, "1h": true, "-1": true} {
		b := driver.Open(t, server.Addr, component.Metadata{"sessionExpiryInterval": expiry})
		got := make(chan string, 10)
		sub := pubsub.Subscription{Topic: "expiry", Consumer: "app" + expiry}
		take := func(msg pubsub.Message) { got <- string(msg.Data) }
		mqtttest.Consume(t, b, sub, take)()
		mqtttest.Send(t, b, "expiry", "waits")
		time.Sleep(3 * time.Second) // time is what the test is about
		sub.InFlight = 1
		mqtttest.Consume(t, b, sub, take)
		mqtttest.Send(t, b, "expiry", "last")
		if first := <-got; (first == "waits") != kept {
			t.Errorf("sessionExpiryInterval %s: got %s first", expiry, first)
		}
	}
}

func BenchmarkMosquitto(b *testing.B) {
	pubsubtest.Bench(b, driver.Suite(testserver.Mosquitto(b), nil))
}
