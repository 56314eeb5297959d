package conformance

import (
	"path/filepath"
	"testing"

	"github.com/dapr/components-contrib/tests/conformance/state"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

// stateOperations is all that the suite knows. Dapr declares query for neither of its stores of these names.
var stateOperations = []string{
	"transaction", "etag", "first-write", "ttl", "delete-with-prefix", "actorStateStore", "keyslike",
}

func TestState(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typ        string
		more       []string
		config     map[string]any
		properties func(t *testing.T) map[string]string
	}{
		{
			typ: "state.in-memory", more: []string{"query"},
			properties: func(*testing.T) map[string]string { return nil },
		},
		{
			typ: "state.sqlite", more: []string{"query"},
			properties: func(t *testing.T) map[string]string {
				return map[string]string{"connectionString": filepath.Join(t.TempDir(), "state.db")}
			},
		},
		{
			typ: "state.redis", config: map[string]any{"badEtag": "9999999"}, // as Dapr: its etags are numbers
			properties: func(t *testing.T) map[string]string {
				return map[string]string{"redisHost": testserver.Redis(t).Addr, "redisPassword": ""}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.typ, func(t *testing.T) {
			t.Parallel()
			cfg, err := state.NewTestConfig(tt.typ, append(tt.more, stateOperations...), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			store := newStateStore(testOpener(t, tt.typ))
			state.ConformanceTests(t, tt.properties(t), store, cfg)
			if err := store.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func testOpener(t *testing.T, typ string) opener {
	t.Helper()
	o, err := newOpener(typ, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return o
}
