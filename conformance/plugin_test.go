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

// inner is a store that a plugin may use.
const inner = `
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: inner}
spec: {type: state.in-memory, version: v1}
`

// plugin builds a plugin from source and has a host run it as the component "plugin", with the store inner. settings are
// further fields of its metadata, name after value.
func plugin(t *testing.T, typ, folder string, settings ...string) (opener, *host.Host) {
	t.Helper()
	drivers, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	built := plugintest.Build(t, folder)
	var manifest strings.Builder
	fmt.Fprintf(&manifest, "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: plugin}\nspec:\n  type: %s\n  version: v1\n  initTimeout: 60s\n  metadata:\n", typ)
	settings = append(settings, "imports", "inner", "store", "inner", "source", filepath.Base(folder)+".wasm")
	for i := 0; i < len(settings); i += 2 {
		fmt.Fprintf(&manifest, "    - {name: %s, value: %q}\n", settings[i], settings[i+1])
	}
	h, err := plugintest.New(t, plugintest.Config{Drivers: drivers, Built: built, Manifest: manifest.String() + inner})
	if err != nil {
		t.Fatal(err)
	}
	return opener{typ: typ, plugin: plugintest.Of[any](t, h, "plugin")}, h
}
