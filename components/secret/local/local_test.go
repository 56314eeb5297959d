package local_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/secret/local"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/secret/secrettest"
)

func open(t *testing.T, file string) secret.Store {
	t.Helper()
	store, err := local.Spec.New(t.Context(), component.Config{Metadata: secret.DefaultDecl(file).Metadata})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return store
}

func write(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "secrets.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConformance(t *testing.T) {
	secrettest.Run(t, func(t *testing.T, planted map[string]secret.Values) secret.Store {
		return open(t, write(t, planted))
	}, secrettest.Caps{})
}

func TestFileThenEnvironment(t *testing.T) {
	t.Setenv("LOCALTEST_BOTH", "environment")
	t.Setenv("LOCALTEST_ENV", "environment")
	t.Setenv("DAPR_API_TOKEN", "own")
	store := open(t, write(t, map[string]any{"LOCALTEST_BOTH": "file", "db": map[string]string{"user": "u", "password": "p"}}))
	for name, want := range map[string]secret.Values{
		"LOCALTEST_BOTH": {"LOCALTEST_BOTH": "file"},
		"LOCALTEST_ENV":  {"LOCALTEST_ENV": "environment"},
		"db":             {"user": "u", "password": "p"},
	} {
		if got, err := store.Get(t.Context(), name, nil); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: got %v and error %v, want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"DAPR_API_TOKEN", "db:user", "LOCALTEST_NONE"} {
		if _, err := store.Get(t.Context(), name, nil); !errors.Is(err, secret.ErrNotFound) {
			t.Errorf("%s: got error %v, want %v", name, err, secret.ErrNotFound)
		}
	}
	all, err := store.(secret.BulkGetter).BulkGet(t.Context(), nil)
	if err != nil || len(all) != 2 || all["LOCALTEST_BOTH"] == nil || all["db"] == nil {
		t.Errorf("bulk get: got %d secrets and error %v, want the two of the file and nothing of the environment", len(all), err)
	}
}

func TestWithoutFile(t *testing.T) {
	t.Setenv("LOCALTEST_ENV", "environment")
	store := open(t, filepath.Join(t.TempDir(), "secrets.json"))
	if got, err := store.Get(t.Context(), "LOCALTEST_ENV", nil); err != nil || got["LOCALTEST_ENV"] != "environment" {
		t.Errorf("got %v and error %v, want the environment's", got, err)
	}
	if _, err := store.Get(t.Context(), "LOCALTEST_NONE", nil); !errors.Is(err, secret.ErrNotFound) {
		t.Errorf("got error %v, want %v", err, secret.ErrNotFound)
	}
	if all, err := store.(secret.BulkGetter).BulkGet(t.Context(), nil); err != nil || len(all) != 0 {
		t.Errorf("bulk get: got %d secrets and error %v, want none", len(all), err)
	}
	broken := filepath.Join(t.TempDir(), "secrets.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"secretsFile": broken}}); err == nil {
		t.Error("a broken file: want an error, got none")
	}
}
