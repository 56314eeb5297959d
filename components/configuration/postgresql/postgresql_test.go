package postgresql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

const patience = 60 * time.Second

// daprTable and daprTrigger are what Dapr's documentation has users make.
const (
	daprTable   = `CREATE TABLE config (KEY VARCHAR NOT NULL, VALUE VARCHAR NOT NULL, VERSION VARCHAR NOT NULL, METADATA JSON)`
	daprTrigger = `CREATE FUNCTION notify_event() RETURNS TRIGGER AS $$
		DECLARE data json; notification json;
		BEGIN
			IF TG_OP = 'DELETE' THEN data = row_to_json(OLD); ELSE data = row_to_json(NEW); END IF;
			notification = json_build_object('table', TG_TABLE_NAME, 'action', TG_OP, 'data', data);
			PERFORM pg_notify('config', notification::text);
			RETURN NULL;
		END; $$ LANGUAGE plpgsql;
		CREATE TRIGGER config AFTER INSERT OR UPDATE OR DELETE ON config FOR EACH ROW EXECUTE PROCEDURE notify_event()`
	// keyTrigger is for values that no notification can hold.
	keyTrigger = `CREATE FUNCTION notify_key() RETURNS TRIGGER AS $$
		BEGIN
			PERFORM pg_notify('config', json_build_object('data', json_build_object('key', coalesce(NEW.key, OLD.key)))::text);
			RETURN NULL;
		END; $$ LANGUAGE plpgsql;
		CREATE TRIGGER config AFTER INSERT OR UPDATE OR DELETE ON config FOR EACH ROW EXECUTE PROCEDURE notify_key()`
)

func metadata(server *testserver.PostgresServer, more ...string) component.Metadata {
	m := component.Metadata{"connectionString": server.DSN(), "table": "config", "notifyChannel": "config"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func try(t testing.TB, m component.Metadata) (*store, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Spec.New(ctx, component.Config{Name: "configstore", Type: Spec.Type, Metadata: m})
	if err != nil {
		return nil, err
	}
	return s.(*store), nil
}

func opened(t testing.TB, m component.Metadata) *store {
	t.Helper()
	s, err := try(t, m)
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

// operator is somebody who writes into the table with SQL.
type operator struct {
	pool    *pgxpool.Pool
	version atomic.Int64
	mu      sync.Mutex // one row for a key, though the table need not have a unique one
}

func newOperator(t testing.TB, server *testserver.PostgresServer) *operator {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &operator{pool: pool}
}

func (o *operator) exec(sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := o.pool.Exec(ctx, sql, args...)
	return err
}

// set writes a row, or changes it.
func (o *operator) set(key, value string) error { return o.write(key, value, "varchar") }

func (o *operator) write(key, value, versionType string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.exec(`WITH changed AS (UPDATE config SET value = $2, version = $3::text::`+versionType+` WHERE key = $1 RETURNING 1)
		INSERT INTO config (key, value, version) SELECT $1, $2, $3::text::`+versionType+` WHERE NOT EXISTS (SELECT FROM changed)`, key, value, fmt.Sprint(o.version.Add(1)))
}

func (o *operator) delete(key string) error { return o.exec(`DELETE FROM config WHERE key = $1`, key) }

func TestConformance(t *testing.T) {
	for name, tc := range map[string]struct{ sql, mode string }{
		"Dapr's table": {daprTable + ";" + keyTrigger, ""},
		"primary key":  {`CREATE TABLE config (key text PRIMARY KEY, value text, version bigint);` + keyTrigger, "simple_protocol"},
		"history":      {`CREATE TABLE config (key text, value text, version int, metadata jsonb, PRIMARY KEY (key, version));` + keyTrigger, "exec"},
	} {
		t.Run(name, func(t *testing.T) {
			server := testserver.Postgres(t)
			server.Exec(tc.sql)
			op := newOperator(t, server)
			set := map[string]func(key, value string) error{
				"Dapr's table": op.set,
				"primary key":  func(key, value string) error { return op.write(key, value, "bigint") },
				"history": func(key, value string) error {
					return op.exec(`INSERT INTO config (key, value, version) VALUES ($1, $2, $3)`, key, value, op.version.Add(1))
				},
			}[name]
			configurationtest.Run(t, func(t *testing.T) configurationtest.Fixture {
				return configurationtest.Fixture{Store: opened(t, metadata(server, "queryExecMode", tc.mode)), Set: set, Delete: op.delete}
			}, configurationtest.Caps{Text: true})
		})
	}
}

// TestRows: which of several rows counts, and what is read of it, as in Dapr.
func TestRows(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable + `; INSERT INTO config VALUES
		('plain', 'v', '1', NULL), ('meta', 'v', '1', '{"a": "b", "n": 1, "o": {"x": null}}'), ('list', 'v', '1', '[1]'),
		('many', 'old', '2', NULL), ('many', 'new', '10', '{"k": "new"}'), ('many', 'older', '1', NULL),
		('words', 'text', 'v9', NULL), ('words', 'number', '0', NULL), ('', 'empty', '', NULL)`)
	s := opened(t, metadata(server))
	defer closed(t, s)
	items, err := s.Get(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]configuration.Item{}
	for _, i := range items {
		got[i.Key] = i
	}
	want := map[string]configuration.Item{
		"plain": {Key: "plain", Value: "v", Version: "1"}, "list": {Key: "list", Value: "v", Version: "1"}, "": {Value: "empty"},
		"meta":  {Key: "meta", Value: "v", Version: "1", Metadata: map[string]string{"a": "b", "n": "1", "o": `{"x": null}`}},
		"many":  {Key: "many", Value: "new", Version: "10", Metadata: map[string]string{"k": "new"}},
		"words": {Key: "words", Value: "number", Version: "0"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	// Of several rows, the one that counts is changed; its metadata stay.
	if err := s.Set(t.Context(), "many", "newest", nil); err != nil {
		t.Fatal(err)
	}
	items, err = s.Get(t.Context(), []string{"many"}, nil)
	if err != nil || len(items) != 1 || items[0].Value != "newest" || items[0].Version != "11" || items[0].Metadata["k"] != "new" {
		t.Errorf("after a set: got %+v, error %v", items, err)
	}
	for _, bad := range [][2]string{{"k", "a\x00"}, {"k\xff", "v"}} {
		if err := s.Set(t.Context(), bad[0], bad[1], nil); !errors.Is(err, configuration.ErrInvalid) {
			t.Errorf("set %q: got error %v, want %v", bad, err, configuration.ErrInvalid)
		}
	}
	server.Exec("ALTER TABLE config ADD CHECK (length(value) < 10)")
	if err := s.Set(t.Context(), "plain", "much too long", nil); !errors.Is(err, configuration.ErrInvalid) {
		t.Errorf("set of a value that the table refuses: got error %v, want %v", err, configuration.ErrInvalid)
	}
}

// TestWritersMeet: several hosts write a new key at the same time; there is one row, and no version twice.
func TestWritersMeet(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	var wg sync.WaitGroup
	const hosts, each = 4, 10
	for range hosts {
		s := opened(t, metadata(server))
		defer closed(t, s)
		wg.Go(func() {
			for n := range each {
				if err := s.Set(t.Context(), "k", fmt.Sprint(n), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var rows int
	var version string
	if err := server.Conn().QueryRow(t.Context(), "SELECT count(*), max(version) FROM config").Scan(&rows, &version); err != nil || rows != 1 || version != fmt.Sprint(hosts*each) {
		t.Errorf("got %d rows, version %s, error %v, want one row with version %d", rows, version, err, hosts*each)
	}
}

// told collects what a watch is told, each key or "*".
type told chan string

func (c told) changed(keys []string) {
	if len(keys) == 0 {
		c <- "*"
	}
	for _, k := range keys {
		c <- k
	}
}

func (c told) next(t *testing.T) string {
	t.Helper()
	select {
	case k := <-c:
		return k
	case <-time.After(patience):
		t.Fatalf("nothing is told within %s", patience)
		return ""
	}
}

// TestNotifications: what Dapr's trigger notifies of, and what anybody else may.
func TestNotifications(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	server.Exec(daprTrigger)
	op := newOperator(t, server)
	s := opened(t, metadata(server))
	defer closed(t, s)
	c := make(told, 100)
	stop, err := s.Subscribe(t.Context(), []string{"a", "Größe"}, nil, c.changed)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	notify := func(payload string) func() error {
		return func() error { return op.exec(`SELECT pg_notify('config', $1)`, payload) }
	}
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return op.set("b", "1") }, ""},
		{func() error { return op.set("Größe", "1") }, "Größe"},
		{func() error { return op.delete("Größe") }, "Größe"},
		{notify(""), "*"},
		{notify("no json"), "*"},
		{notify("[]"), "*"},
		{notify(`{"data": {"key": 1}}`), "*"},
		{notify(`{"data": null}`), "*"},
		{notify(`{"DATA": {"KEY": "a"}}`), "a"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if step.want == "" {
			continue
		}
		if got := c.next(t); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
}

// TestDocumentation: what the documentation says works as it stands.
func TestDocumentation(t *testing.T) {
	_, sql, _ := strings.Cut(Spec.Doc, "as in Dapr:\n")
	sql, _, _ = strings.Cut(sql, "\nA notification")
	server := testserver.Postgres(t)
	server.Exec(sql)
	s := opened(t, metadata(server))
	defer closed(t, s)
	c := make(told, 100)
	stop, err := s.Subscribe(t.Context(), nil, nil, c.changed)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, do := range []func() error{
		func() error { return s.Set(t.Context(), "k", "v", nil) },
		func() error { return s.Set(t.Context(), "k", "w", nil) },
		func() error { return s.Delete(t.Context(), []string{"k"}, nil) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if got := c.next(t); got != "k" {
			t.Errorf("got %q, want k", got)
		}
	}
}

// TestChannelOfTheSubscription: as in older Dapr, the subscription's metadata name the channel if the component does not.
func TestChannelOfTheSubscription(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	op := newOperator(t, server)
	s := opened(t, metadata(server, "notifyChannel", ""))
	defer closed(t, s)
	c := make(told, 100)
	for _, channel := range []string{"one", "Two words"} {
		stop, err := s.Subscribe(t.Context(), nil, map[string]string{"PGNOTIFYCHANNEL": channel}, c.changed)
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		if err := op.exec(`SELECT pg_notify($1, '{"data": {"key": "k"}}')`, channel); err != nil {
			t.Fatal(err)
		}
		if got := c.next(t); got != "k" {
			t.Errorf("channel %s: got %q, want k", channel, got)
		}
	}
	_, err := s.Subscribe(t.Context(), nil, map[string]string{"pgNotifyChannel": strings.Repeat("x", 64)}, c.changed)
	if !errors.Is(err, configuration.ErrInvalid) {
		t.Errorf("a channel with a name that is too long: got error %v", err)
	}
	// Without a channel a watch is told to compare.
	stop, err := s.Subscribe(t.Context(), nil, nil, c.changed)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if got := c.next(t); got != "*" {
		t.Errorf("without a channel: got %q, want to be told to compare", got)
	}
}

func TestBadSettings(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(`CREATE TABLE config (key text, value text)`)
	for _, tc := range []struct {
		name, value, want string
		permanent         bool
	}{
		{"table", "", "metadata field table is missing: table of the items, with a schema before it or without", true},
		{"table", "a;b", `metadata field table: want a dot between schema and table, found "a;b"`, true},
		{"notifyChannel", strings.Repeat("x", 64), `metadata field notifyChannel: want the name of a channel of at most 63 bytes, found "` + strings.Repeat("x", 64) + `"`, true},
		{"table", "config", "table config at postgresql at " + server.Addr + ": want the columns key, value and version, found no version", true},
		{"table", "None", "postgresql at " + server.Addr + ` has no table none; make it: CREATE TABLE "none" (key VARCHAR NOT NULL, value VARCHAR NOT NULL, version VARCHAR NOT NULL, metadata JSON)`, false},
		{"useAWSIAM", "yes", "metadata field useAWSIAM: this binary cannot sign in to PostgreSQL by AWS IAM; use mrt-wasm-full, or a user with a password", true},
	} {
		_, err := try(t, metadata(server, tc.name, tc.value))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s %q: got error %v, want %q", tc.name, tc.value, err, tc.want)
		}
		if _, ok := errors.AsType[*component.PermanentError](err); ok != tc.permanent {
			t.Errorf("%s %q: error %v: permanent %t, want %t", tc.name, tc.value, err, ok, tc.permanent)
		}
	}
}
