package configurationtest

import (
	"context"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// Start runs the block with one component of a driver, for one app that watches all keys, and gives what ends it.
// Subscriptions keep what they have told in the folder.
func Start(t *testing.T, spec component.Spec[configuration.Store], dataDir string, app *App, metadata component.Metadata) (stop func()) {
	t.Helper()
	drivers, err := component.NewSet("configuration", spec)
	if err != nil {
		t.Fatal(err)
	}
	const patience = 90 * time.Second
	b, err := configuration.New(t.Context(), configuration.Config{
		Drivers: drivers, Apps: []string{app.Name()}, Env: component.Env{DataDir: dataDir},
		Decls:    []component.Decl{{Name: "configstore", Type: spec.Type, Metadata: metadata, InitTimeout: patience}},
		Declared: []configuration.Declaration{{App: app.Name()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	triggers, err := b.Triggers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range triggers {
		if err := tr.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, tr := range triggers {
			if err := tr.Stop(context.Background()); err != nil {
				t.Errorf("stop: %v", err)
			}
		}
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}
