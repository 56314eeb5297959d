package wasm_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/crypto/localstorage"
	"github.com/mrt-wasm/mrt-wasm/components/crypto/wasm"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/crypto/cryptotest"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
)

const manifest = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: keys}
spec:
  type: crypto.wasm
  version: v1
  initTimeout: 60s
  metadata:
    - {name: source, value: vault.wasm}
    - {name: timeout, value: 60s}
    - {name: keys, value: "%s"}
    - {name: fail, value: "%s"}
`

// config is a host of its own, whose plugin has keys.
func config(t *testing.T, built map[string][]byte, keys []cryptotest.Key, fail string) plugintest.Config {
	t.Helper()
	drivers, err := component.NewSet("crypto", wasm.Spec)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{}
	for _, key := range keys {
		if raw, symmetric := key.Raw.([]byte); symmetric {
			given[key.Name] = base64.StdEncoding.EncodeToString(raw)
		} else {
			given[key.Name] = string(key.PEM(t))
		}
	}
	text, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Config{
		Drivers: host.Drivers{Crypto: drivers}, Built: built,
		Manifest: fmt.Sprintf(manifest, base64.StdEncoding.EncodeToString(text), fail),
	}
}

// TestConformance: every vault of the suite is a host of its own, and all have the same keys.
func TestConformance(t *testing.T) {
	built := plugintest.Build(t, "testdata/vault")
	known := []string{"A128GCM", "A192GCM", "A256GCM", "A128KW", "A192KW", "A256KW", "RSA-OAEP-256", "ES256", "PS256", "RS256", "EdDSA"}
	var keys []cryptotest.Key
	for _, key := range cryptotest.Keys(t) {
		key.Algorithms = slices.DeleteFunc(key.Algorithms, func(a string) bool { return !slices.Contains(known, a) })
		if len(key.Algorithms) > 0 {
			keys = append(keys, key)
		}
	}
	cryptotest.Run(t, func(t *testing.T) crypto.Provider {
		return plugintest.Component[crypto.Provider](t, config(t, built, keys, ""), "keys")
	}, keys)
}

const over = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: keys}
spec:
  type: crypto.wasm
  version: v1
  initTimeout: 60s
  metadata:
    - {name: source, value: over.wasm}
    - {name: imports, value: inner}
    - {name: inner, value: inner}
    - {name: timeout, value: 60s}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: inner}
spec:
  type: crypto.dapr.localstorage
  version: v1
  metadata:
    - {name: path, value: "%s"}
`

// TestOver is the suite with a plugin that uses another vault: its operations and errors pass through everything that apps
// and plugins have of the block.
func TestOver(t *testing.T) {
	built := plugintest.Build(t, "testdata/over")
	drivers, err := component.NewSet("crypto", wasm.Spec, localstorage.Spec)
	if err != nil {
		t.Fatal(err)
	}
	dir, keys := t.TempDir(), cryptotest.Keys(t)
	for i := range keys {
		keys[i].Name += ".json"
		if err := os.WriteFile(filepath.Join(dir, keys[i].Name), keys[i].JSON(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cryptotest.Run(t, func(t *testing.T) crypto.Provider {
		return plugintest.Component[crypto.Provider](t, plugintest.Config{
			Drivers: host.Drivers{Crypto: drivers}, Built: built, Manifest: fmt.Sprintf(over, filepath.ToSlash(dir)),
		}, "keys")
	}, keys)
}

// TestFailures: what a plugin says, and what is said of one that traps or lies.
func TestFailures(t *testing.T) {
	built := plugintest.Build(t, "testdata/vault")
	v := plugintest.Component[crypto.Provider](t, config(t, built, nil, ""), "keys")
	if _, err := v.Sign(t.Context(), "trap", "ES256", nil); err == nil || !strings.Contains(err.Error(), "it trapped in") {
		t.Errorf("a trap: got error %v", err)
	}
	if _, err := v.Sign(t.Context(), "none", "ES256", nil); !errors.Is(err, crypto.ErrKeyNotFound) {
		t.Errorf("after a trap: got error %v, want %v", err, crypto.ErrKeyNotFound)
	}
	for _, name := range []string{"lies", "lies symmetric"} {
		if got, err := v.PublicKey(t.Context(), name); err == nil || !strings.Contains(err.Error(), "does not keep to its contract") {
			t.Errorf("public key %q: got %v, error %v, want that the plugin lies", name, got, err)
		}
	}
	// A pair with its private half is not given on.
	got, err := v.PublicKey(t.Context(), "whole pair")
	if err != nil || got.Name != "whole pair/7" {
		t.Fatalf("got %+v, error %v", got, err)
	}
	if text, err := json.Marshal(got.Key); err != nil || strings.Contains(string(text), `"d"`) {
		t.Errorf("got %s, error %v, want no private half", text, err)
	}
	if _, err := plugintest.New(t, config(t, built, nil, "not today")); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Errorf("a failing init: got error %v", err)
	}
}

// TestTemplateIsTheSame: what mrt-wasm new component writes is the cryptography that the suite is run on here.
func TestTemplateIsTheSame(t *testing.T) {
	here, err := os.ReadFile("testdata/vault/keys.go")
	template, err2 := os.ReadFile("../../../cmd/mrt-wasm/cli/template/component-crypto/keys.go.tmpl")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if string(here) != string(template) {
		t.Error("testdata/vault/keys.go and the template's keys.go.tmpl differ: copy the one that is right over the other")
	}
}
