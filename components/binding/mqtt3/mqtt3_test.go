package mqtt3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// deadline is how long anything may take that has to happen.
const deadline = 60 * time.Second

func tryOpen(ctx context.Context, metadata ...string) (*conn, error) {
	cfg := component.Config{Name: "devices", Log: slog.New(slog.DiscardHandler), Metadata: component.Metadata{"topic": "test/events"}}
	for i := 0; i < len(metadata); i += 2 {
		cfg.Metadata[metadata[i]] = metadata[i+1]
	}
	b, err := Spec.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return b.(*conn), nil
}

func openConn(t testing.TB, metadata ...string) *conn {
	t.Helper()
	c, err := tryOpen(t.Context(), metadata...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openClosed is openConn for a test of its own.
func openClosed(t testing.TB, metadata ...string) *conn {
	t.Helper()
	c := openConn(t, metadata...)
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func request(op, data string, metadata ...string) *binding.Request {
	r := &binding.Request{Operation: op, Data: []byte(data), Metadata: map[string]string{}}
	for i := 0; i < len(metadata); i += 2 {
		r.Metadata[metadata[i]] = metadata[i+1]
	}
	return r
}

// emit publishes by the binding under test; the server may be coming back.
func emit(t testing.TB, b binding.Binding, text string) {
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err = b.(*conn).Invoke(t.Context(), request("create", text)); err == nil || t.Context().Err() != nil {
			return
		}
	}
	t.Errorf("publish: %v", err)
}

func caps(server *testserver.MosquittoServer) bindingtest.Caps {
	return bindingtest.Caps{
		Operations: []string{"create"}, Works: []binding.Request{
			*request("create", "x"), *request("create", "", "topic", "test/other"), *request("create", "x", "Topic", "test/kept", "retain", "true"),
		},
		Invalid: []binding.Request{
			*request("create", "x", "topic", "a/+"), *request("create", "x", "topic", "#"), *request("create", "x", "topic", "a\x00"),
			*request("create", "x", "topic", "$share/g/t"), *request("create", "x", "retain", "maybe"),
		},
		Emit: emit, Redelivers: true, Keeps: true,
		Stop: func(testing.TB) { server.Stop() }, Start: func(testing.TB) { server.Start() },
	}
}

func TestConformance(t *testing.T) {
	server := testserver.Mosquitto(t)
	bindingtest.Run(t, func(t testing.TB) binding.Binding {
		return openConn(t, "url", "mqtt://"+server.Addr, "consumerID", "plant")
	}, caps(server))
}

// Each opening is a replica of its own, so that readers of one app share the events.
func TestReplicaConformance(t *testing.T) {
	server := testserver.Mosquitto(t)
	var replica atomic.Int64
	c := caps(server)
	c.Groups = true
	bindingtest.Run(t, func(t testing.TB) binding.Binding {
		return openConn(t, "url", "mqtt://"+server.Addr, "clientID", fmt.Sprint("replica-", replica.Add(1)))
	}, c)
}

func TestServerGoesDown(t *testing.T) {
	server := testserver.MosquittoPassword(t)
	c := openClosed(t, "url", fmt.Sprintf("tcp://%s:%s@%s", server.User, server.Password, server.Addr))
	var mu sync.Mutex
	arrived := map[int]bool{}
	r, err := c.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		n, err := strconv.Atoi(string(ev.Data))
		if err != nil {
			t.Errorf("event %q", ev.Data)
		}
		mu.Lock()
		defer mu.Unlock()
		arrived[n] = true
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Stop(context.Background()) }()
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			_, err := c.Invoke(ctx, request("create", strconv.Itoa(n)))
			return err
		},
		Arrived: func(context.Context) (map[int]bool, error) {
			mu.Lock()
			defer mu.Unlock()
			got := map[int]bool{}
			for n := range arrived {
				got[n] = true
			}
			return got, nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, binding.ErrUnavailable) },
		Credentials: []string{server.Password},
	})
}

func TestServerDownAtStart(t *testing.T) {
	server := testserver.Mosquitto(t)
	server.Stop()
	_, err := tryOpen(t.Context(), "url", "tcp://user:s3cret@"+server.Addr)
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.Contains(err.Error(), "check url") || strings.Contains(err.Error(), "s3cret") {
		t.Fatalf("got %v, want an error that can be tried again and says what to check", err)
	}
	server.Start()
	openClosed(t, "url", "tcp://"+server.Addr)
}

func TestBadSettings(t *testing.T) {
	for _, test := range []struct{ field, value string }{
		{"topic", "a/#/b"}, {"topic", ""}, {"backOffMaxRetries", "-2"}, {"backOffMaxRetries", "some"}, {"qos", "3"}, {"url", "http://x"}, {"retain", "maybe"},
	} {
		_, err := tryOpen(t.Context(), "url", "tcp://127.0.0.1:1", test.field, test.value)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.field) {
			t.Errorf("%s %q: got %v, want a permanent error that names the field", test.field, test.value, err)
		}
	}
}

// What failed too often is left alone until the next connection, which brings it again.
func TestMaxRetries(t *testing.T) {
	server := testserver.Mosquitto(t)
	c := openClosed(t, "url", "tcp://"+server.Addr, "backOffMaxRetries", "2")
	tries := make(chan string, 100)
	fail := errors.New("refused by the test")
	r, err := c.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		tries <- string(ev.Data)
		if string(ev.Data) == "bad" {
			return nil, fail
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	next := func() string {
		t.Helper()
		select {
		case text := <-tries:
			return text
		case <-time.After(deadline):
			t.Fatal("no event")
			return ""
		}
	}
	emit(t, c, "bad")
	for range 3 {
		if got := next(); got != "bad" {
			t.Fatalf("got %s", got)
		}
	}
	time.Sleep(time.Second) // a fourth try would come sooner: time is what the test is about
	emit(t, c, "good")
	if got := next(); got != "good" {
		t.Errorf("got %s, want the event that comes after the tries", got)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := c.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		tries <- "again " + string(ev.Data)
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "again bad" {
		t.Errorf("got %s, want the event that was left to the server", got)
	}
	if err := again.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// Devices see the data as it is, and a binding with a wildcard reads what they send, with its topic.
func TestTopicsAndRetain(t *testing.T) {
	server := testserver.Mosquitto(t)
	c := openClosed(t, "url", "tcp://"+server.Addr, "topic", "plant/+/state")
	if _, err := c.Invoke(t.Context(), request("create", "x")); !errors.Is(err, binding.ErrInvalid) {
		t.Errorf("create to a wildcard: got %v, want ErrInvalid", err)
	}
	if _, err := c.Invoke(t.Context(), request("create", `"on"`, "topic", "plant/pump/state", "retain", "true")); err != nil {
		t.Fatal(err)
	}
	events := make(chan *binding.Event, 10)
	r, err := c.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		events <- ev
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Stop(context.Background()) }()
	select {
	case ev := <-events:
		if string(ev.Data) != `"on"` || ev.Metadata["topic"] != "plant/pump/state" || ev.Metadata["retained"] != "true" {
			t.Errorf("got %q with %v", ev.Data, ev.Metadata)
		}
	case <-time.After(deadline):
		t.Fatal("the retained message does not come")
	}
}
