package wasm_test

import (
	"context"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/configuration/wasm"
	"github.com/mrt-wasm/mrt-wasm/components/state/memory"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

const manifest = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: config}
spec:
  type: configuration.wasm
  version: v1
  initTimeout: 60s
  metadata:
    - {name: source, value: overstate.wasm}
    - {name: imports, value: inner}
    - {name: store, value: inner}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: inner}
spec: {type: state.in-memory, version: v1}
`

func TestConformance(t *testing.T) {
	configs, err := component.NewSet("configuration", wasm.Spec)
	if err != nil {
		t.Fatal(err)
	}
	states, err := component.NewSet("state", memory.Spec)
	if err != nil {
		t.Fatal(err)
	}
	built := plugintest.Build(t, "testdata/overstate")
	configurationtest.Run(t, func(t *testing.T) configurationtest.Fixture {
		h, err := plugintest.New(t, plugintest.Config{
			Drivers: host.Drivers{Configuration: configs, State: states}, Built: built, Manifest: manifest,
		})
		if err != nil {
			t.Fatal(err)
		}
		inner := plugintest.Of[state.Store](t, h, "inner")
		ctx := context.WithoutCancel(t.Context())
		changed := func(err error) error {
			if err != nil {
				return err
			}
			return inner.Set(ctx, state.SetRequest{Key: "changes"})
		}
		return configurationtest.Fixture{
			Store: plugintest.Of[configuration.Store](t, h, "config"),
			Set: func(key, value string) error {
				return changed(inner.Set(ctx, state.SetRequest{Key: "c/" + key, Value: []byte(value)}))
			},
			Delete: func(key string) error { return changed(inner.Delete(ctx, state.DeleteRequest{Key: "c/" + key})) },
		}
	}, configurationtest.Caps{})
}
