package mqttconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func TestWaysToConnect(t *testing.T) {
	plain, secured := testserver.Mosquitto(t), testserver.MosquittoTLS(t, "localhost")
	_, web := testserver.MosquittoWebSockets(t)
	guarded := testserver.MosquittoPassword(t)
	certs := func(scheme string, s *testserver.MosquittoServer) Settings {
		return Settings{URL: scheme + "://" + s.Addr, CACert: s.CA, ClientCert: s.ClientCert, ClientKey: s.ClientKey}
	}
	for name, s := range map[string]Settings{
		"tcp": at(plain), "mqtt": {URL: "mqtt://" + plain.Addr}, "ws": {URL: "ws://" + web + "/mqtt"}, "password": {URL: "tcp://" + guarded.User + ":" + guarded.Password + "@" + guarded.Addr},
		"ssl": certs("ssl", secured), "mqtts": certs("mqtts", secured), "wss": {URL: "wss://" + behindTLS(t, web, secured), CACert: secured.CA}, "certificates without TLS": {URL: "tcp://" + plain.Addr, CACert: secured.CA},
	} {
		t.Run(name, func(t *testing.T) {
			versions(t, func(t *testing.T, v5 bool) {
				c := open(t, v5, s)
				if err := c.Ping(t.Context()); err != nil {
					t.Errorf("ping: %v", err)
				}
				in := consume(t, c, Subscription{Filter: "t"}, nil)
				send(t, c, "t", "hello", strings.Repeat("long", 5_000))
				in.want(t, "hello", strings.Repeat("long", 5_000))
				in.stop(t)
			})
		})
	}
}

func TestRefusedConnections(t *testing.T) {
	secured, guarded := testserver.MosquittoTLS(t, "localhost"), testserver.MosquittoPassword(t)
	other := testserver.MosquittoTLS(t, "localhost")
	const secret = "wr0ng"
	for _, test := range []struct {
		name      string
		s         Settings
		permanent bool
		want      string
	}{
		{"wrong password", Settings{URL: "tcp://" + guarded.User + ":" + secret + "@" + guarded.Addr}, true, "user and password"},
		{"no password", Settings{URL: "tcp://" + guarded.Addr}, true, "user and password"},
		{"unknown authority", Settings{URL: "ssl://u:" + secret + "@" + secured.Addr}, false, "certificate"},
		{"another authority", Settings{URL: "ssl://u:" + secret + "@" + secured.Addr, CACert: other.CA}, false, "certificate"},
		{"no client certificate", Settings{URL: "ssl://u:" + secret + "@" + secured.Addr, CACert: secured.CA}, false, ErrUnavailable.Error()},
		{"no TLS", Settings{URL: "tcp://u:" + secret + "@" + secured.Addr}, false, ErrUnavailable.Error()},
		{"TLS without need", Settings{URL: "ssl://u:" + secret + "@" + guarded.Addr}, false, ErrUnavailable.Error()},
		{"no WebSockets", Settings{URL: "ws://u:" + secret + "@" + guarded.Addr}, false, ErrUnavailable.Error()},
		{"nobody there", Settings{URL: "tcp://u:" + secret + "@127.0.0.1:1"}, false, "check url"},
	} {
		t.Run(test.name, func(t *testing.T) {
			versions(t, func(t *testing.T, v5 bool) {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				var log lines
				_, err := tryOpen(ctx, v5, test.s, &log)
				_, permanent := errors.AsType[*component.PermanentError](err)
				if err == nil || permanent != test.permanent || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v; want one with %q, permanent %t", err, test.want, test.permanent)
				}
				if !errors.Is(err, ErrUnavailable) || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err)+log.String(), secret) {
					t.Errorf("got %v, want an ErrUnavailable without credentials", err)
				}
			})
		})
	}
}

func TestRights(t *testing.T) {
	rights := filepath.Join(t.TempDir(), "rights")
	if err := os.WriteFile(rights, []byte("topic readwrite open/#\ntopic read readable\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := testserver.Mosquitto(t, "acl_file "+rights)
	versions(t, func(t *testing.T, v5 bool) {
		c := open(t, v5, at(server))
		if err := c.Publish(t.Context(), &Message{Topic: "open/t"}); err != nil {
			t.Errorf("publish to what is allowed: %v", err)
		}
		// MQTT 3 has no way to say that a message is refused.
		if err := c.Publish(t.Context(), &Message{Topic: "readable"}); v5 && (err == nil || errors.Is(err, ErrUnavailable)) {
			t.Errorf("publish: got %v, want an error that waiting does not mend", err)
		}
	})
}

// Mosquitto lets everybody subscribe to everything, and sends nothing; other servers refuse.
func TestRefusedSubscription(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		answer := func(body []byte) []byte { return []byte{0x90, 3, body[0], body[1], 0x80} }
		if v5 {
			answer = func(body []byte) []byte { return []byte{0x90, 4, body[0], body[1], 0, 0x87} }
		}
		c := open(t, v5, Settings{URL: "tcp://" + scripted(t, v5, answer)})
		_, err := c.Subscribe(t.Context(), Subscription{Filter: "closed", Consumer: "app"}, nil)
		if err == nil || !strings.Contains(err.Error(), "rights") || errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want an error that names rights", err)
		}
	})
}

// Mosquitto says nothing when another client takes over a session; other servers of MQTT 5 do.
func TestServerSaysTakenOver(t *testing.T) {
	addr := scripted(t, true, func(body []byte) []byte {
		return []byte{0x90, 4, body[0], body[1], 0, 1, 0xe0, 2, 0x8e, 0}
	})
	c, log := openLogged(t, true, Settings{URL: "tcp://" + addr})
	in := consume(t, c, Subscription{Filter: "t"}, nil)
	awaitLine(t, log, errTakenOver.Error())
	in.stop(t)
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A server that takes connections and says nothing holds nobody up beyond the context.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, scheme := range []string{"tcp", "ssl", "ws", "wss"} {
		versions(t, func(t *testing.T, v5 bool) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := tryOpen(ctx, v5, Settings{URL: scheme + "://" + l.Addr().String()}, io.Discard); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: got %v, want ErrUnavailable", scheme, err)
			}
			cancel()
			if _, err := tryOpen(ctx, v5, Settings{URL: scheme + "://" + l.Addr().String()}, io.Discard); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: got %v", scheme, err)
			}
		})
	}
}

func TestFrozenServer(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		freeze := relay(t, l, server.Addr)
		c := open(t, v5, Settings{URL: "tcp://" + l.Addr().String()})
		in := consume(t, c, Subscription{Filter: "t"}, nil)
		send(t, c, "t", "one")
		in.want(t, "one")
		freeze()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := c.Publish(ctx, &Message{Topic: "t"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("publish: got %v, want the context's error", err)
		}
		begun := time.Now()
		in.stop(t)
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took > deadline/2 {
			t.Errorf("stop and close took %s", took)
		}
	})
}

func TestNothingIsLeft(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		before := runtime.NumGoroutine()
		for range 5 {
			c := open(t, v5, at(server))
			one := consume(t, c, Subscription{Filter: "left"}, nil)
			consume(t, c, Subscription{Filter: "left/#"}, nil) // Close ends it
			send(t, c, "left", "x")
			one.want(t, "x")
			one.stop(t)
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if err := c.Publish(t.Context(), &Message{Topic: "t"}); !errors.Is(err, ErrUnavailable) {
				t.Errorf("publish after close: got %v, want ErrUnavailable", err)
			}
			if _, err := c.Subscribe(t.Context(), Subscription{Filter: "t", Consumer: "app"}, nil); !errors.Is(err, ErrUnavailable) {
				t.Errorf("subscribe after close: got %v, want ErrUnavailable", err)
			}
		}
		for end := time.Now().Add(deadline); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, before %d\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			}
		}
	})
}
