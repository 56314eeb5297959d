package host_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// components is a manifest's part with what Dapr lets one say about components; DIR stands for a folder.
const components = `---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: shared}
spec: {type: state.in-memory, version: v1, metadata: [{name: keyPrefix, value: name}]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: scoped}
spec: {type: state.in-memory, version: v1}
scopes: [third]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: tagged}
spec: {type: state.sqlite, version: v1, metadata: [{name: connectionString, value: "DIR/{appID}+{namespace}+{podName}+{uuid}.db"}]}
scopes: [one, second]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
spec:
  type: state.sqlite
  version: v1
  metadata:
  - {name: connectionString, value: "DIR/vault.db"}
  - {name: primaryEncryptionKey, envRef: TEST_STATE_KEY}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: gone}
spec: {type: state.redis, version: v1, initTimeout: 100ms, ignoreErrors: true, metadata: [{name: redisHost, value: "127.0.0.1:1"}]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: pubsub.in-memory, version: v1}
`

// TestComponentsAsDeclared: scopes, key prefixes, tags, envRef with encryption, and ignoreErrors, from a manifest to
// the guests and to the disk.
func TestComponentsAsDeclared(t *testing.T) {
	t.Setenv("TEST_STATE_KEY", "00112233445566778899aabbccddeeff")
	t.Setenv("POD_NAME", "pod-7")
	dir := t.TempDir()
	_, front, api := start(t, relays(strings.ReplaceAll(components, "DIR", filepath.ToSlash(dir))), relayGuests(t), io.Discard)
	do := func(app, op, store string) (int, string) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"Do": op, "Store": store, "Key": "k", "Value": "a very secret value"})
		if err != nil {
			t.Fatal(err)
		}
		status, _, text := fetch(t, http.MethodPost, front+"/"+app+"/state", string(body))
		return status, text
	}
	for _, tt := range []struct {
		store              string
		one, second, third int // what each gets after one, or else third, has set the key
		reason             string
	}{
		{"statestore", 200, 404, 404, ""},
		{"shared", 200, 200, 200, ""},
		{"scoped", 410, 410, 200, "it sees statestore, shared, tagged, vault, gone"},
		{"tagged", 200, 404, 410, ""},
		{"vault", 200, 404, 404, ""},
		{"gone", 503, 503, 503, "state store gone did not start"},
	} {
		writer := "one"
		if tt.one == 410 {
			writer = "third"
		}
		if status, text := do(writer, "set", tt.store); status != 200 && status != tt.third {
			t.Errorf("%s: set by %s: got %d %s", tt.store, writer, status, text)
		}
		for app, want := range map[string]int{"one": tt.one, "second": tt.second, "third": tt.third} {
			status, text := do(app, "get", tt.store)
			if status != want || status == 200 && !strings.Contains(text, "a very secret value") || app == "one" && !strings.Contains(text, tt.reason) {
				t.Errorf("%s: get by %s: got %d %s, want %d %s", tt.store, app, status, text, want, tt.reason)
			}
		}
	}
	if status, _, body := fetch(t, http.MethodGet, api+"/readyz", ""); status != 200 {
		t.Errorf("readyz with a component that is let go: got %d %s, want 200", status, body)
	}
	for _, app := range []string{"one", "second"} {
		// An UUID has 36 characters.
		pattern := app + "+default." + app + "+pod-7+" + strings.Repeat("?", 36) + ".db"
		if files, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(files) != 1 {
			t.Errorf("%s: got files %v, error %v, want one", pattern, files, err)
		}
	}
	stored := map[string]bool{"vault": false, "one": true}
	for name, want := range stored {
		files, err := filepath.Glob(filepath.Join(dir, name+"*"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(content), "a very secret value")
		}
		if found != want {
			t.Errorf("%s: the value stands in clear in %v: got %t, want %t", name, files, found, want)
		}
	}
}
