package testserver_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

func TestRabbitMQKeepsItsQueues(t *testing.T) {
	s := testserver.RabbitMQ(t)
	open := func() (*amqp.Connection, *amqp.Channel) {
		conn, err := amqp.Dial(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		return conn, ch
	}
	_, ch := open()
	if _, err := ch.QueueDeclare("q", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	sent, err := ch.PublishWithDeferredConfirm("", "q", false, false, amqp.Publishing{Body: []byte("kept"), DeliveryMode: amqp.Persistent})
	if err != nil || !sent.Wait() {
		t.Fatalf("publish: %v", err)
	}
	s.Stop()
	if conn, err := amqp.Dial(s.URL()); err == nil {
		t.Fatalf("stopped: connected to %s", conn.RemoteAddr())
	}
	s.Start()
	conn, ch := open()
	defer func() { _ = conn.Close() }()
	if d, ok, err := ch.Get("q", true); err != nil || !ok || string(d.Body) != "kept" {
		t.Errorf("started again: got %q, %v, %v; want the message that was published", d.Body, ok, err)
	}
}
