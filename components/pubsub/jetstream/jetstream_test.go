package jetstream

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/embedded"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
)

var discard = slog.New(slog.DiscardHandler)

func openWith(t testing.TB, cfg component.Config) pubsub.Broker {
	t.Helper()
	b, err := tryOpen(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tryOpen(t testing.TB, cfg component.Config) (pubsub.Broker, error) {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "bus"
	}
	if cfg.Log == nil {
		cfg.Log = discard
	}
	return Spec.New(t.Context(), cfg)
}

func embeddedServer(t testing.TB, dir string) *embedded.Services {
	t.Helper()
	e := embedded.New(dir, nil)
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("close of the embedded server: %v", err)
		}
	})
	return e
}

var settingsOfTests = component.Metadata{"ackWait": "1s"}

// anyText are topics that work where the driver escapes them.
var anyText = []string{
	"a b", "a.b.c", ".", "..", ".a", "a.", "a..b", "a/b/c", "*", ">", "a.*", "$JS.API", "%41", "a%2Eb", "ünïcode/✓", "tab\tnewline\n",
	strings.Repeat("long", 200),
}

func TestEmbeddedConformance(t *testing.T) {
	e := embeddedServer(t, t.TempDir())
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker {
		return openWith(t, component.Config{Embedded: e, Metadata: settingsOfTests})
	}, pubsubtest.Caps{
		Shared: true, Topics: anyText, Invalid: []string{strings.Repeat("x", 2000)}, Large: embedded.MaxPayload - 4096,
	})
}

func TestExternalConformance(t *testing.T) {
	server := testserver.NATS(t)
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker {
		return openWith(t, component.Config{Metadata: component.Metadata{"natsURL": server.URL, "ackWait": "1s"}})
	}, pubsubtest.Caps{
		Shared:  true,
		Topics:  []string{"a.b.c", "a/b/c", "ünïcode/✓", "%41", strings.Repeat("long", 200)},
		Invalid: []string{"a b", ".", "a..b", "a.", "$JS.API.INFO", "tab\t", strings.Repeat("x", 2000)},
		Large:   1<<20 - 1024,
		Restart: func(testing.TB) { server.Stop(); server.Start() },
	})
}

func TestParallelConformance(t *testing.T) {
	e := embeddedServer(t, t.TempDir())
	pubsubtest.Run(t, func(t testing.TB) pubsub.Broker {
		return openWith(t, component.Config{Embedded: e, Metadata: component.Metadata{"ackWait": "1s", "concurrency": "parallel"}})
	}, pubsubtest.Caps{Shared: true, Large: 1 << 20})
}

func BenchmarkEmbedded(b *testing.B) {
	e := embeddedServer(b, b.TempDir())
	pubsubtest.Bench(b, func(t testing.TB) pubsub.Broker { return openWith(t, component.Config{Embedded: e}) })
}

func BenchmarkEmbeddedParallel(b *testing.B) {
	e := embeddedServer(b, b.TempDir())
	pubsubtest.Bench(b, func(t testing.TB) pubsub.Broker {
		return openWith(t, component.Config{Embedded: e, Metadata: component.Metadata{"concurrency": "parallel"}})
	})
}

func BenchmarkExternal(b *testing.B) {
	server := testserver.NATS(b)
	pubsubtest.Bench(b, func(t testing.TB) pubsub.Broker {
		return openWith(t, component.Config{Metadata: component.Metadata{"natsURL": server.URL}})
	})
}
