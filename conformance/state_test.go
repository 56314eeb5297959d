package conformance

import (
	"path/filepath"
	"strings"
	"testing"

	contrib "github.com/dapr/components-contrib/state"
	"github.com/dapr/components-contrib/tests/conformance/state"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

// What drivers can do, in the suite's words.
var (
	operationsPlain  = []string{"etag", "first-write", "ttl", "actorStateStore"}
	operationsListed = append([]string{"delete-with-prefix", "keyslike"}, operationsPlain...)
	operationsAll    = append([]string{"transaction"}, operationsListed...)
)

// stateTest is one run of the suite.
type stateTest struct {
	name, typ, version string
	operations         []string
	query              bool
	badETag            string // of the driver's form, where it has one
	open               func(t *testing.T) map[string]string
}

func (tt stateTest) store(o opener) contrib.Store {
	s := newStateStore(o)
	switch len(tt.operations) {
	case len(operationsPlain):
		return s
	case len(operationsListed):
		return listedStore{s, listing{s}}
	}
	return fullStore{s, transactional{s}, listing{s}}
}

// fixed are properties that name no server.
func fixed(properties map[string]string) func(*testing.T) map[string]string {
	return func(*testing.T) map[string]string { return properties }
}

func stateTests() []stateTest {
	postgres := func(t *testing.T) map[string]string {
		return map[string]string{"connectionString": testserver.Postgres(t).DSN()}
	}
	return []stateTest{
		{typ: "state.in-memory", operations: operationsAll, query: true, open: fixed(nil)},
		{typ: "state.sqlite", operations: operationsAll, query: true, open: func(t *testing.T) map[string]string {
			return map[string]string{"connectionString": filepath.Join(t.TempDir(), "state.db")}
		}},
		{typ: "state.redis", operations: operationsAll, badETag: "9999999", open: func(t *testing.T) map[string]string {
			return map[string]string{"redisHost": testserver.Redis(t).Addr, "redisPassword": ""}
		}},
		{typ: "state.postgresql", version: "v1", operations: operationsAll, query: true, badETag: "1", open: postgres},
		{
			typ: "state.postgresql", version: "v2", operations: operationsAll, query: true,
			badETag: "e9b9e142-74b1-4a2e-8e90-3f4ffeea2e70", open: postgres,
		},
		{typ: "state.mysql", operations: operationsAll, query: true, open: func(*testing.T) map[string]string {
			return map[string]string{"connectionString": mariaDB().DSN("")}
		}},
		{name: "alone", typ: "state.mongodb", operations: operationsListed, query: true, open: func(t *testing.T) map[string]string {
			return map[string]string{"host": testserver.FerretDB(t).Addr}
		}},
		{name: "replica set", typ: "state.mongodb", operations: operationsAll, query: true, open: func(t *testing.T) map[string]string {
			return map[string]string{"host": testserver.FerretDBReplicaSet(t).Addr}
		}},
		{typ: "state.memcached", operations: operationsPlain, badETag: "99999-0011223344556677", open: func(t *testing.T) map[string]string {
			return map[string]string{"hosts": testserver.Memcached(t).Addr}
		}},
		{typ: "state.jetstream", operations: operationsAll, badETag: "9999999", open: func(t *testing.T) map[string]string {
			return map[string]string{"natsURL": testserver.NATS(t).URL, "bucket": "conformance"}
		}},
		{name: "examples/component-state", typ: "state.wasm", operations: operationsAll},
	}
}

// TestState is not parallel, so that the servers of other blocks do not start meanwhile: the suite gives an entry two
// seconds to live.
func TestState(t *testing.T) {
	for _, tt := range stateTests() {
		name := strings.TrimRight(tt.typ+" "+tt.version+tt.name, " ")
		t.Run(name, func(t *testing.T) {
			config := map[string]any{}
			if tt.badETag != "" {
				config["badEtag"] = tt.badETag
			}
			operations := append([]string{}, tt.operations...)
			if tt.query {
				operations = append(operations, "query")
			}
			cfg, err := state.NewTestConfig(tt.typ, operations, config)
			if err != nil {
				t.Fatal(err)
			}
			var o opener
			var properties map[string]string
			if tt.open == nil {
				o, _ = plugin(t, tt.typ, "../examples/component-state/encrypted", "key", "000102030405060708090a0b0c0d0e0f")
			} else {
				o = testOpener(t, tt.typ)
				o.version = tt.version
				properties = tt.open(t)
			}
			t.Parallel()
			store := tt.store(o)
			state.ConformanceTests(t, properties, store, cfg)
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
