package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

func TestBadSettings(t *testing.T) {
	for _, test := range []struct {
		fields component.Metadata
		want   string
	}{
		{component.Metadata{"deliveryMode": "3"}, "deliveryMode"},
		{component.Metadata{"maxDeliver": "0"}, "maxDeliver"},
		{component.Metadata{"prefetchCount": "-1"}, "prefetchCount"},
		{component.Metadata{"prefetchCount": "70000"}, "prefetchCount"},
		{component.Metadata{"maxLen": "-1"}, "maxLen"},
		{component.Metadata{"maxLenBytes": "many"}, "maxLenBytes"},
		{component.Metadata{"concurrency": "some"}, "concurrency"},
		{component.Metadata{"exchangeKind": "x-delayed"}, "exchangeKind"},
		{component.Metadata{"ttlInSeconds": "0"}, "ttlInSeconds"},
		{component.Metadata{"ttlInSeconds": "9999999999"}, "ttlInSeconds"},
		{component.Metadata{"heartBeat": "10ms"}, "heartBeat"},
		{component.Metadata{"reconnectWait": "-1s"}, "connecting again"},
		{component.Metadata{"protocol": "http"}, "protocol"},
		{component.Metadata{"hostname": "a b"}, "hostname"},
		{component.Metadata{"saslExternal": "true"}, "saslExternal"},
		{component.Metadata{"durable": "perhaps"}, "durable"},
	} {
		if _, err := tryOpen(t, nil, test.fields); !permanent(err) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want a permanent error that names %s", test.fields, err, test.want)
		}
	}
}

func TestEveryFieldIsDocumented(t *testing.T) {
	for _, f := range component.Fields(&settings{}) {
		if f.Doc == "" {
			t.Errorf("field %s has no doc", f.Name)
		}
	}
}

func TestBadSubscriptions(t *testing.T) {
	b := openClosed(t, component.Metadata{"enableDeadLetter": "true"})
	for _, meta := range []map[string]string{
		{"queueType": "stream"},
		{"maxPriority": "high"},
		{"maxLen": "-1"},
		{"maxLenBytes": "x"},
		{"singleActiveConsumer": "perhaps"},
		{"queueName": strings.Repeat("q", 252)},
		{"queueName": "line\nbreak"},
	} {
		sub := pubsub.Subscription{Topic: "bad", Consumer: "g", Metadata: meta}
		if c, err := b.Subscribe(t.Context(), sub, nil); !errors.Is(err, pubsub.ErrInvalid) && !errors.Is(err, pubsub.ErrInvalidTopic) {
			t.Errorf("%v: got %v, %v, want ErrInvalid or ErrInvalidTopic", meta, c, err)
		}
	}
	for _, meta := range []map[string]string{
		{"priority": "256"},
		{"priority": "high"},
		{"ttlInSeconds": "0"},
		{"ttlInSeconds": "5000000"},
		{"ttl": "-1s"},
		{"routingKey": strings.Repeat("k", 256)},
		{"messageID": strings.Repeat("m", 256)},
		{"contentType": strings.Repeat("c", 256)},
	} {
		if err := b.Publish(t.Context(), pubsub.Message{Topic: "bad", Metadata: meta}); !errors.Is(err, pubsub.ErrInvalid) {
			t.Errorf("publish with %.40v: got %v, want ErrInvalid", meta, err)
		}
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "amq.of-ours"}); !errors.Is(err, pubsub.ErrInvalidTopic) {
		t.Errorf("a name that is the server's: got %v, want ErrInvalidTopic", err)
	}
	// The server's own limit: 128 MiB.
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "bad", Data: make([]byte, 128<<20+1)}); err == nil || errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("a message that is too large: got %v, want an error that is not ErrUnavailable", err)
	}
	send(t, b, "bad", "the next is fine")
}

// Everything is declared as Dapr does, by whose arguments it is declared here again: the server refuses others.
func TestTopologyIsDaprs(t *testing.T) {
	for _, test := range []struct {
		name             string
		fields           component.Metadata
		durable, deleted bool
		args             amqp.Table
	}{
		{"defaults", component.Metadata{"deletedWhenUnused": "", "requeueInFailure": ""}, true, true, amqp.Table{}},
		{
			"all",
			component.Metadata{"durable": "false", "enableDeadLetter": "true", "maxLen": "1000", "maxLenBytes": "1000000"},
			false, false,
			amqp.Table{"x-max-length": int64(1000), "x-max-length-bytes": int64(1000000)},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			topic := "dapr-" + test.name
			b := openClosed(t, test.fields)
			r := consume(t, b, pubsub.Subscription{Topic: topic, Metadata: map[string]string{"maxPriority": "10"}}, nil)
			ch := raw(t)
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			check(ch.ExchangeDeclare(topic, "fanout", test.durable, test.deleted, false, false, nil))
			args := amqp.Table{"x-queue-type": "classic", "x-max-priority": uint8(10)}
			letters := amqp.Table{"x-queue-mode": "lazy"}
			for k, v := range test.args {
				args[k], letters[k] = v, v
			}
			if test.fields["enableDeadLetter"] != "" {
				args["x-dead-letter-exchange"] = "dlx-g-" + topic
				check(ch.ExchangeDeclare("dlx-g-"+topic, "fanout", true, test.deleted, false, false, nil))
				_, err := ch.QueueDeclare("dlq-g-"+topic, true, test.deleted, false, false, letters)
				check(err)
			}
			_, err := ch.QueueDeclare("g-"+topic, test.durable, test.deleted, false, false, args)
			check(err)
			// A message as Dapr sends it.
			check(ch.PublishWithContext(t.Context(), topic, "", false, false, amqp.Publishing{ContentType: "text/plain", Body: []byte(`{"id":"1"}`)}))
			if msg := r.next(t); string(msg.Data) != `{"id":"1"}` || msg.Topic != topic || msg.ContentType != "text/plain" {
				t.Errorf("got %+v", msg)
			}
		})
	}
}

func TestOtherSettingsAtServer(t *testing.T) {
	if err := raw(t).ExchangeDeclare("taken", "topic", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	b := openClosed(t, nil)
	_, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: "taken", Consumer: "g"}, nil)
	for what, err := range map[string]error{"publish": b.Publish(t.Context(), pubsub.Message{Topic: "taken"}), "subscribe": err} {
		if err == nil || errors.Is(err, pubsub.ErrUnavailable) || !strings.Contains(err.Error(), "exchange taken: exists with other settings") {
			t.Errorf("%s: got %v, want an error that says that the exchange has other settings", what, err)
		}
	}
	send(t, b, "free", "other topics work")
}

func TestPropertiesOfMessages(t *testing.T) {
	b := openClosed(t, component.Metadata{"publishMessagePropertiesToMetadata": "true", "exchangeKind": "topic"})
	ch := raw(t)
	r := consume(t, b, pubsub.Subscription{Topic: "props", Metadata: map[string]string{"routingKey": "a.*,b"}}, nil)
	if _, err := ch.QueueDeclare("seen", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind("seen", "#", "props", false, nil); err != nil {
		t.Fatal(err)
	}
	given := []string{"routingKey", "a.x", "priority", "7", "ttlInSeconds", "60", "messageID", "m", "correlationID", "c", "type", "t", "contentType", "text/x", "other", "o"}
	send(t, b, "props", "no queue wants it", "routingKey", "z")
	send(t, b, "props", "full", given...)
	msg := r.next(t)
	if string(msg.Data) != "full" || msg.ContentType != "text/x" || msg.Attempt != 1 {
		t.Errorf("got %+v", msg)
	}
	for name, want := range map[string]string{
		"metadata.messageid": "m", "metadata.correlationid": "c", "metadata.type": "t", "metadata.contenttype": "text/x", "other": "o", "priority": "7",
	} {
		if msg.Metadata[name] != want {
			t.Errorf("metadata %s: got %q, want %q", name, msg.Metadata[name], want)
		}
	}
	for {
		d, ok, err := ch.Get("seen", true)
		if err != nil || !ok {
			t.Fatalf("the server has no such message: %v", err)
		}
		if string(d.Body) != "full" {
			continue
		}
		if d.Priority != 7 || d.Expiration != "60000" || d.DeliveryMode != amqp.Persistent || d.MessageId != "m" || d.CorrelationId != "c" || d.Type != "t" {
			t.Errorf("at the server: %+v", d)
		}
		break
	}
	err := ch.PublishWithContext(t.Context(), "props", "b", false, false, amqp.Publishing{Headers: amqp.Table{"text": "v", "number": int64(5), "bytes": []byte("b")}, Body: []byte("theirs")})
	if err != nil {
		t.Fatal(err)
	}
	msg = r.next(t)
	if got := fmt.Sprint(msg.Metadata["metadata.text"], msg.Metadata["metadata.number"], msg.Metadata["metadata.bytes"]); got != "v5b" {
		t.Errorf("headers of others: got %s in %v", got, msg.Metadata)
	}
}

func TestTimeToLive(t *testing.T) {
	b := openClosed(t, component.Metadata{"ttlInSeconds": "1"})
	sub := pubsub.Subscription{Topic: "ttl"}
	consume(t, b, sub, nil).stop(t)
	send(t, b, "ttl", "the component's", "x", "y")
	send(t, b, "ttl", "the message's", "ttl", "100ms")
	send(t, b, "ttl", "lives", "ttlInSeconds", "3600")
	ch := raw(t)
	until(t, "two messages expire", func() bool {
		q, err := ch.QueueDeclarePassive("g-ttl", true, false, false, false, nil)
		return err == nil && q.Messages == 1
	})
	if msg := consume(t, b, sub, nil).next(t); string(msg.Data) != "lives" {
		t.Errorf("got %q, want the message that lives", msg.Data)
	}
}

// refuse fails every message but good ones.
func refuse(msg pubsub.Message) error {
	if strings.HasPrefix(string(msg.Data), "good") {
		return nil
	}
	return errors.New("refused by the test")
}

func TestMaxDeliverAndDeadLetters(t *testing.T) {
	for _, test := range []struct {
		fields     component.Metadata
		deliveries int
		letter     bool
	}{
		{component.Metadata{"enableDeadLetter": "true", "requeueInFailure": ""}, 1, true},
		{component.Metadata{"enableDeadLetter": "true", "requeueInFailure": "false"}, 1, true},
		{component.Metadata{"enableDeadLetter": "true", "maxDeliver": "3"}, 3, true},
		{component.Metadata{"requeueInFailure": "false"}, 1, false},
		{component.Metadata{"maxDeliver": "2"}, 2, false},
		{component.Metadata{"autoAck": "true"}, 1, false},
	} {
		t.Run(fmt.Sprint(test.fields), func(t *testing.T) {
			topic := "letters-" + strconv.FormatInt(time.Now().UnixNano(), 36)
			b := openClosed(t, test.fields)
			r := consume(t, b, pubsub.Subscription{Topic: topic}, refuse)
			send(t, b, topic, "bad")
			for n := 1; n <= test.deliveries; n++ {
				want := n
				if n == test.deliveries && test.fields["autoAck"] == "" {
					want = 0 // the last one: so the subscription's own dead letter topic gets it
				}
				if msg := r.next(t); string(msg.Data) != "bad" || msg.Attempt != want {
					t.Errorf("delivery %d: got %q, attempt %d, want attempt %d", n, msg.Data, msg.Attempt, want)
				}
			}
			ch := raw(t)
			if test.letter {
				until(t, "the message is in the dead letter queue", func() bool {
					d, ok, err := ch.Get("dlq-g-"+topic, true)
					return err == nil && ok && string(d.Body) == "bad"
				})
			}
			send(t, b, topic, "good")
			if msg := r.next(t); string(msg.Data) != "good" {
				t.Errorf("got %q, want no further delivery of the bad one", msg.Data)
			}
			r.stop(t)
			if q, err := ch.QueueDeclarePassive("g-"+topic, true, false, false, false, nil); err != nil || q.Messages != 0 {
				t.Errorf("left in the queue: %d messages, %v", q.Messages, err)
			}
		})
	}
}

// full is as the app's error for a queue that is full.
type full struct{}

func (full) Error() string { return "full" }

func (full) Overloaded() time.Duration { return time.Millisecond }

// An app that has no place for a message does not make it a dead letter.
func TestOverloadIsNotCounted(t *testing.T) {
	b := openClosed(t, component.Metadata{"requeueInFailure": "false"})
	n := 0
	r := consume(t, b, pubsub.Subscription{Topic: "overload", InFlight: 1}, func(pubsub.Message) error {
		if n++; n <= 3 {
			return fmt.Errorf("in the chain: %w", full{})
		}
		return nil
	})
	send(t, b, "overload", "patient")
	for range 4 {
		if msg := r.next(t); string(msg.Data) != "patient" {
			t.Errorf("got %q", msg.Data)
		}
	}
}

// Messages that fail again and again hold up neither the others nor the end.
func TestBadMessagesDoNotBlock(t *testing.T) {
	b := openClosed(t, component.Metadata{"concurrency": "single"})
	r := consume(t, b, pubsub.Subscription{Topic: "bad-ones"}, refuse)
	for i := range 3 {
		send(t, b, "bad-ones", "bad "+strconv.Itoa(i))
	}
	send(t, b, "bad-ones", "good")
	for string(r.next(t).Data) != "good" {
	}
	r.stop(t)
	ch := raw(t)
	until(t, "the server has the 3 that failed", func() bool {
		q, err := ch.QueueDeclarePassive("g-bad-ones", true, false, false, false, nil)
		return err == nil && q.Messages == 3
	})
}

func TestQuorumQueueCounts(t *testing.T) {
	b := openClosed(t, nil)
	sub := pubsub.Subscription{Topic: "quorum", Consumer: "g", InFlight: 1, Metadata: map[string]string{"queueType": "quorum"}}
	for want := 1; want <= 3; want++ {
		entered := make(chan pubsub.Message, 1)
		c, err := b.Subscribe(t.Context(), sub, func(ctx context.Context, msg pubsub.Message) error {
			entered <- msg
			<-ctx.Done()
			return ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if want == 1 {
			send(t, b, "quorum", "counted")
		}
		if msg := <-entered; msg.Attempt != want {
			t.Errorf("delivery %d: got attempt %d", want, msg.Attempt)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Stop(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("stop: got %v, want context.Canceled", err)
		}
	}
}

// What somebody deletes at the server is made again, by consumers and by publishers.
func TestDeletedAtServer(t *testing.T) {
	b := openClosed(t, nil)
	r := consume(t, b, pubsub.Subscription{Topic: "deleted"}, nil)
	send(t, b, "deleted", "before")
	r.next(t)
	ch := raw(t)
	if _, err := ch.QueueDelete("g-deleted", false, false, false); err != nil {
		t.Fatal(err)
	}
	if err := ch.ExchangeDelete("deleted", false, false); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; {
		// Until the queue is there again, what is published goes nowhere.
		send(t, b, "deleted", "after")
		select {
		case msg := <-r.got:
			if string(msg.Data) != "after" {
				t.Errorf("got %q", msg.Data)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatal("the subscription does not come back")
		}
	}
}
