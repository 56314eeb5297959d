package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// inbox notes which numbered messages were handled.
type inbox struct {
	mu  sync.Mutex
	got map[int]bool
}

// handle refuses some messages, which are to come again.
func (i *inbox) handle(_ context.Context, msg pubsub.Message) error {
	if rand.IntN(10) == 0 {
		return errors.New("refused by the test")
	}
	n, err := strconv.Atoi(string(msg.Data))
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got[n] = true
	return err
}

func (i *inbox) arrived(context.Context) (map[int]bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.got), nil
}

// killed is a server that is killed instead of stopped.
type killed struct{ *testserver.RabbitMQServer }

func (k killed) Stop() { k.Kill() }

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name, queueType string
		server          faulttest.Server
	}{
		{"classic", "classic", killed{server()}},
		// One that was made just before a kill confirms nothing any more, whoever the client is: the server's own matter.
		{"quorum", "quorum", server()},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := openClosed(t, nil)
			in := &inbox{got: map[int]bool{}}
			sub := pubsub.Subscription{Topic: "faults-" + test.name, Consumer: "app", Metadata: map[string]string{"queueType": test.queueType}}
			c, err := b.Subscribe(t.Context(), sub, in.handle)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := c.Stop(context.Background()); err != nil {
					t.Error(err)
				}
			})
			faulttest.Run(t, test.server, faulttest.Target{
				Write: func(ctx context.Context, n int) error {
					return b.Publish(ctx, pubsub.Message{Topic: sub.Topic, Data: []byte(strconv.Itoa(n))})
				},
				Arrived:     in.arrived,
				Unavailable: func(err error) bool { return errors.Is(err, pubsub.ErrUnavailable) },
				Credentials: []string{server().Password},
				Bound:       45 * time.Second,
			})
		})
	}
}

// TestNothingIsLeft looks for goroutines after the end, also of messages that were waiting to be handled again.
func TestNothingIsLeft(t *testing.T) {
	b := openWith(t, nil)
	entered := make(chan struct{}, 100)
	c, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: "left", Consumer: "g"}, func(context.Context, pubsub.Message) error {
		entered <- struct{}{}
		return errors.New("refused by the test")
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		send(t, b, "left", "x")
		<-entered
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: "left"}); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("publish after close: got %v, want ErrUnavailable", err)
	}
	stacks := make([]byte, 1<<20)
	until(t, "all goroutines have ended", func() bool {
		text := string(stacks[:runtime.Stack(stacks, true)])
		return !strings.Contains(text, "amqp091-go.") && !strings.Contains(text, "rabbitconn.")
	})
}

// logs keeps what is logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func permanent(err error) bool {
	_, is := errors.AsType[*component.PermanentError](err)
	return is
}

func TestServerDownAtStart(t *testing.T) {
	url := fmt.Sprintf("amqp://shop:planted-secret@127.0.0.1:%d", testserver.FreePort(t))
	_, err := tryOpen(t, nil, kept(url))
	if err == nil || permanent(err) || !strings.Contains(err.Error(), "does not answer") || strings.Contains(err.Error(), "planted") {
		t.Errorf("got %v, want an error that can be tried again, says that the server does not answer, and has no password", err)
	}
}

func TestCredentialsAreNotTold(t *testing.T) {
	s := server()
	var told logs
	for what, fields := range map[string]component.Metadata{
		"wrong password":         {"connectionString": "amqp://shop:planted-secret@" + s.Addr},
		"wrong password, apart":  {"hostname": s.Addr, "username": "shop", "password": "planted-secret"},
		"unknown virtual host":   {"connectionString": strings.Replace(s.URL(), s.Addr, s.Addr+"/nowhere", 1)},
		"port that is none":      {"connectionString": "amqp://shop:planted-secret@127.0.0.1:port"},
		"port out of range":      {"connectionString": "amqp://shop:planted-secret@127.0.0.1:99999"},
		"password with a slash":  {"connectionString": "amqp://shop:planted-secret/%zz@127.0.0.1"},
		"space":                  {"connectionString": "amqp://shop:planted-secret @127.0.0.1"},
		"other scheme":           {"connectionString": "http://shop:planted-secret@127.0.0.1"},
		"no scheme":              {"connectionString": "shop:planted-secret@127.0.0.1"},
		"other protocol":         {"connectionString": "amqp://shop:planted-secret@127.0.0.1", "protocol": "amqps"},
		"password without user":  {"password": "planted-secret"},
		"heartbeat that is none": {"connectionString": "amqp://shop:planted-secret@127.0.0.1?heartbeat=planted-secret"},
		"key that is none":       {"connectionString": "amqps://shop@127.0.0.1", "clientCert": "planted-secret", "clientKey": "planted-secret"},
		"certificate, no TLS":    {"connectionString": "amqp://shop:planted-secret@127.0.0.1", "caCert": "planted-secret"},
	} {
		_, err := tryOpen(t, told.logger(), fields)
		if !permanent(err) {
			t.Errorf("%s: got %v, want a permanent error", what, err)
		}
		text := fmt.Sprintf("%v %+v %#v", err, err, err)
		if strings.Contains(text, "planted") || strings.Contains(text, s.Password) {
			t.Errorf("%s: the error has the credential: %s", what, text)
		}
	}
	if text := told.String(); strings.Contains(text, "planted") || strings.Contains(text, s.Password) {
		t.Errorf("the log has a credential:\n%s", text)
	}
}

func TestLoginByCertificate(t *testing.T) {
	s := server()
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	full := component.Metadata{
		"connectionString": "amqps://" + s.TLSAddr, "saslExternal": "true",
		"caCert": read(s.CAFile), "clientCert": read(s.CertFile), "clientKey": read(s.KeyFile),
	}
	b := openClosed(t, full)
	got := consume(t, b, pubsub.Subscription{Topic: "tls"}, nil)
	send(t, b, "tls", "by certificate")
	if msg := got.next(t); string(msg.Data) != "by certificate" {
		t.Errorf("got %q", msg.Data)
	}
	// By TLS and with a password.
	openClosed(t, component.Metadata{"connectionString": "amqps://shop:" + s.Password + "@" + s.TLSAddr, "caCert": full["caCert"]})
	for what, change := range map[string]component.Metadata{
		"no authority":           {"caCert": "", "saslExternal": "", "connectionString": "amqps://shop:" + s.Password + "@" + s.TLSAddr},
		"no certificate":         {"clientCert": "", "clientKey": ""},
		"certificate, no key":    {"clientKey": ""},
		"authority that is none": {"caCert": "x"},
		"guest by certificate":   {"saslExternal": "false"},
	} {
		fields := maps.Clone(full)
		maps.Copy(fields, change)
		if _, err := tryOpen(t, nil, fields); !permanent(err) {
			t.Errorf("%s: got %v, want a permanent error", what, err)
		}
	}
}

// A server that is short of memory takes no messages: a publisher is told so and does not wait, and consumers go on.
func TestBlockedServer(t *testing.T) {
	s := server()
	b := openClosed(t, nil)
	got := consume(t, b, pubsub.Subscription{Topic: "blocked"}, nil)
	send(t, b, "blocked", "before")
	got.next(t)
	s.Control("set_vm_memory_high_watermark", "0.000001")
	full := true
	unblock := func() {
		if full {
			full = false
			s.Control("set_vm_memory_high_watermark", "0.4")
		}
	}
	t.Cleanup(unblock)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	// The server says it only when something was published.
	_ = b.Publish(ctx, pubsub.Message{Topic: "blocked", Data: []byte("first")})
	until(t, "publishing is refused", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := b.Publish(ctx, pubsub.Message{Topic: "blocked", Data: []byte("refused")})
		return errors.Is(err, pubsub.ErrUnavailable) && strings.Contains(err.Error(), "resources")
	})
	unblock()
	until(t, "publishing goes on", func() bool {
		return b.Publish(t.Context(), pubsub.Message{Topic: "blocked", Data: []byte("after")}) == nil
	})
	for string(got.next(t).Data) != "after" {
	}
}
