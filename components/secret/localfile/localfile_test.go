package localfile_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/secret/localfile"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/secret/secrettest"
)

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

func open(t *testing.T, metadata component.Metadata) secret.Store {
	t.Helper()
	store, err := localfile.Spec.New(t.Context(), component.Config{Metadata: metadata})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return store
}

func TestConformance(t *testing.T) {
	for name, multi := range map[string]bool{"nested": false, "multiValued": true} {
		t.Run(name, func(t *testing.T) {
			secrettest.Run(t, func(t *testing.T, planted map[string]secret.Values) secret.Store {
				doc := map[string]any{}
				for name, values := range planted {
					if doc[name] = values; len(values) == 1 {
						doc[name] = values[name]
					}
				}
				metadata := component.Metadata{"secretsFile": write(t, doc)}
				if multi {
					metadata["multiValued"] = "true"
				}
				return open(t, metadata)
			}, secrettest.Caps{SingleValue: !multi})
		})
	}
}

func TestNestedSeparator(t *testing.T) {
	file := write(t, map[string]any{"db": map[string]any{"more": map[string]any{"password": "x"}}})
	for name, c := range map[string]struct {
		metadata component.Metadata
		secret   string
		want     secret.Values
	}{
		"default":     {component.Metadata{}, "db:more:password", secret.Values{"db:more:password": "x"}},
		"dot":         {component.Metadata{"nestedSeparator": "."}, "db.more.password", secret.Values{"db.more.password": "x"}},
		"multiValued": {component.Metadata{"nestedSeparator": "--", "multiValued": "yes"}, "db", secret.Values{"more--password": "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.metadata["secretsFile"] = file
			store := open(t, c.metadata)
			got, err := store.Get(t.Context(), c.secret, nil)
			if err != nil || !maps.Equal(got, c.want) {
				t.Errorf("got %v and error %v, want %v", got, err, c.want)
			}
			if got := store.(secret.MultiValued).MultiValued(); got != (c.metadata["multiValued"] != "") {
				t.Errorf("MultiValued: got %v", got)
			}
		})
	}
}

// TestReadOnce changes the file behind an open store.
func TestReadOnce(t *testing.T) {
	file := write(t, map[string]string{"a": "1"})
	store := open(t, component.Metadata{"secretsFile": file})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Get(t.Context(), "a", nil); err != nil || got["a"] != "1" {
		t.Errorf("got %v and error %v, want what the file had", got, err)
	}
}

func TestFields(t *testing.T) {
	for name, c := range map[string]struct {
		metadata component.Metadata
		want     string
	}{
		"no file":      {nil, "metadata field secretsFile is missing"},
		"missing file": {component.Metadata{"secretsFile": "/no/such/file.json"}, "metadata field secretsFile: open /no/such/file.json"},
		"multiValued":  {component.Metadata{"secretsFile": "x", "multiValued": "maybe"}, `want true or false, found "maybe"`},
	} {
		_, err := localfile.Spec.New(t.Context(), component.Config{Metadata: c.metadata})
		permanent, ok := errors.AsType[*component.PermanentError](err)
		if !ok || !strings.Contains(permanent.Error(), c.want) {
			t.Errorf("%s: got error %v, want a permanent one with %q", name, err, c.want)
		}
	}
}
