package localenv_test

import (
	"errors"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/secret/localenv"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/secret/secrettest"
)

func open(t *testing.T, metadata component.Metadata) secret.Store {
	t.Helper()
	store, err := localenv.Spec.New(t.Context(), component.Config{Metadata: metadata})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return store
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		metadata component.Metadata
		prefix   string
		noBulk   bool
	}{
		"prefix":         {metadata: component.Metadata{"Prefix": "CONFTEST_"}, prefix: "CONFTEST_"},
		"no prefix":      {noBulk: true},
		"all, when told": {metadata: component.Metadata{"bulkWithoutPrefix": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			secrettest.Run(t, func(t *testing.T, planted map[string]secret.Values) secret.Store {
				for name, values := range planted {
					t.Setenv(c.prefix+name, values[name])
				}
				return open(t, c.metadata)
			}, secrettest.Caps{SingleValue: true, NoBulk: c.noBulk})
		})
	}
}

func TestOwnVariablesStay(t *testing.T) {
	t.Setenv("DAPR_API_TOKEN", "own")
	t.Setenv("dapr_other", "own")
	t.Setenv("APP_API_TOKEN", "own")
	plain := open(t, component.Metadata{"bulkWithoutPrefix": "true"})
	for _, name := range []string{"DAPR_API_TOKEN", "dapr_other", "APP_API_TOKEN"} {
		if _, err := plain.Get(t.Context(), name, nil); !errors.Is(err, secret.ErrForbidden) {
			t.Errorf("%s: got error %v, want %v", name, err, secret.ErrForbidden)
		}
	}
	all, err := plain.(secret.BulkGetter).BulkGet(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DAPR_API_TOKEN", "dapr_other", "APP_API_TOKEN"} {
		if _, ok := all[name]; ok {
			t.Errorf("bulk get gives %s", name)
		}
	}
	for prefix, name := range map[string]string{"DAPR_": "API_TOKEN", "APP_": "API_TOKEN", "dapr_": "other", "D": "APR_API_TOKEN"} {
		if _, err := open(t, component.Metadata{"prefix": prefix}).Get(t.Context(), name, nil); !errors.Is(err, secret.ErrForbidden) {
			t.Errorf("prefix %s, name %s: got error %v, want %v", prefix, name, err, secret.ErrForbidden)
		}
	}
}
