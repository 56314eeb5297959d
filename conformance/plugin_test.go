package conformance

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
)

// inner is a component that a plugin may use.
const inner = `
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: inner}
spec: {version: v1, %s}
`

// plugin builds a plugin from source and has a host run it as the component "plugin", with a state store called inner.
// settings are further fields of its metadata, value after name.
func plugin(t *testing.T, typ, folder string, settings ...string) (opener, *host.Host) {
	t.Helper()
	return pluginOver(t, "type: state.in-memory", typ, folder, settings...)
}

// pluginOver is plugin with another component called inner, of which the type and the metadata are given.
func pluginOver(t *testing.T, over, typ, folder string, settings ...string) (opener, *host.Host) {
	t.Helper()
	drivers, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	built := plugintest.Build(t, folder)
	var manifest strings.Builder
	fmt.Fprintf(&manifest, "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: plugin}\nspec:\n  type: %s\n  version: v1\n  initTimeout: 60s\n  metadata:\n", typ)
	settings = append(settings, "imports", "inner", "store", "inner", "inner", "inner", "source", filepath.Base(folder)+".wasm")
	for i := 0; i < len(settings); i += 2 {
		fmt.Fprintf(&manifest, "    - {name: %s, value: %q}\n", settings[i], settings[i+1])
	}
	h, err := plugintest.New(t, plugintest.Config{Drivers: drivers, Built: built, Manifest: manifest.String() + fmt.Sprintf(inner, over)})
	if err != nil {
		t.Fatal(err)
	}
	return opener{typ: typ, plugin: plugintest.Of[any](t, h, "plugin")}, h
}
