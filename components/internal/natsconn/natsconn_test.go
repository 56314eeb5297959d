package natsconn_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/natsconn"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/embedded"
)

// settings are those of a driver that has nothing of its own.
type settings struct {
	natsconn.Settings
	natsconn.API
}

// dial opens a connection and asks JetStream something; what is logged goes to log.
func dial(ctx context.Context, log *logs, e component.Embedded, fields ...string) (*natsconn.Conn, error) {
	cfg := component.Config{Name: "test", Embedded: e, Metadata: component.Metadata{}, Log: slog.New(slog.NewTextHandler(log, nil))}
	for i := 0; i < len(fields); i += 2 {
		cfg.Metadata[fields[i]] = fields[i+1]
	}
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := natsconn.Dial(ctx, &s.Settings, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := s.JetStream(ctx, c); err != nil {
		c.Conn.Close()
		return nil, err
	}
	return c, nil
}

type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func closed(t *testing.T, c *natsconn.Conn) {
	t.Helper()
	if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLogins(t *testing.T) {
	plain, token := testserver.NATS(t), testserver.NATS(t, "--auth", "planted-token")
	user := testserver.NATS(t, "--user", "u", "--pass", "planted-pass")
	jwt, secure := testserver.NATSJWT(t, "hub"), testserver.NATSTLS(t)
	e := embedded.New(t.TempDir(), nil)
	defer func() { _ = e.Close(context.Background()) }()
	creds := jwt.Credentials(t)
	wrongSeed := strings.Replace(jwt.Seed, jwt.Seed[10:14], "AAAA", 1)
	for _, test := range []struct {
		name   string
		fields []string
		want   string // of a permanent error
	}{
		{"nothing", []string{"natsURL", plain.URL}, ""},
		{"several servers", []string{"natsURL", "nats://127.0.0.1:1," + plain.URL}, ""},
		{"without a scheme", []string{"url", strings.TrimPrefix(plain.URL, "nats://")}, ""},
		{"embedded", nil, ""},
		{"token", []string{"natsURL", token.URL, "token", "planted-token"}, ""},
		{"no token", []string{"natsURL", token.URL}, "refuses the credentials"},
		{"wrong token", []string{"natsURL", token.URL, "token", "planted-wrong"}, "refuses the credentials"},
		{"user", []string{"natsURL", user.URL, "username", "u", "password", "planted-pass"}, ""},
		{"user in the URL", []string{"natsURL", strings.Replace(user.URL, "://", "://u:planted-pass@", 1)}, ""},
		{"wrong password", []string{"natsURL", user.URL, "username", "u", "password", "planted-wrong"}, "refuses the credentials"},
		{"wrong password in the URL", []string{"natsURL", strings.Replace(user.URL, "://", "://u:planted-wrong@", 1)}, "refuses the credentials"},
		{"JWT", []string{"natsURL", jwt.URL, "jwt", jwt.JWT, "seedKey", jwt.Seed, "domain", "hub"}, ""},
		{"JWT with prefix", []string{"natsURL", jwt.URL, "jwt", jwt.JWT, "seedKey", jwt.Seed, "apiPrefix", "$JS.hub.API"}, ""},
		{"credentials file", []string{"natsURL", jwt.URL, "credentialsFile", creds}, ""},
		{"no JWT", []string{"natsURL", jwt.URL}, "refuses the credentials"},
		{"wrong seed", []string{"natsURL", jwt.URL, "jwt", jwt.JWT, "seedKey", wrongSeed}, "seedKey"},
		{"seed of nothing", []string{"natsURL", jwt.URL, "jwt", jwt.JWT, "seedKey", "planted-seed"}, "seedKey"},
		{"TLS", []string{"natsURL", secure.URL, "tls_ca_cert", secure.CA, "tls_client_cert", secure.ClientCert, "tls_client_key", secure.ClientKey}, ""},
		{"TLS in place", []string{
			"natsURL", secure.URL, "tls_ca_cert", read(t, secure.CA), "tls_client_cert", read(t, secure.ClientCert), "tls_client_key", read(t, secure.ClientKey),
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log logs
			c, err := dial(t.Context(), &log, e, test.fields...)
			_, permanent := errors.AsType[*component.PermanentError](err)
			switch {
			case err == nil:
				closed(t, c)
			case test.want == "" || !permanent || !strings.Contains(err.Error(), test.want):
				t.Errorf("got %v, want a permanent error with %q", err, test.want)
			}
			if err == nil && test.want != "" {
				t.Errorf("got no error, want %q", test.want)
			}
			for _, secret := range []string{"planted", jwt.Seed, wrongSeed, jwt.JWT} {
				if strings.Contains(fmt.Sprintf("%v %+v %#v %s", err, err, err, log.String()), secret) {
					t.Errorf("the error or the log has a secret: %v, %s", err, log.String())
				}
			}
		})
	}
}

// What may be a matter of time is no permanent error.
func TestNotYet(t *testing.T) {
	secure := testserver.NATSTLS(t)
	for _, fields := range [][]string{
		{"natsURL", "nats://127.0.0.1:1"},
		{"natsURL", secure.URL, "tls_ca_cert", secure.CA}, // no client certificate
		{"natsURL", secure.URL},                           // of an authority that nobody knows
	} {
		_, err := dial(t.Context(), &logs{}, nil, fields...)
		if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.Contains(err.Error(), "does not answer; check natsURL") {
			t.Errorf("%v: got %v, want an error that can be tried again", fields, err)
		}
	}
}

func TestBadSettings(t *testing.T) {
	secure := testserver.NATSTLS(t)
	for _, test := range []struct {
		fields []string
		want   string
	}{
		{nil, "natsURL is missing"},
		{[]string{"natsURL", "nats://u:planted@host:port"}, "cannot be read as URLs"},
		{[]string{"natsURL", "nats://u:planted@[::1"}, "cannot be read as URLs"},
		{[]string{"natsURL", "x", "jwt", "planted"}, "jwt and seedKey: want both"},
		{[]string{"natsURL", "x", "seedKey", "planted"}, "jwt and seedKey: want both"},
		{[]string{"natsURL", "x", "username", "u"}, "username and password: want both"},
		{[]string{"natsURL", "x", "tls_client_key", "planted"}, "tls_client_cert and tls_client_key: want both"},
		{[]string{"natsURL", "x", "tls_client_cert", "no such file", "tls_client_key", "planted"}, "tls_client_cert and tls_client_key: want a certificate"},
		{[]string{"natsURL", "x", "tls_client_cert", secure.CA, "tls_client_key", secure.ClientKey}, "want a certificate and its key"},
		{[]string{"natsURL", "x", "tls_ca_cert", "no such file"}, "tls_ca_cert: it is no PEM and no file"},
		{[]string{"natsURL", "x", "tls_ca_cert", "-----BEGIN NOTHING-----"}, "tls_ca_cert: want certificates"},
	} {
		_, err := dial(t.Context(), &logs{}, nil, test.fields...)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v: got %v, want a permanent error with %q", test.fields, err, test.want)
		}
	}
	if err := (&natsconn.API{Domain: "a", Prefix: "b"}).Check(); err == nil {
		t.Error("domain and apiPrefix: got no error")
	}
}

// TestLost: what waits for an answer does not wait longer than the connection.
func TestLost(t *testing.T) {
	server := testserver.NATS(t)
	var log logs
	c, err := dial(t.Context(), &log, nil, "natsURL", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, c)
	sub, err := c.SubscribeSync("silent")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		got <- c.Within(t.Context(), time.Hour, func(ctx context.Context) error {
			_, err := c.RequestWithContext(ctx, "silent", nil)
			return err
		})
	}()
	if _, err := sub.NextMsgWithContext(t.Context()); err != nil { // the request is on its way
		t.Fatal(err)
	}
	server.Stop()
	select {
	case err := <-got:
		if !errors.Is(err, nats.ErrDisconnected) || !natsconn.Unavailable(err) {
			t.Errorf("got %v, want that the connection is lost", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the request still waits though the server is gone")
	}
	if err := c.Do(t.Context(), c.FlushWithContext); !natsconn.Unavailable(err) {
		t.Errorf("while the server is away: got %v, want that it is unavailable", err)
	}
	server.Start()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if err = c.Do(t.Context(), c.FlushWithContext); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after the server is back: %v", err)
		}
	}
}

func TestCallEnds(t *testing.T) {
	e := embedded.New(t.TempDir(), nil)
	defer func() { _ = e.Close(context.Background()) }()
	c, err := dial(t.Context(), &logs{}, e)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, c)
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := c.Within(t.Context(), time.Millisecond, wait); !errors.Is(err, nats.ErrTimeout) {
		t.Errorf("a silent server: got %v, want a timeout", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := c.Within(ctx, time.Hour, wait); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if err := c.Do(ctx, func(context.Context) error { t.Error("it was called"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: got %v", err)
	}
}

func TestPlainName(t *testing.T) {
	for _, test := range []struct{ name, want string }{{"a-B9", "a-B9"}, {"a.b", "a_2eb"}, {"a_b", "a_5fb"}, {"ü", "_c3_bc"}, {"", ""}} {
		if got := natsconn.PlainName(test.name); got != test.want {
			t.Errorf("PlainName(%q): got %q, want %q", test.name, got, test.want)
		}
	}
}
