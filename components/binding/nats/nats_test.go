package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/embedded"
)

// deadline is how long anything may take that has to happen.
const deadline = 30 * time.Second

func tryOpen(t testing.TB, e component.Embedded, log io.Writer, metadata ...string) (*conn, error) {
	t.Helper()
	cfg := component.Config{Name: "bus", Embedded: e, Log: slog.New(slog.NewTextHandler(log, nil)), Metadata: component.Metadata{"subject": "test.events"}}
	for i := 0; i < len(metadata); i += 2 {
		cfg.Metadata[metadata[i]] = metadata[i+1]
	}
	b, err := Spec.New(t.Context(), cfg)
	if err != nil {
		return nil, err
	}
	return b.(*conn), nil
}

func openConn(t testing.TB, e component.Embedded, metadata ...string) *conn {
	t.Helper()
	c, err := tryOpen(t, e, io.Discard, metadata...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func embeddedServer(t testing.TB) component.Embedded {
	t.Helper()
	e := embedded.New(t.TempDir(), nil)
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("close of the embedded server: %v", err)
		}
	})
	return e
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

func caps() bindingtest.Caps {
	return bindingtest.Caps{
		Operations: []string{"create", "request"}, Works: []binding.Request{*request("create", "x"), *request("create", "", "subject", "test.events", "X-Head", "v")},
		Invalid: []binding.Request{
			*request("create", "x", "subject", "a..b"), *request("create", "x", "subject", "a.*"), *request("create", "x", "subject", ">"),
			*request("create", "x", "subject", "a b"), *request("create", "x", "X-Bad Name", "v"), *request("create", "x", "X-Bad", "a\r\nb"),
		},
		Emit: emit, Groups: true,
	}
}

func TestPlainConformance(t *testing.T) {
	server := testserver.NATS(t)
	c := caps()
	c.Stop, c.Start, c.Lossy = func(testing.TB) { server.Stop() }, func(testing.TB) { server.Start() }, true
	bindingtest.Run(t, func(t testing.TB) binding.Binding { return openConn(t, nil, "natsURL", server.URL) }, c)
}

func TestStreamConformance(t *testing.T) {
	server := testserver.NATS(t)
	c := caps()
	c.Stop, c.Start = func(testing.TB) { server.Stop() }, func(testing.TB) { server.Start() }
	c.Redelivers, c.Keeps = true, true
	bindingtest.Run(t, func(t testing.TB) binding.Binding {
		return openConn(t, nil, "url", server.URL, "jetstream", "true", "ackWait", "1s")
	}, c)
}

func TestEmbeddedConformance(t *testing.T) {
	e := embeddedServer(t)
	c := caps()
	c.Redelivers, c.Keeps = true, true
	bindingtest.Run(t, func(t testing.TB) binding.Binding { return openConn(t, e, "jetstream", "true", "ackWait", "1s") }, c)
}

func TestRequestAndAnswer(t *testing.T) {
	c := openConn(t, embeddedServer(t))
	defer func() { _ = c.Close(context.Background()) }()
	if _, err := c.Invoke(t.Context(), request("request", "x")); !errors.Is(err, binding.ErrUnavailable) || !strings.Contains(err.Error(), "nobody answers") {
		t.Errorf("a request that nobody answers: got %v", err)
	}
	events := make(chan *binding.Event, 10)
	r, err := c.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		events <- ev
		return append([]byte("re: "), ev.Data...), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := c.Invoke(t.Context(), request("request", "question", "Content-Type", "text/x", "X-A", "1", "traceparent", "00-1-2-01", "lower", "no"))
	if err != nil || string(reply.Data) != "re: question" {
		t.Errorf("got %v, %v", reply, err)
	}
	ev := <-events
	got := fmt.Sprint(string(ev.Data), " ", ev.ContentType, " ", ev.Metadata["subject"], " ", ev.Metadata["X-A"], " ", ev.Metadata["traceparent"], ev.Metadata["lower"])
	if want := "question text/x test.events 1 00-1-2-01"; got != want || ev.Metadata["reply"] == "" {
		t.Errorf("event: got %s, want %s; metadata %v", got, want, ev.Metadata)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPlainShutdown stops while messages wait in the client: they are handled.
func TestPlainShutdown(t *testing.T) {
	c := openConn(t, embeddedServer(t), "concurrency", "1")
	defer func() { _ = c.Close(context.Background()) }()
	handled := make(chan string, 100)
	release := make(chan struct{})
	r, err := c.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		<-release
		handled <- string(ev.Data)
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const n = 50
	for i := range n {
		emit(t, c, fmt.Sprint(i))
	}
	// Once the client has answered a flush, it has got all that was published.
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(context.Background()) }()
	close(release)
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(deadline):
		t.Fatal("stop does not end")
	}
	for i := range n {
		select {
		case got := <-handled:
			if got != fmt.Sprint(i) {
				t.Fatalf("message %d: got %s; one at a time keeps the order", i, got)
			}
		default:
			t.Fatalf("message %d is lost", i)
		}
	}
}

func TestStreamMetadata(t *testing.T) {
	c := openConn(t, embeddedServer(t), "jetstream", "true", "ackWait", "1s", "durableName", "mine")
	defer func() { _ = c.Close(context.Background()) }()
	events := make(chan *binding.Event, 10)
	r, err := c.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		events <- ev
		if ev.Metadata["attempt"] == "1" {
			return nil, errors.New("again")
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := c.Invoke(t.Context(), request("create", "x", "X-A", "1"))
	if err != nil || reply.Metadata["stream"] != "mrt_binding_bus" || reply.Metadata["sequence"] != "1" {
		t.Errorf("create: got %+v, %v", reply, err)
	}
	for _, attempt := range []string{"1", "2"} {
		select {
		case ev := <-events:
			m := ev.Metadata
			if m["attempt"] != attempt || m["stream"] != "mrt_binding_bus" || m["sequence"] != "1" || m["X-A"] != "1" || m["timestamp"] == "" {
				t.Errorf("attempt %s: metadata %v", attempt, m)
			}
		case <-time.After(deadline):
			t.Fatalf("no attempt %s", attempt)
		}
	}
	if _, err := c.stream.Consumer(t.Context(), "mine"); err != nil {
		t.Errorf("durableName: %v", err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestServerLimitsAndStreams(t *testing.T) {
	server := testserver.NATS(t)
	large := openConn(t, nil, "natsURL", server.URL)
	if _, err := large.Invoke(t.Context(), request("create", strings.Repeat("x", 2<<20))); !errors.Is(err, binding.ErrInvalid) || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("a message over the server's limit: got %v", err)
	}
	_ = large.Close(t.Context())
	made := openConn(t, nil, "natsURL", server.URL, "jetstream", "true", "streamName", "MINE", "memoryStorage", "true")
	_ = made.Close(t.Context())
	for _, test := range []struct {
		metadata []string
		want     string
	}{
		{[]string{"streamName", "MINE"}, ""},
		{nil, ""},
		{[]string{"streamName", "OTHER"}, "stream MINE takes subject"},
		{[]string{"streamName", "MINE", "subject", "another"}, "stream MINE exists and does not take subject"},
	} {
		c, err := tryOpen(t, nil, io.Discard, append([]string{"natsURL", server.URL, "jetstream", "true"}, test.metadata...)...)
		if err == nil {
			_ = c.Close(t.Context())
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v: got %v, want %q", test.metadata, err, test.want)
		}
	}
}

func TestCredentials(t *testing.T) {
	server := testserver.NATS(t, "--user", "u", "--pass", "planted-right")
	var log strings.Builder
	c, err := tryOpen(t, nil, &log, "natsURL", server.URL, "username", "u", "password", "planted-right")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close(t.Context())
	for _, metadata := range [][]string{
		{"natsURL", server.URL, "username", "u", "password", "planted-wrong"},
		{"natsURL", strings.Replace(server.URL, "://", "://u:planted-wrong@", 1)},
	} {
		_, err = tryOpen(t, nil, &log, metadata...)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || strings.Contains(err.Error(), "planted") {
			t.Errorf("wrong credentials: got %v", err)
		}
	}
	if strings.Contains(log.String(), "planted") {
		t.Errorf("the log has a secret: %s", log.String())
	}
}

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		metadata []string
		want     string
	}{
		{nil, "no embedded NATS server"},
		{[]string{"subject", ""}, "subject is missing"},
		{[]string{"subject", "a..b"}, "field subject"},
		{[]string{"subject", "a.b*"}, "field subject"},
		{[]string{"subject", "a.>.b"}, "field subject"},
		{[]string{"jwt", "planted"}, "jwt and seedKey"},
		{[]string{"username", "u"}, "username and password"},
		{[]string{"tls_client_cert", "x"}, "tls_client_cert and tls_client_key"},
		{[]string{"tls_client_cert", "x", "tls_client_key", "planted"}, "want a certificate"},
		{[]string{"deliverPolicy", "some"}, "deliverPolicy"},
		{[]string{"concurrency", "0"}, "concurrency"},
		{[]string{"maxDeliver", "0"}, "maxDeliver"},
		{[]string{"durableName", "a.b"}, "durableName"},
	} {
		_, err := tryOpen(t, nil, io.Discard, test.metadata...)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v: got %v, want a permanent error with %q", test.metadata, err, test.want)
		}
	}
	if badSubject("a.*.>", true) != "" {
		t.Error("wildcards are refused for reading")
	}
}
