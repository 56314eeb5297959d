package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

// patience is how long a test waits for what has to happen.
const patience = 90 * time.Second

func attempt(t testing.TB, metadata component.Metadata) (*store, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Spec.New(ctx, component.Config{Name: "statestore", Type: Spec.Type, Metadata: metadata})
	if err != nil {
		return nil, err
	}
	st, ok := s.(*store)
	if !ok {
		t.Fatalf("open: got %T, want *store", s)
	}
	return st, nil
}

// opened opens a store; pairs are metadata beside the connection string.
func opened(t testing.TB, server *testserver.MariaDBServer, pairs ...string) *store {
	t.Helper()
	m := component.Metadata{"connectionString": server.DSN(""), "timeoutInSeconds": "90"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	s, err := attempt(t, m)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func closed(t testing.TB, s *store) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

// raw is another client of the server.
func raw(t testing.TB, server *testserver.MariaDBServer) *sql.DB {
	t.Helper()
	cfg, err := driver.ParseDSN(server.DSN("?multiStatements=true"))
	if err != nil {
		t.Fatal(err)
	}
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t testing.TB, db *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// TestServer has all tests that share one server, which takes a while to start.
func TestServer(t *testing.T) {
	server := testserver.MariaDB(t)
	for name, test := range map[string]func(*testing.T, *testserver.MariaDBServer){
		"Conformance": testConformance, "Layout": testLayout, "RowsOfDapr": testRowsOfDapr, "Collation": testCollation,
		"OldTables": testOldTables, "ManyHostsStart": testManyHostsStart, "ExpiredRowsAreDeleted": testExpiredRows,
		"CleanupTakesTurns": testTurns, "LongAndOddKeys": testKeys, "Values": testValues, "TimeToLive": testTTL, "Deadlocks": testDeadlocks,
		"Rights": testRights, "OpenFails": testOpenFails, "Bounded": testBounded,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

func testConformance(t *testing.T, server *testserver.MariaDBServer) {
	caps := statetest.Caps{BadETag: strings.Repeat("x", 37)}
	t.Run("own table", func(t *testing.T) {
		statetest.Run(t, func(t *testing.T) state.Store { return opened(t, server, "schemaName", "conformance") }, caps)
	})
	// Dapr's columns, with room for the suite's keys.
	t.Run("keys are text", func(t *testing.T) {
		execute(t, raw(t, server), `CREATE DATABASE text_keys; CREATE TABLE text_keys.state (id VARCHAR(700) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
			value JSON NOT NULL, isbinary BOOLEAN NOT NULL, insertDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
			updateDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, eTag VARCHAR(36) NOT NULL, expiredate TIMESTAMP NULL,
			INDEX expiredate_idx(expiredate))`)
		statetest.Run(t, func(t *testing.T) state.Store { return opened(t, server, "schemaName", "text_keys") }, caps)
	})
	// As on MySQL, which does not keep the text of JSON.
	t.Run("no JSON", func(t *testing.T) {
		statetest.Run(t, func(t *testing.T) state.Store {
			s := opened(t, server, "schemaName", "conformance", "tableName", "no_json")
			s.table.meaning = true
			return s
		}, caps)
	})
}

func TestServerGoesAndComes(t *testing.T) {
	server := testserver.MariaDB(t)
	s := opened(t, server, "timeoutInSeconds", "10")
	defer closed(t, s)
	t.Run("Faults", func(t *testing.T) {
		faulttest.Run(t, server, faulttest.Target{
			Write: func(ctx context.Context, n int) error {
				req := state.SetRequest{Key: fmt.Sprintf("app||%d", n), Value: []byte("v")}
				if n%2 == 0 {
					return s.Set(ctx, req)
				}
				return s.Transact(ctx, []state.Operation{{Upsert: &req}, {Delete: &state.DeleteRequest{Key: "other"}}}, nil)
			},
			Arrived: func(ctx context.Context) (map[int]bool, error) {
				got := map[int]bool{}
				page := state.KeyPage{}
				for {
					var err error
					page, err = s.ListKeys(ctx, state.ListRequest{Prefix: "app||", Limit: 1000, Token: page.Next})
					for _, k := range page.Keys {
						n, err := strconv.Atoi(strings.TrimPrefix(k, "app||"))
						if err != nil {
							return nil, err
						}
						got[n] = true
					}
					if err != nil || page.Next == "" {
						return got, err
					}
				}
			},
			Unavailable: func(err error) bool { return errors.Is(err, state.ErrUnavailable) },
			Credentials: []string{server.Password},
		})
	})
	server.Stop()
	for name, call := range map[string]func() error{
		"get":   func() error { _, err := s.Get(t.Context(), state.GetRequest{Key: "k"}); return err },
		"list":  func() error { _, err := s.ListKeys(t.Context(), state.ListRequest{Limit: 1}); return err },
		"query": func() error { _, err := s.Query(t.Context(), state.Query{}); return err },
		"ping":  func() error { return s.Ping(t.Context()) },
	} {
		if err := call(); !errors.Is(err, state.ErrUnavailable) || !strings.Contains(err.Error(), "mysql at "+server.Addr) {
			t.Errorf("%s without a server: got error %v, want %v and the address", name, err, state.ErrUnavailable)
		}
	}
	_, err := attempt(t, component.Metadata{"connectionString": server.DSN("")})
	if _, permanent := errors.AsType[*component.PermanentError](err); permanent || err == nil || !strings.Contains(err.Error(), "mysql at "+server.Addr+" does not answer; check connectionString and that the server runs") {
		t.Errorf("open without a server: got error %v", err)
	}
}

func TestTLS(t *testing.T) {
	server := testserver.MariaDBTLS(t, "localhost")
	s := opened(t, server, "connectionString", server.DSN("?tls=custom"), "pemPath", server.CAFile)
	var cipher string
	if err := s.db.QueryRowContext(t.Context(), `SHOW STATUS LIKE 'Ssl_cipher'`).Scan(new(string), &cipher); err != nil || cipher == "" {
		t.Errorf("cipher: got %q, error %v", cipher, err)
	}
	closed(t, s)
	other := testserver.MariaDBTLS(t, "localhost")
	for name, tc := range map[string]struct {
		dsn, pem, want string
	}{
		"plain":           {"", "", "and whether the server wants TLS (tls=true)"},
		"unknown signer":  {"?tls=true", "", "has a certificate that is not trusted; check pemPath"},
		"other authority": {"?tls=custom", other.CAFile, "has a certificate that is not trusted; check pemPath"},
	} {
		_, err := attempt(t, component.Metadata{"connectionString": server.DSN(tc.dsn), "pemPath": tc.pem})
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want a permanent one with %q", name, err, tc.want)
		}
	}
}

func TestBadSettings(t *testing.T) {
	const planted = "planted-password"
	for name, tc := range map[string]struct {
		metadata component.Metadata
		want     string
	}{
		"none":       {nil, "metadata field connectionString is missing"},
		"no slash":   {component.Metadata{"connectionString": "root:" + planted + "@tcp(h:1)"}, "metadata field connectionString: want user:password@tcp(host:3306)/?name=value: missing the slash"},
		"no network": {component.Metadata{"connectionString": "root:" + planted + "@h:3306/"}, "metadata field connectionString: want user:password@tcp(host:3306)/"},
		"no at":      {component.Metadata{"connectionString": "root:" + planted + "(h:3306)/"}, "found another network"},
		"parameter":  {component.Metadata{"connectionString": "root:" + planted + "@tcp(h:1)/?timeout=" + planted}, "the parameter timeout has a wrong value"},
		"database":   {component.Metadata{"connectionString": "root:" + planted + "@tcp(h:1)/mine"}, "want no database behind the slash, found one; use the metadata field schemaName for it"},
		"schema":     {component.Metadata{"connectionString": "root@tcp(h:1)/", "schemaName": "a`; DROP"}, "metadata field schemaName: want up to 64 letters, digits and underscores, found \"a`; DROP\""},
		"table":      {component.Metadata{"connectionString": "root@tcp(h:1)/", "tableName": "a b"}, "metadata field tableName: want up to 64 letters"},
		"same table": {component.Metadata{"connectionString": "root@tcp(h:1)/", "tableName": "x", "metadataTableName": "X"}, `metadata fields tableName and metadataTableName: want two tables, found "x" twice`},
		"timeout":    {component.Metadata{"connectionString": "root@tcp(h:1)/", "timeoutInSeconds": "soon"}, "metadata field timeoutInSeconds: want a duration"},
		"no pem":     {component.Metadata{"connectionString": "root@tcp(h:1)/?tls=custom"}, "custom with the metadata field pemPath"},
		"pem file":   {component.Metadata{"connectionString": "root@tcp(h:1)/", "pemPath": "/does/not/exist"}, "the metadata field pemPath: open /does/not/exist"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := attempt(t, tc.metadata)
			if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want a permanent one with %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), planted) {
				t.Errorf("the error %v shows the password", err)
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	s := opened(b, testserver.MariaDB(b))
	defer closed(b, s)
	statetest.BenchmarkGet(b, s)
}

func BenchmarkSet(b *testing.B) {
	s := opened(b, testserver.MariaDB(b))
	defer closed(b, s)
	statetest.BenchmarkSet(b, s)
}
