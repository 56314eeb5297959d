package postgresql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

const patience = 60 * time.Second

// metadata gives the fields of a component on the server; more are pairs of name and value.
func metadata(server *testserver.PostgresServer, more ...string) component.Metadata {
	m := component.Metadata{"connectionString": server.DSN()}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func try(t testing.TB, version string, m component.Metadata) (*store, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Spec.New(ctx, component.Config{Name: "statestore", Type: Spec.Type, Version: version, Metadata: m})
	if err != nil {
		return nil, err
	}
	return s.(*store), nil
}

func opened(t testing.TB, version string, m component.Metadata) *store {
	t.Helper()
	s, err := try(t, version, m)
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

// versions are both layouts with an etag that the layout cannot give; any text may be one of v2, as in Dapr.
var versions = map[string]string{"v1": "not-a-number", "v2": ""}

func TestConformance(t *testing.T) {
	for version, badETag := range versions {
		for _, mode := range []string{"", "exec", "simple_protocol"} {
			t.Run(version+" "+mode, func(t *testing.T) {
				t.Parallel() // mostly it waits for times to live
				server := testserver.Postgres(t)
				statetest.Run(t, func(t *testing.T) state.Store {
					return opened(t, version, metadata(server, "queryExecMode", mode))
				}, statetest.Caps{BadETag: badETag})
			})
		}
	}
}

// TestOneConnection: nothing needs two connections at the same time.
func TestOneConnection(t *testing.T) {
	for version, badETag := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			server := testserver.Postgres(t)
			server.Exec("CREATE SCHEMA app")
			statetest.Run(t, func(t *testing.T) state.Store {
				return opened(t, version, metadata(server, "maxConns", "1", "queryExecMode", "cache_describe",
					"tableName", `app."My Entries"`, "tablePrefix", "app.My_", "metadataTableName", "app.meta"))
			}, statetest.Caps{BadETag: badETag})
		})
	}
}

func TestFaults(t *testing.T) {
	for version := range versions {
		t.Run(version, func(t *testing.T) {
			server := testserver.Postgres(t)
			s := opened(t, version, metadata(server))
			defer closed(t, s)
			faulttest.Run(t, server, faulttest.Target{
				Write: func(ctx context.Context, n int) error {
					op := func(key string) state.Operation {
						return state.Operation{Upsert: &state.SetRequest{Key: key, Value: fmt.Append(nil, n)}}
					}
					if n%2 == 0 {
						return s.Set(ctx, *op(fmt.Sprint("k", n)).Upsert)
					}
					return s.Transact(ctx, []state.Operation{op("last"), op(fmt.Sprint("k", n))}, nil)
				},
				Arrived: func(ctx context.Context) (map[int]bool, error) {
					got := map[int]bool{}
					req := state.ListRequest{Prefix: "k", Limit: 1000}
					for {
						page, err := s.ListKeys(ctx, req)
						if err != nil {
							return nil, err
						}
						for _, key := range page.Keys {
							var n int
							if _, err := fmt.Sscanf(key, "k%d", &n); err != nil {
								return nil, err
							}
							got[n] = true
						}
						if req.Token = page.Next; page.Next == "" {
							return got, nil
						}
					}
				},
				Unavailable: func(err error) bool { return errors.Is(err, state.ErrUnavailable) },
				Credentials: []string{server.Password},
				Bound:       patience,
			})
		})
	}
}

// TestServerAway: every operation says that the server is away, and where it was.
func TestServerAway(t *testing.T) {
	server := testserver.Postgres(t)
	s := opened(t, "v1", metadata(server))
	defer closed(t, s)
	server.Stop()
	_, get := s.Get(t.Context(), state.GetRequest{Key: "k"})
	_, bulk := s.BulkGet(t.Context(), []state.GetRequest{{Key: "k"}})
	_, list := s.ListKeys(t.Context(), state.ListRequest{Limit: 1})
	_, query := s.Query(t.Context(), state.Query{})
	for name, err := range map[string]error{
		"get": get, "bulk get": bulk, "list": list, "query": query,
		"set":      s.Set(t.Context(), state.SetRequest{Key: "k"}),
		"delete":   s.Delete(t.Context(), state.DeleteRequest{Key: "k"}),
		"transact": s.Transact(t.Context(), []state.Operation{{Delete: &state.DeleteRequest{Key: "k"}}}, nil),
		"ping":     s.Ping(t.Context()),
	} {
		if !errors.Is(err, state.ErrUnavailable) || !strings.Contains(err.Error(), "postgresql at "+server.Addr) || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), server.Password) {
			t.Errorf("%s: got error %v, want %v, the address and no password", name, err, state.ErrUnavailable)
		}
	}
	_, err := try(t, "v1", metadata(server))
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.HasPrefix(err.Error(), "postgresql at "+server.Addr+" does not answer; check") {
		t.Errorf("open without a server: got error %v", err)
	}
	server.Start()
	for end := time.Now().Add(patience); s.Ping(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no answer after the server is back")
		}
	}
}

func TestBadSettings(t *testing.T) {
	const dsn = "host=127.0.0.1 port=1 user=u password=planted"
	for _, tc := range []struct {
		name, version string
		metadata      component.Metadata
		want          string
	}{
		{"table", "v1", component.Metadata{"tableName": "a; DROP TABLE b"}, `metadata field tableName: want a dot between schema and table, found "a; DROP TABLE b"`},
		{"prefix", "v2", component.Metadata{"tablePrefix": "a-"}, `metadata field tablePrefix: with the word state it is the table: want a dot between schema and table, found "a-state"`},
		{"metadata table", "v2", component.Metadata{"metadataTableName": "a.b.c"}, `metadata field metadataTableName: want a schema and a table at the most, found "a.b.c"`},
		{"same tables", "v1", component.Metadata{"tableName": "X", "metadataTableName": "x"}, "the entries and the metadata (metadata field metadataTableName): want two tables, found x twice"},
		{"timeout", "v1", component.Metadata{"timeout": "10ms"}, "metadata field timeout: want 1s or more, found 10ms"},
		{"Azure", "v1", component.Metadata{"useAzureAD": "true"}, "metadata field useAzureAD: this binary cannot sign in to PostgreSQL by Microsoft Entra ID; use mrt-wasm-full, or a user with a password"},
		{"AWS", "v2", component.Metadata{"useAWSIAM": "true"}, "metadata field useAWSIAM: this binary cannot sign in to PostgreSQL by AWS IAM; use mrt-wasm-full, or a user with a password"},
		{"interval", "v1", component.Metadata{"cleanupInterval": "soon"}, `metadata field cleanupInterval: want a duration such as 5s or 200ms, found "soon"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := component.Metadata{"connectionString": dsn}
			maps.Copy(m, tc.metadata)
			_, err := try(t, tc.version, m)
			if err == nil || err.Error() != tc.want {
				t.Errorf("open: got error %v, want %q", err, tc.want)
			}
			if _, ok := errors.AsType[*component.PermanentError](err); !ok {
				t.Errorf("open: error %v is not permanent", err)
			}
		})
	}
}

func TestBadKeys(t *testing.T) {
	server := testserver.Postgres(t)
	s := opened(t, "v2", metadata(server))
	defer closed(t, s)
	for _, key := range []string{"a\x00", "a\xff"} {
		_, get := s.Get(t.Context(), state.GetRequest{Key: key})
		_, bulk := s.BulkGet(t.Context(), []state.GetRequest{{Key: "k"}, {Key: key}})
		for name, err := range map[string]error{
			"get": get, "bulk get": bulk, "set": s.Set(t.Context(), state.SetRequest{Key: key}), "delete": s.Delete(t.Context(), state.DeleteRequest{Key: key}),
		} {
			if !errors.Is(err, state.ErrInvalidKey) {
				t.Errorf("%s %q: got error %v, want %v", name, key, err, state.ErrInvalidKey)
			}
		}
		if page, err := s.ListKeys(t.Context(), state.ListRequest{Prefix: key, Limit: 1}); err != nil || len(page.Keys) > 0 {
			t.Errorf("list %q: got %q, error %v, want nothing", key, page.Keys, err)
		}
		token := state.PageToken("p" + key)
		if _, err := s.ListKeys(t.Context(), state.ListRequest{Prefix: "p", Token: token, Limit: 1}); !errors.Is(err, state.ErrInvalid) {
			t.Errorf("list behind %q: got error %v, want %v", key, err, state.ErrInvalid)
		}
	}
}

// TestTransactionsInOtherOrders: somebody else takes the same rows in another order, and the server ends our
// transaction in favour of theirs. It is done again.
func TestTransactionsInOtherOrders(t *testing.T) {
	server := testserver.Postgres(t)
	server.Admin("GRANT SET ON PARAMETER deadlock_timeout TO " + server.User)
	s := opened(t, "v2", metadata(server, "timeout", "60s"))
	defer closed(t, s)
	for _, key := range []string{"a", "b"} {
		if err := s.Set(t.Context(), state.SetRequest{Key: key, Value: []byte("0")}); err != nil {
			t.Fatal(err)
		}
	}
	exec := func(conn *pgx.Conn, sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	watcher := server.Conn()
	waiting := func(n int) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			var got int
			if err := watcher.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").Scan(&got); err != nil {
				t.Fatal(err)
			}
			if got == n {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d transactions wait, want %d", got, n)
			}
		}
	}
	first, other := server.Conn(), server.Conn()
	exec(first, "BEGIN; UPDATE state SET value = 'first' WHERE key = 'a'")
	ours, theirs := make(chan error, 1), make(chan struct{})
	go func() {
		ours <- s.Transact(t.Context(), []state.Operation{
			{Upsert: &state.SetRequest{Key: "b", Value: []byte("ours")}}, {Upsert: &state.SetRequest{Key: "a", Value: []byte("ours")}},
		}, nil)
	}()
	waiting(1) // for a
	// Who waits last looks for a circle. That is to be our transaction, so the other does not.
	exec(other, "SET deadlock_timeout = '1h'; BEGIN; UPDATE state SET value = 'other' WHERE key = 'b'")
	go func() {
		defer close(theirs)
		exec(other, "UPDATE state SET value = 'other' WHERE key = 'a'")
	}()
	waiting(2)
	exec(first, "COMMIT") // we get a and wait for b
	<-theirs              // the server has ended ours
	exec(other, "COMMIT")
	if err := <-ours; err != nil {
		t.Errorf("transact: %v", err)
	}
	for _, key := range []string{"a", "b"} {
		if e, err := s.Get(t.Context(), state.GetRequest{Key: key}); err != nil || string(e.Value) != "ours" {
			t.Errorf("get %s: got %+v, error %v, want ours", key, e, err)
		}
	}
}

// TestNothingIsLeft: no goroutine outlives Close.
func TestNothingIsLeft(t *testing.T) {
	s := opened(t, "v1", metadata(testserver.Postgres(t)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // a statement that is broken off
	defer cancel()
	_, _ = s.exec(ctx, "SELECT pg_sleep(60)")
	closed(t, s)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !bytes.Contains(stacks, []byte("pgxpool.")) && !bytes.Contains(stacks, []byte("pgconn.")) && !bytes.Contains(stacks, []byte("(*store)")) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after close there are\n%s", stacks)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := opened(b, "v2", metadata(testserver.Postgres(b)))
	defer closed(b, s)
	statetest.BenchmarkGet(b, s)
}

func BenchmarkSet(b *testing.B) {
	s := opened(b, "v2", metadata(testserver.Postgres(b)))
	defer closed(b, s)
	statetest.BenchmarkSet(b, s)
}
