package mqttconn

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

// deadline is how long anything may take that has to happen.
const deadline = 60 * time.Second

// versions runs a test by both versions of the protocol.
func versions(t *testing.T, test func(t *testing.T, v5 bool)) {
	t.Run("MQTT3", func(t *testing.T) { test(t, false) })
	t.Run("MQTT5", func(t *testing.T) { test(t, true) })
}

func tryOpen(ctx context.Context, v5 bool, s Settings, log io.Writer) (*Client, error) {
	if s.QoS == 0 {
		s.QoS = 1
	}
	return Open(ctx, Config{Settings: &s, V5: v5, Expiry: time.Hour, Name: "test", Log: slog.New(slog.NewTextHandler(log, nil))})
}

func open(t *testing.T, v5 bool, s Settings) *Client {
	t.Helper()
	c, _ := openLogged(t, v5, s)
	return c
}

func openLogged(t *testing.T, v5 bool, s Settings) (*Client, *lines) {
	t.Helper()
	log := &lines{}
	c, err := tryOpen(t.Context(), v5, s, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c, log
}

// awaitLine waits until the log has a text.
func awaitLine(t *testing.T, log *lines, text string) {
	t.Helper()
	for end := time.Now().Add(deadline); !strings.Contains(log.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log does not have %q:\n%s", text, log.String())
		}
	}
}

func at(server *testserver.MosquittoServer) Settings { return Settings{URL: "tcp://" + server.Addr} }

// send publishes, again and again while the server is away.
func send(t *testing.T, c *Client, topic string, data ...string) {
	t.Helper()
	for _, d := range data {
		for end := time.Now().Add(deadline); ; time.Sleep(10 * time.Millisecond) {
			err := c.Publish(t.Context(), &Message{Topic: topic, Data: []byte(d)})
			if err == nil {
				break
			}
			if !errors.Is(err, ErrUnavailable) || time.Now().After(end) {
				t.Fatalf("publish %s: %v", d, err)
			}
		}
	}
}

// consumption is what a consumer got.
type consumption struct {
	*Consumer
	got chan string
}

func consume(t *testing.T, c *Client, sub Subscription, handle func(ctx context.Context, text string) error) *consumption {
	t.Helper()
	out := &consumption{got: make(chan string, 1000)}
	if sub.Consumer == "" {
		sub.Consumer = "app"
	}
	if sub.InFlight == 0 {
		sub.InFlight = 1 // in order
	}
	sub.MaxRetries = -1
	var err error
	out.Consumer, err = c.Subscribe(t.Context(), sub, func(ctx context.Context, m *Message) error {
		out.got <- string(m.Data)
		if handle == nil {
			return nil
		}
		return handle(ctx, string(m.Data))
	})
	if err != nil {
		t.Fatalf("subscribe to %s: %v", sub.Filter, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = out.Stop(ctx)
	})
	return out
}

func (c *consumption) want(t *testing.T, texts ...string) {
	t.Helper()
	for _, want := range texts {
		select {
		case got := <-c.got:
			if got != want {
				t.Fatalf("got %.50q, want %.50q", got, want)
			}
		case <-time.After(deadline):
			t.Fatalf("no message, want %q", want)
		}
	}
}

func (c *consumption) stop(t *testing.T) {
	t.Helper()
	if err := c.Stop(context.Background()); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

// lines is a log that several write to.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// behindTLS gives the address of a relay to a server with a certificate of another one's authority, as WebSockets often have.
func behindTLS(t *testing.T, to string, of *testserver.MosquittoServer) string {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(of.ClientCert), []byte(of.ClientKey))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	relay(t, l, to)
	return l.Addr().String()
}

// relay passes bytes on until it is frozen.
func relay(t *testing.T, l net.Listener, to string) (freeze func()) {
	t.Helper()
	frozen, ended := make(chan struct{}), make(chan struct{})
	pass := func(dst, src net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := src.Read(buf)
			select {
			case <-frozen:
				return
			default:
			}
			if _, writeErr := dst.Write(buf[:n]); err != nil || writeErr != nil {
				_, _ = src.Close(), dst.Close()
				return
			}
		}
	}
	go func() {
		defer close(ended)
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				_ = a.Close()
				continue
			}
			t.Cleanup(func() { _, _ = a.Close(), b.Close() })
			go pass(a, b)
			go pass(b, a)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return func() { close(frozen) }
}

// scripted gives the address of a server that takes every connection, and answers to subscriptions what it is told to.
func scripted(t *testing.T, v5 bool, subscribe func(body []byte) []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go script(conn, v5, subscribe)
		}
	}()
	return l.Addr().String()
}

func script(conn net.Conn, v5 bool, subscribe func(body []byte) []byte) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for {
		kind, err := in.ReadByte()
		if err != nil {
			return
		}
		length, err := binary.ReadUvarint(in)
		if err != nil {
			return
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(in, body); err != nil || kind == 0xe0 { // DISCONNECT
			return
		}
		answers := map[byte][]byte{0x10: {0x20, 2, 0, 0}, 0xc0: {0xd0, 0}}
		if v5 {
			answers[0x10] = []byte{0x20, 3, 0, 0, 0}
		}
		if kind == 0x82 {
			answers[kind] = subscribe(body)
		}
		if _, err := conn.Write(answers[kind]); err != nil {
			return
		}
	}
}
