package postgresconn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

const patience = 60 * time.Second

var errUnavailable = errors.New("unavailable")

func dial(t testing.TB, metadata component.Metadata) (*postgresconn.DB, error) {
	t.Helper()
	s := &postgresconn.Settings{}
	if err := (component.Config{Metadata: metadata}).Decode(s); err != nil {
		t.Fatalf("decode: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return postgresconn.Open(ctx, s, errUnavailable)
}

func opened(t testing.TB, metadata component.Metadata) *postgresconn.DB {
	t.Helper()
	db, err := dial(t, metadata)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// one runs a query for one text.
func one(t testing.TB, db *postgresconn.DB, sql string, args ...any) string {
	t.Helper()
	var out string
	err := db.Do(t.Context(), func(ctx context.Context, pool *pgxpool.Pool) error {
		return pool.QueryRow(ctx, sql, args...).Scan(&out)
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func TestEveryFieldIsDocumented(t *testing.T) {
	for _, f := range component.Fields(new(postgresconn.Settings)) {
		if f.Doc == "" {
			t.Errorf("field %s has no doc", f.Name)
		}
	}
}

// TestWaysToSayIt: the same connection as text, as a URL, as fields and as a mixture.
func TestWaysToSayIt(t *testing.T) {
	server := testserver.Postgres(t)
	const password = `p'a\ s?s@w/o:r&d%=+`
	server.Admin(fmt.Sprintf(`CREATE ROLE "odd user" LOGIN PASSWORD E'%s'`, strings.NewReplacer(`'`, `\'`, `\`, `\\`).Replace(password)))
	server.Admin(fmt.Sprintf(`GRANT ALL ON DATABASE %s TO "odd user"`, server.Database))
	t.Cleanup(func() { server.Admin(`DROP OWNED BY "odd user"; DROP ROLE "odd user"`) })
	fields := component.Metadata{"host": "127.0.0.1", "port": server.Port, "user": "odd user", "password": password, "database": server.Database}
	overURL := maps.Clone(fields)
	overURL["url"] = "postgres://other:wrong@127.0.0.2:1/none?sslmode=disable"
	overText := maps.Clone(fields)
	overText["connectionString"] = "host=127.0.0.2 port=1 user=other password='wrong \\' one' database=none"
	named := maps.Clone(fields)
	named["host"], named["hostaddr"] = "database.invalid", "127.0.0.1"
	address := maps.Clone(fields)
	address["hostaddr"] = "127.0.0.1"
	delete(address, "host")
	second := maps.Clone(fields)
	second["host"], second["port"] = "127.0.0.1,127.0.0.1", "1,"+server.Port
	escaped := strings.NewReplacer(`'`, "%27", `\`, "%5C", " ", "%20", "?", "%3F", "@", "%40", "/", "%2F", ":", "%3A", "&", "%26", "%", "%25", "=", "%3D", "+", "%2B").Replace(password)
	for name, m := range map[string]component.Metadata{
		"text":   {"connectionString": fmt.Sprintf(`host=127.0.0.1 port=%s user='odd user' password='%s' dbname=%s`, server.Port, strings.NewReplacer(`'`, `\'`, `\`, `\\`).Replace(password), server.Database)},
		"URL":    {"connectionString": fmt.Sprintf("postgresql://odd%%20user:%s@%s/%s?sslmode=prefer&", escaped, server.Addr, server.Database)},
		"fields": fields, "fields over a URL": overURL, "fields over text": overText, "address of a host": named, "address alone": address, "second of two hosts": second,
		"fields after a question mark in the password": {"connectionString": fmt.Sprintf("postgres://app:a?b@%s/%s", server.Addr, server.Database), "password": server.Password},
	} {
		t.Run(name, func(t *testing.T) {
			db := opened(t, m)
			if got := one(t, db, "SELECT current_database() || ' ' || current_setting('application_name')"); got != server.Database+" mrt-wasm" {
				t.Errorf("database and name: got %s", got)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	const form = "; want 'host=... user=... password=... database=...' with values in single quotes where they have spaces, or postgres://user:password@host:port/database with special characters percent-encoded"
	const field = "metadata field connectionString (or the fields host, port, sslRootCert): "
	for _, tc := range []struct {
		metadata component.Metadata
		want     string
	}{
		{component.Metadata{}, "metadata field connectionString is missing: want 'host=... user=... password=... database=...' or postgres://user:password@host:port/database, or the fields host, user, password and database"},
		{component.Metadata{"connectionString": "planted"}, field + "it cannot be read" + form},
		{component.Metadata{"connectionString": "host=h password='planted"}, field + "it cannot be read" + form},
		{component.Metadata{"connectionString": "host=h password=a planted=b x"}, field + "it cannot be read" + form},
		{component.Metadata{"connectionString": "postgres://u:p/planted@h/db"}, field + "invalid port" + form},
		{component.Metadata{"connectionString": "postgres://u:planted%zz@h/db"}, field + "it cannot be read" + form},
		{component.Metadata{"connectionString": "postgres://h/db?password=a&planted"}, field + "it cannot be read" + form},
		{component.Metadata{"connectionString": "host=h password=planted sslmode=maybe"}, field + "sslmode is invalid" + form},
		{component.Metadata{"host": "h", "port": "planted"}, field + "invalid port" + form},
		{component.Metadata{"host": "h", "password": "planted", "sslRootCert": "/none"}, field + "unable to read CA file" + form},
		{component.Metadata{"connectionString": "hostaddr=127.0.0.1 password=planted"}, "metadata field connectionString: hostaddr is not supported there; use the metadata field hostaddr"},
		{component.Metadata{"hostaddr": "localhost"}, `metadata field hostaddr: want an IP address, found "localhost"`},
		{component.Metadata{"host": "a,b", "hostaddr": "127.0.0.1"}, "metadata fields host and hostaddr: want an address for every host, found 2 hosts and 1 addresses"},
		{component.Metadata{"host": "h", "maxConns": "10001"}, "metadata field maxConns: want 10000 or fewer, found 10001"},
		{component.Metadata{"host": "h", "queryExecMode": "fast"}, `metadata field queryExecMode: want cache_statement, cache_describe, describe_exec, exec or simple_protocol, found "fast"`},
	} {
		_, err := dial(t, tc.metadata)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%v: got error %v, want %q", tc.metadata, err, tc.want)
		}
		if _, ok := errors.AsType[*component.PermanentError](err); !ok || strings.Contains(fmt.Sprintf("%+v %#v", err, err), "planted") {
			t.Errorf("%v: error %#v is not permanent, or shows the password", tc.metadata, err)
		}
	}
}

// TestRefused: what waiting cannot mend is said so, and nothing shows a password.
func TestRefused(t *testing.T) {
	server := testserver.Postgres(t)
	server.Admin("CREATE ROLE stranger LOGIN PASSWORD 'planted'; REVOKE CONNECT ON DATABASE " + server.Database + " FROM public")
	t.Cleanup(func() { server.Admin("DROP ROLE stranger") })
	for _, tc := range []struct {
		name, field, value, want string
		permanent                bool
	}{
		{"password", "password", "planted", "postgresql at " + server.Addr + " refuses the credentials; check user and password, and pg_hba.conf at the server: ", true},
		{"database", "database", "none", "postgresql at " + server.Addr + ` has no database "none"; check database: `, true},
		{"right", "user", "stranger", "postgresql at " + server.Addr + ` does not let the user into database "` + server.Database + `": `, true},
		{"port", "port", "1", "postgresql at 127.0.0.1:1 does not answer; check the connection's fields and that the server runs: ", false},
	} {
		m := component.Metadata{"connectionString": server.DSN(), tc.field: tc.value}
		if tc.name == "right" {
			m["password"] = "planted"
		}
		_, err := dial(t, m)
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want %q on one line", tc.name, err, tc.want)
		}
		if _, ok := errors.AsType[*component.PermanentError](err); ok != tc.permanent {
			t.Errorf("%s: error %v: permanent %t, want %t", tc.name, err, ok, tc.permanent)
		}
		if shown := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(shown, "planted") || strings.Contains(shown, server.Password) {
			t.Errorf("%s: the error %s shows a password", tc.name, shown)
		}
		if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
			t.Errorf("%s: the error carries the library's configuration, which has the password", tc.name)
		}
	}
}

func TestTLS(t *testing.T) {
	server := testserver.Postgres(t)
	server.Admin("GRANT pg_read_all_stats TO " + server.User)
	const used = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
	for mode, want := range map[string]string{"disable": "false", "prefer": "true", "require": "true", "verify-full": "true"} {
		m := component.Metadata{"connectionString": server.DSN() + " sslmode=" + mode}
		if mode == "verify-full" {
			m["sslRootCert"] = server.CAFile
		}
		if got := one(t, opened(t, m), used); got != want {
			t.Errorf("sslmode %s: TLS %s, want %s", mode, got, want)
		}
	}
	// The name is checked, not the address to which it is connected.
	m := component.Metadata{"connectionString": server.DSN() + " sslmode=verify-full", "sslRootCert": server.CAFile, "host": "localhost", "hostaddr": "127.0.0.1"}
	if got := one(t, opened(t, m), used); got != "true" {
		t.Errorf("host and hostaddr: TLS %s", got)
	}
	m["host"] = "other.invalid"
	_, err := dial(t, m)
	if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), "no connection by TLS; check sslmode and sslRootCert") {
		t.Errorf("another name: got error %v", err)
	}
}

// TestPool: the settings of the pool are those of the fields.
func TestPool(t *testing.T) {
	server := testserver.Postgres(t)
	db := opened(t, component.Metadata{"connectionString": server.DSN(), "maxConns": "1", "timeout": "1s", "connectionMaxIdleTime": "3"})
	var cfg *pgxpool.Config
	err := db.Do(t.Context(), func(_ context.Context, pool *pgxpool.Pool) error {
		cfg = pool.Config()
		return nil
	})
	if err != nil || cfg.MaxConns != 1 || cfg.MaxConnIdleTime != 3*time.Second || cfg.ConnConfig.ConnectTimeout != time.Second {
		t.Errorf("pool: got %d connections, idle %s, connecting %s, error %v", cfg.MaxConns, cfg.MaxConnIdleTime, cfg.ConnConfig.ConnectTimeout, err)
	}
	err = db.Do(t.Context(), func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := pool.Exec(ctx, "SELECT pg_sleep(3600)")
		return err
	})
	if !errors.Is(err, errUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a statement without end: got error %v, want %v after the timeout", err, errUnavailable)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ping with a context that has ended: got error %v, want %v", err, context.Canceled)
	}
	mine := errors.New("mine")
	err = db.Transact(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE TABLE undone (a text)")
		return errors.Join(err, postgresconn.Stop(mine))
	})
	if err != mine { //nolint:errorlint // it is to be the error itself
		t.Errorf("an error of one's own: got %v", err)
	}
	if got := one(t, db, "SELECT (to_regclass('undone') IS NULL)::text"); got != "true" {
		t.Error("the transaction was not undone")
	}
	if err := db.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, errUnavailable) {
		t.Errorf("ping after close: got error %v, want %v", err, errUnavailable)
	}
}

// TestDemoted: connections to a server that takes no more writes are not kept, as another may be the primary now.
func TestDemoted(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec("CREATE TABLE t (a text)")
	readOnly := func(on string) {
		server.Admin(fmt.Sprintf("ALTER ROLE %s IN DATABASE %s SET default_transaction_read_only = %s", server.User, server.Database, on))
	}
	write := func(db *postgresconn.DB) error {
		return db.Do(t.Context(), func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := pool.Exec(ctx, "INSERT INTO t VALUES ($1)", "x")
			return err
		})
	}
	readOnly("on")
	db := opened(t, component.Metadata{"connectionString": server.DSN()})
	if err := write(db); !errors.Is(err, errUnavailable) {
		t.Errorf("a server that takes no writes: got error %v, want %v", err, errUnavailable)
	}
	readOnly("off")
	if err := write(db); err != nil {
		t.Errorf("when it does again: %v", err)
	}
}

// TestSilentServer: one that takes the connection and says nothing holds up nobody for longer than the timeout.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, err = dial(t, component.Metadata{"connectionString": "postgres://u:planted@" + l.Addr().String() + "/db", "timeout": "1s"})
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || strings.Contains(err.Error(), "planted") {
		t.Errorf("got error %v, want one that is not permanent", err)
	}
}

func TestUnreachable(t *testing.T) {
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded, &net.OpError{Op: "dial", Err: io.EOF}, &pgconn.PgError{Code: "57P01"}, &pgconn.PgError{Code: "53300"}, &pgconn.PgError{Code: "25006"}, pgconn.ErrConnClosed} {
		if errors.Is(err, pgconn.ErrConnClosed) {
			err = fmt.Errorf("%w: %w", err, net.ErrClosed)
		}
		if !postgresconn.Unreachable(err) {
			t.Errorf("%v: got false, want true", err)
		}
	}
	for _, err := range []error{nil, context.Canceled, errors.New("x"), pgx.ErrNoRows, &pgconn.PgError{Code: "42601"}, &pgconn.PgError{Code: "23505"}} {
		if postgresconn.Unreachable(err) {
			t.Errorf("%v: got true, want false", err)
		}
	}
	for code, want := range map[string]bool{"42601": true, "22003": true, "23505": true, "P0001": true, "57P01": false, "": false} {
		if got := postgresconn.Refused(&pgconn.PgError{Code: code}); got != want {
			t.Errorf("refused %q: got %t", code, got)
		}
	}
}

func TestParseTable(t *testing.T) {
	for text, want := range map[string]string{
		"state": `"state"`, "State": `"state"`, "my.State_1$": `"my"."state_1$"`, `"My Table"`: `"My Table"`, `s."a""b"`: `"s"."a""b"`, "größe": `"größe"`, `"a.b".c`: `"a.b"."c"`,
	} {
		if got, err := postgresconn.ParseTable(text); err != nil || got.SQL() != want {
			t.Errorf("%s: got %s, error %v, want %s", text, got.SQL(), err, want)
		}
	}
	for _, text := range []string{"", ".", "a.", ".a", "a.b.c", "1a", "a b", "a;b", "a-b", `"a`, `""`, `"a"b`, "a\x00", "a\xff", `"a` + "\x00" + `"`, "$a"} {
		if got, err := postgresconn.ParseTable(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got.SQL())
		}
	}
}
