package jetstream

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/embedded"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

// openAt opens a broker on an external server, or on an embedded one whose files are in a folder.
func openAt(ctx context.Context, addr string) (pubsub.Broker, error) {
	cfg := component.Config{Name: "bus", Metadata: component.Metadata{"ackWait": "1s"}}
	if !filepath.IsAbs(addr) {
		cfg.Metadata["natsURL"] = addr
		return newOf(ctx, cfg)
	}
	e := embedded.New(addr, nil)
	cfg.Embedded = e
	b, err := newOf(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, e.Close(ctx))
	}
	return closingBoth{b, e}, nil
}

type closingBoth struct {
	pubsub.Broker
	e *embedded.Services
}

func (c closingBoth) Close(ctx context.Context) error {
	return errors.Join(c.Broker.Close(ctx), c.e.Close(ctx))
}

func TestMain(m *testing.M) { os.Exit(pubsubtest.Main(m, openAt)) }

func TestConsumerCrash(t *testing.T) { pubsubtest.Crash(t, openAt, testserver.NATS(t).URL) }

// The process that crashes is the server too.
func TestHostCrash(t *testing.T) { pubsubtest.Crash(t, openAt, t.TempDir()) }

func TestServerDownAtStart(t *testing.T) {
	server := testserver.NATS(t)
	server.Stop()
	_, err := openAt(t.Context(), server.URL)
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.Contains(err.Error(), "does not answer") {
		t.Fatalf("got %v, want an error that can be tried again and says that the server does not answer", err)
	}
	server.Start()
	openClosed(t, component.Config{Metadata: component.Metadata{"natsURL": server.URL}})
}

// TestFaults: messages that were taken are delivered, though the server stops and some handlers fail.
func TestFaults(t *testing.T) {
	server := testserver.NATSDurable(t, "--user", "u", "--pass", "planted-pass")
	b := openClosed(t, component.Config{Metadata: component.Metadata{
		"natsURL": server.URL, "ackWait": "1s", "concurrency": "parallel", "username": "u", "password": "planted-pass",
	}})
	var mu sync.Mutex
	handled := map[int]bool{}
	c, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: "t", Consumer: "g"}, func(_ context.Context, msg pubsub.Message) error {
		n, err := strconv.Atoi(string(msg.Data))
		mu.Lock()
		defer mu.Unlock()
		if err != nil || msg.Attempt == 1 && n%10 == 0 {
			return errors.New("refused")
		}
		handled[n] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			return b.Publish(ctx, pubsub.Message{Topic: "t", Data: []byte(strconv.Itoa(n))})
		},
		Arrived: func(context.Context) (map[int]bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(handled), nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, pubsub.ErrUnavailable) },
		Credentials: []string{"planted-pass"},
	})
}

func TestServerGoesDown(t *testing.T) {
	server := testserver.NATS(t)
	b := openClosed(t, component.Config{Metadata: component.Metadata{"natsURL": server.URL, "memoryStorage": "true"}})
	got := consume(t, b, "t", nil)
	send(t, b, "t", "before")
	<-got
	server.Stop()
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "t"}); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("publish: got %v, want ErrUnavailable", err)
	}
	if err := b.Ping(t.Context()); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("ping: got %v, want ErrUnavailable", err)
	}
	// It comes back without streams, for they were in memory: all are made again.
	server.Start()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_ = b.Publish(t.Context(), pubsub.Message{Topic: "t", Data: []byte("again")}) // fails until connected again
		select {
		case msg := <-got:
			if string(msg.Data) != "again" {
				t.Errorf("got %q", msg.Data)
			}
			return
		default:
		}
		if time.Now().After(end) {
			t.Fatal("the subscription does not come back")
		}
	}
}

func TestConsumerDeletedWhileRunning(t *testing.T) {
	e := embeddedServer(t, t.TempDir())
	b := openClosed(t, component.Config{Embedded: e})
	got := consume(t, b, "t", nil)
	send(t, b, "t", "one")
	<-got
	if err := b.js.DeleteStream(t.Context(), "mrt_bus"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_ = b.Publish(t.Context(), pubsub.Message{Topic: "t", Data: []byte("two")}) // fails until the stream is made again
		select {
		case msg := <-got:
			if string(msg.Data) != "two" {
				t.Errorf("got %q", msg.Data)
			}
			return
		default:
		}
		if time.Now().After(end) {
			t.Fatal("the subscription does not come back")
		}
	}
}

func TestBadSettings(t *testing.T) {
	for _, test := range []struct {
		fields component.Metadata
		want   string
	}{
		{component.Metadata{"jwt": "x"}, "seedKey"},
		{component.Metadata{"tls_client_cert": "x"}, "tls_client_key"},
		{component.Metadata{"tls_client_cert": "/no/such/file", "tls_client_key": "/no/such/file"}, "tls_client_cert"},
		{component.Metadata{"tls_client_cert": "-----BEGIN NOTHING-----", "tls_client_key": "x"}, "tls_client_cert"},
		{component.Metadata{"domain": "a", "apiPrefix": "b"}, "domain"},
		{component.Metadata{"ackWait": "0s"}, "ackWait"},
		{component.Metadata{"maxDeliver": "-2"}, "maxDeliver"},
		{component.Metadata{"backOff": "1s, soon"}, "soon"},
		{component.Metadata{"backOff": "1s, 2s", "maxDeliver": "2"}, "maxDeliver"},
		{component.Metadata{"deliverPolicy": "first"}, "deliverPolicy"},
		{component.Metadata{"deliverPolicy": "sequence"}, "startSequence"},
		{component.Metadata{"deliverPolicy": "time"}, "startTime"},
		{component.Metadata{"ackPolicy": "maybe"}, "ackPolicy"},
		{component.Metadata{"concurrency": "many"}, "concurrency"},
		{component.Metadata{}, "natsURL"},
	} {
		_, err := tryOpen(t, component.Config{Metadata: test.fields})
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want a permanent error that names %s", test.fields, err, test.want)
		}
	}
}

func TestToken(t *testing.T) {
	server := testserver.NATS(t, "--auth", "s3cret")
	openClosed(t, component.Config{Metadata: component.Metadata{"natsURL": server.URL, "token": "s3cret"}})
	_, err := tryOpen(t, component.Config{Metadata: component.Metadata{"natsURL": server.URL, "token": "wr0ng"}})
	if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), "token") || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("got %v, want a permanent error that names the field and not the token", err)
	}
}

func TestJWTInDomain(t *testing.T) {
	server := testserver.NATSJWT(t, "hub")
	fields := component.Metadata{"natsURL": server.URL, "jwt": server.JWT, "seedKey": server.Seed, "domain": "hub"}
	b := openClosed(t, component.Config{Metadata: fields})
	got := consume(t, b, "t", nil)
	send(t, b, "t", "signed")
	if msg := <-got; string(msg.Data) != "signed" {
		t.Errorf("got %q", msg.Data)
	}
	if _, err := tryOpen(t, component.Config{Metadata: component.Metadata{"natsURL": server.URL}}); err == nil {
		t.Error("without a JWT: got no error")
	}
}

func TestStreamName(t *testing.T) {
	server := testserver.NATS(t)
	fields := component.Metadata{"natsURL": server.URL, "streamName": "ORDERS"}
	if _, err := tryOpen(t, component.Config{Metadata: fields}); err == nil || !strings.Contains(err.Error(), "no stream ORDERS") {
		t.Fatalf("before the stream exists: got %v", err)
	}
	admin := openClosed(t, component.Config{Metadata: component.Metadata{"natsURL": server.URL}})
	if _, err := admin.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}); err != nil {
		t.Fatal(err)
	}
	b := openClosed(t, component.Config{Metadata: fields})
	// This stream has a history, and a subscription may have a wildcard.
	send(t, b, "orders.eu.new", "one")
	got := consume(t, b, "orders.*.new", nil)
	if msg := <-got; string(msg.Data) != "one" || msg.Topic != "orders.eu.new" {
		t.Errorf("got %q of topic %s", msg.Data, msg.Topic)
	}
	// A component without streamName finds the stream by subject.
	send(t, admin, "orders.us.new", "two")
	if msg := <-got; string(msg.Data) != "two" {
		t.Errorf("got %q", msg.Data)
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "bills"}); !errors.Is(err, pubsub.ErrInvalidTopic) {
		t.Errorf("a topic that the stream does not take: got %v, want ErrInvalidTopic", err)
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "orders.*"}); !errors.Is(err, pubsub.ErrInvalidTopic) {
		t.Errorf("publish to a wildcard: got %v, want ErrInvalidTopic", err)
	}
}
