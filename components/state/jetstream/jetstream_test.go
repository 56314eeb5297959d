package jetstream

import (
	"context"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/embedded"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

func tryOpen(t testing.TB, cfg component.Config) (*store, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if cfg.Name == "" {
		cfg.Name = "statestore"
	}
	s, err := Spec.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return s.(*store), nil
}

// opened gives a store that the test closes.
func opened(t testing.TB, cfg component.Config) *store {
	t.Helper()
	s, err := tryOpen(t, cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// using gives a store that is closed at the end.
func using(t testing.TB, cfg component.Config) *store {
	t.Helper()
	s := opened(t, cfg)
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func external(server *testserver.NATSServer, fields ...string) component.Config {
	m := component.Metadata{"natsURL": server.URL, "bucket": "test"}
	for i := 0; i < len(fields); i += 2 {
		m[fields[i]] = fields[i+1]
	}
	return component.Config{Metadata: m}
}

func embeddedServer(t testing.TB) *embedded.Services {
	t.Helper()
	e := embedded.New(t.TempDir(), nil)
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("close of the embedded server: %v", err)
		}
	})
	return e
}

var caps = statetest.Caps{BadETag: "not-a-number"}

func TestExternalConformance(t *testing.T) {
	server := testserver.NATS(t)
	statetest.Run(t, func(t *testing.T) state.Store { return opened(t, external(server)) }, caps)
}

func TestEmbeddedConformance(t *testing.T) {
	e := embeddedServer(t)
	statetest.Run(t, func(t *testing.T) state.Store { return opened(t, component.Config{Embedded: e}) }, caps)
}
