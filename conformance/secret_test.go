package conformance

import (
	"encoding/base64"
	"fmt"
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

// kubernetesSecrets puts the suite's secrets into a cluster, and gives a user of the namespace.
func kubernetesSecrets(t *testing.T) map[string]string {
	server := testserver.Kubernetes(t)
	server.Namespace("conformance")
	server.Secret("conformance", "conftestsecret", map[string]string{"conftestsecret": "abcd"})
	server.Secret("conformance", "secondsecret", map[string]string{"secondsecret": "efgh"})
	server.Allow("reader", "conformance", []string{"get", "list"})
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
		"clusters": [{"name": "c", "cluster": {"server": %q, "certificate-authority": %q}}],
		"users": [{"name": "u", "user": {"token": %q}}]}`, server.URL, server.CAFile, server.Reader)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"kubeconfigPath": path, "defaultNamespace": "conformance"}
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
		{"", "secretstores.kubernetes", kubernetesSecrets},
		{"", "secretstores.wasm", nil},
	}
	for _, tt := range tests {
		t.Run(tt.typ+tt.name, func(t *testing.T) {
			var o opener
			var properties map[string]string
			if tt.properties == nil {
				o, _ = plugin(t, tt.typ, "../components/secret/wasm/testdata/fixed", "secrets", base64.StdEncoding.EncodeToString(
					[]byte(`{"conftestsecret": {"conftestsecret": "abcd"}, "secondsecret": {"secondsecret": "efgh"}}`)))
			} else {
				o, properties = testOpener(t, tt.typ), tt.properties(t)
			}
			store := &secretStore{opener: o}
			suite.ConformanceTests(t, properties, store, suite.NewTestConfig(tt.typ, nil))
			if err := store.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
