package conformance

import (
	"os"
	"path/filepath"
	"testing"

	suite "github.com/dapr/components-contrib/tests/conformance/secretstores"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

// secretsFile writes the suite's secrets.
func secretsFile(t *testing.T) map[string]string {
	path := filepath.Join(t.TempDir(), "secrets.json")
	if err := os.WriteFile(path, []byte(`{"conftestsecret": "abcd", "secondsecret": "efgh"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"secretsFile": path}
}

// vaultSecrets puts the suite's secrets into a server.
func vaultSecrets(t *testing.T, engine string) map[string]string {
	server := testserver.Vault(t)
	properties := map[string]string{"vaultAddr": server.URL, "vaultToken": server.Token, "enginePath": engine}
	for name, value := range map[string]string{"conftestsecret": "abcd", "secondsecret": "efgh"} {
		var err error
		if data := map[string]any{name: value}; engine == "kv1" {
			err = server.Client().KVv1(engine).Put(t.Context(), "dapr/"+name, data)
		} else {
			_, err = server.Client().KVv2(engine).Put(t.Context(), "dapr/"+name, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return properties
}

// TestSecretStores is not parallel: the suite sets environment variables.
func TestSecretStores(t *testing.T) {
	tests := []struct {
		name, typ  string
		properties func(t *testing.T) map[string]string
	}{
		{"", "secretstores.local", secretsFile},
		{"", "secretstores.local.env", func(*testing.T) map[string]string { return map[string]string{"bulkWithoutPrefix": "true"} }},
		{"", "secretstores.local.file", secretsFile},
		{" KV v1", "secretstores.hashicorp.vault", func(t *testing.T) map[string]string { return vaultSecrets(t, "kv1") }},
		{" KV v2", "secretstores.hashicorp.vault", func(t *testing.T) map[string]string { return vaultSecrets(t, "secret") }},
	}
	for _, tt := range tests {
		t.Run(tt.typ+tt.name, func(t *testing.T) {
			store := &secretStore{opener: testOpener(t, tt.typ)}
			suite.ConformanceTests(t, tt.properties(t), store, suite.NewTestConfig(tt.typ, nil))
			if err := store.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
