package wasm_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/secret/wasm"
	"github.com/mrt-wasm/mrt-wasm/components/state/memory"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/secret/secrettest"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

const manifest = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
spec:
  type: secretstores.wasm
  version: v1
  initTimeout: 60s
  metadata:
    - {name: source, value: fixed.wasm}
    - {name: secrets, value: %s}
`

func config(t *testing.T, secrets map[string]secret.Values, more string) plugintest.Config {
	t.Helper()
	text, err := json.Marshal(secrets)
	if err != nil {
		t.Fatal(err)
	}
	stores, err := component.NewSet("secretstores", wasm.Spec)
	if err != nil {
		t.Fatal(err)
	}
	states, err := component.NewSet("state", memory.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Config{
		Drivers: host.Drivers{Secret: stores, State: states}, Guests: []string{"testdata/fixed"},
		Manifest: fmt.Sprintf(manifest, base64.StdEncoding.EncodeToString(text)) + more,
	}
}

func TestConformance(t *testing.T) {
	secrettest.Run(t, func(t *testing.T, planted map[string]secret.Values) secret.Store {
		return plugintest.Component[secret.Store](t, config(t, planted, ""), "vault")
	}, secrettest.Caps{})
}

// TestSecretKeyRef: other components take their metadata from a plugin.
func TestSecretKeyRef(t *testing.T) {
	secrets := map[string]secret.Values{"keys": {"state": "000102030405060708090a0b0c0d0e0f"}}
	plugintest.Component[state.Store](t, config(t, secrets, `---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: s}
spec:
  type: state.in-memory
  version: v1
  metadata:
    - name: primaryEncryptionKey
      secretKeyRef: {name: keys, key: state}
auth: {secretStore: vault}
`), "s")
}
