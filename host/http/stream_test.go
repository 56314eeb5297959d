package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/api/apitest"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// streaming is an app that streams; what it does is its Streamer's.
type streaming struct{ *apitest.App }

// Handles tells that the app handles the streaming interface, and nothing else.
func (streaming) Handles(iface string) bool { return iface == "test:stream/handler@0.1.0" }

type serve = func(ctx context.Context, g abi.Guest, w http.ResponseWriter, r *http.Request) error

// openStream starts a front door with an app that serves by f at /app.
func openStream(t *testing.T, cfg Config, gate func(context.Context) error, f serve) string {
	t.Helper()
	cfg.Stream = &Streamer{Interface: "test:stream/handler@0.1.0", Serve: f}
	_, url := open(t, cfg, Mount{App: streaming{&apitest.App{AppName: "app", Gate: gate}}})
	return url + "/app"
}

// again is a policy that makes two calls of one that fails.
type again struct{ calls int }

// Bind gives the guard.
func (a *again) Bind(op chain.Op) chain.Guard {
	if op.Block != "http" {
		return nil
	}
	return func(ctx context.Context, next func(context.Context) error) error {
		err := next(ctx)
		if err != nil {
			a.calls++
			err = next(ctx)
		}
		return err
	}
}

func TestStreamedRequest(t *testing.T) {
	url := openStream(t, Config{MaxBody: 10}, nil, func(_ context.Context, _ abi.Guest, w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(http.StatusAccepted)
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintln(w, n, err, r.Header["X-Forwarded-For"], r.Header["Forwarded"], r.Header["X-Hop"], r.Header["Dapr-Caller-App-Id"])
		return nil
	})
	res, body := send(t, "POST", url, io.LimitReader(zeros{}, 100_000), "Connection", "X-Hop", "X-Hop", "1",
		"Forwarded", "for=1.2.3.4", "X-Forwarded-For", "1.2.3.4", "Dapr-Caller-App-Id", "admin")
	if want := "100000 <nil> [127.0.0.1] [] [] []\n"; res.StatusCode != 202 || body != want {
		t.Errorf("got %d %s, want 202 %s", res.StatusCode, body, want)
	}
}

func TestStreamedFailures(t *testing.T) {
	part := func(w http.ResponseWriter) {
		_, _ = io.WriteString(w, "a part")
		_ = http.NewResponseController(w).Flush() // the client is there
	}
	tests := map[string]struct {
		serve  serve
		gate   func(context.Context) error
		status int
		body   string
		cut    bool
		logged string
	}{
		"not begun": {
			gate:   func(context.Context) error { return &block.ErrOverloaded{App: "app"} },
			status: 503, body: "ERR_OVERLOADED",
		},
		"trap": {
			serve: func(context.Context, abi.Guest, http.ResponseWriter, *http.Request) error {
				return &StreamError{Status: 500, Err: &abi.Trap{Kind: abi.TrapGuest, Reason: "on purpose"}}
			},
			status: 500, body: "ERR_APP_FAILED", logged: "on purpose",
		},
		"timeout": {
			serve: func(context.Context, abi.Guest, http.ResponseWriter, *http.Request) error {
				return &StreamError{Status: 500, Err: &abi.Trap{Kind: abi.TrapTimeout, Reason: "too slow"}}
			},
			status: 504, body: "ERR_TIMEOUT", logged: "too slow",
		},
		"refused": {
			serve: func(context.Context, abi.Guest, http.ResponseWriter, *http.Request) error {
				return &StreamError{Status: 403, Err: errors.New("secret reason")}
			},
			status: 403, body: "ERR_APP_FAILED", logged: "secret reason",
		},
		"cut off": {
			serve: func(_ context.Context, _ abi.Guest, w http.ResponseWriter, _ *http.Request) error {
				part(w)
				return &StreamError{Sent: true, Status: 500, Err: errors.New("half way")}
			},
			status: 200, body: "a part", cut: true, logged: "half way",
		},
		"after the answer": {
			serve: func(_ context.Context, _ abi.Guest, w http.ResponseWriter, _ *http.Request) error {
				part(w)
				return &StreamError{Err: errors.New("too late")}
			},
			status: 200, body: "a part", logged: "too late",
		},
	}
	for name, tt := range tests {
		for _, policies := range [][]chain.Policy{nil, {&again{}}} {
			t.Run(fmt.Sprintf("%s, %d policies", name, len(policies)), func(t *testing.T) {
				var log syncBuffer
				calls := 0
				url := openStream(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil)), Chain: chain.New(nil, policies)}, tt.gate,
					func(ctx context.Context, g abi.Guest, w http.ResponseWriter, r *http.Request) error {
						calls++
						return tt.serve(ctx, g, w, r)
					})
				res, err := http.Post(url, "", strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = res.Body.Close() }()
				body, err := io.ReadAll(res.Body)
				if res.StatusCode != tt.status || !strings.Contains(string(body), tt.body) || strings.Contains(string(body), "secret") {
					t.Errorf("got %d %s, want %d with %q", res.StatusCode, body, tt.status, tt.body)
				}
				if cut := err != nil; cut != tt.cut {
					t.Errorf("got %v at the end of the body, want it cut off: %t", err, tt.cut)
				}
				if !strings.Contains(log.String(), tt.logged) {
					t.Errorf("the log lacks %q:\n%s", tt.logged, log.String())
				}
				if want := 1; tt.gate == nil && calls != want {
					t.Errorf("the app was called %d times, want %d: its request is gone after the first", calls, want)
				}
			})
		}
	}
}

// An app that was not begun, because it was overloaded, is tried again with the same body.
func TestStreamedRequestIsTriedAgainWhileWhole(t *testing.T) {
	full := true
	url := openStream(t, Config{Chain: chain.New(nil, []chain.Policy{&again{}})},
		func(context.Context) error {
			defer func() { full = false }()
			if full {
				return &block.ErrOverloaded{App: "app"}
			}
			return nil
		},
		func(_ context.Context, _ abi.Guest, w http.ResponseWriter, r *http.Request) error {
			_, err := io.Copy(w, r.Body)
			return err
		})
	if res, body := send(t, "POST", url, strings.NewReader("body")); res.StatusCode != 200 || body != "body" {
		t.Errorf("got %d %s, want 200 body", res.StatusCode, body)
	}
}
