package wasm_test

import (
	"context"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/binding/wasm"
	"github.com/mrt-wasm/mrt-wasm/components/state/memory"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
)

const manifest = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: objects}
spec:
  type: bindings.wasm
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

// both is what the plugin's binding is; the suite does not close it: its host does.
type both struct {
	binding.Output
	binding.Input
}

func (both) Close(context.Context) error { return nil }

func TestConformance(t *testing.T) {
	bindings, err := component.NewSet("bindings", wasm.Spec)
	if err != nil {
		t.Fatal(err)
	}
	stores, err := component.NewSet("state", memory.Spec)
	if err != nil {
		t.Fatal(err)
	}
	b := plugintest.Component[binding.Binding](t, plugintest.Config{
		Drivers: host.Drivers{Binding: bindings, State: stores}, Guests: []string{"testdata/overstate"}, Manifest: manifest,
	}, "objects")
	out, isOut := b.(binding.Output)
	in, isIn := b.(binding.Input)
	if !isOut || !isIn {
		t.Fatalf("got a %T, want one that is called and brings events", b)
	}
	named := func(op, name string) binding.Request {
		return binding.Request{Operation: op, Metadata: map[string]string{"name": name}}
	}
	bindingtest.Run(t, func(testing.TB) binding.Binding { return both{out, in} }, bindingtest.Caps{
		Operations: []string{"create", "get", "delete", "emit"}, Large: 1 << 20,
		Key:     func(name string) map[string]string { return map[string]string{"name": name} },
		Invalid: []binding.Request{{Operation: "create"}}, Missing: []binding.Request{named("get", "none")},
		Emit: func(t testing.TB, _ binding.Binding, text string) {
			if _, err := out.Invoke(context.Background(), &binding.Request{Operation: "emit", Data: []byte(text)}); err != nil {
				t.Errorf("emit: %v", err)
			}
		},
		Redelivers: true, Keeps: true, Groups: true,
	})
}
