package nats

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func faults(c *conn) faulttest.Target {
	return faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			_, err := c.Invoke(ctx, request("create", strconv.Itoa(n)))
			return err
		},
		Unavailable: func(err error) bool { return errors.Is(err, binding.ErrUnavailable) },
		Credentials: []string{"planted-pass"},
	}
}

func openFaulty(t *testing.T, metadata ...string) (*testserver.NATSServer, *conn) {
	t.Helper()
	server := testserver.NATSDurable(t, "--user", "u", "--pass", "planted-pass")
	c := openConn(t, nil, append([]string{"natsURL", server.URL, "username", "u", "password", "planted-pass"}, metadata...)...)
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return server, c
}

// TestStreamFaults: messages that the stream has taken are read, though the server stops and some handlers fail.
func TestStreamFaults(t *testing.T) {
	server, c := openFaulty(t, "jetstream", "true", "ackWait", "1s")
	var mu sync.Mutex
	handled := map[int]bool{}
	r, err := c.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		n, err := strconv.Atoi(string(ev.Data))
		mu.Lock()
		defer mu.Unlock()
		if err != nil || ev.Metadata["attempt"] == "1" && n%10 == 0 {
			return nil, errors.New("refused")
		}
		handled[n] = true
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	}()
	target := faults(c)
	target.Arrived = func(context.Context) (map[int]bool, error) {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(handled), nil
	}
	faulttest.Run(t, server, target)
}

// TestPlainFaults: plain NATS keeps nothing, so what is sent may be lost; calls fail in time and go on by themselves.
func TestPlainFaults(t *testing.T) {
	server, c := openFaulty(t)
	faulttest.Run(t, server, faults(c))
}

// TestRequestFaults: a request that is answered is an acknowledgement.
func TestRequestFaults(t *testing.T) {
	server, c := openFaulty(t)
	r, err := c.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) { return ev.Data, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	}()
	target := faults(c)
	target.Write = func(ctx context.Context, n int) error {
		reply, err := c.Invoke(ctx, request("request", strconv.Itoa(n)))
		if err == nil && string(reply.Data) != strconv.Itoa(n) {
			return errors.New("the answer is of another request")
		}
		return err
	}
	faulttest.Run(t, server, target)
}

func TestServerDownAtStart(t *testing.T) {
	server := testserver.NATS(t)
	server.Stop()
	_, err := tryOpen(t, nil, &strings.Builder{}, "natsURL", server.URL)
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v, want an error that can be tried again and says that the server does not answer", err)
	}
}
