package mysql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// patience is how long a test waits for what has to happen.
const patience = 90 * time.Second

func attempt(t testing.TB, metadata ...string) (*server, error) {
	t.Helper()
	m := component.Metadata{}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i]] = metadata[i+1]
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := Spec.New(ctx, component.Config{Name: "sql", Metadata: m})
	if err != nil {
		return nil, err
	}
	return b.(*server), nil
}

func opened(t testing.TB, url string) *server {
	t.Helper()
	s, err := attempt(t, "url", url)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func request(op, sql, params string) binding.Request {
	return binding.Request{Operation: op, Metadata: map[string]string{"sql": sql, "params": params, "traceparent": "00-1-2-00"}}
}

func call(t testing.TB, s *server, op, sql, params string) *binding.Reply {
	t.Helper()
	reply, err := s.Invoke(t.Context(), new(request(op, sql, params)))
	if err != nil {
		t.Fatalf("%s %s: %v", op, sql, err)
	}
	return reply
}

func TestConformance(t *testing.T) {
	db := testserver.MariaDB(t)
	bindingtest.Run(t, func(t testing.TB) binding.Binding {
		s, err := attempt(t, "url", db.DSN(""))
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		return s
	}, bindingtest.Caps{
		Operations: []string{"exec", "query", "close"},
		Works: []binding.Request{
			request("exec", "CREATE DATABASE IF NOT EXISTS suite", ""), request("query", "SELECT 1", ""),
			request("query", "SELECT ?, ?, ?, ?, ?", `["a", 1, 1.5, true, null]`),
			{Operation: "close"},
			request("query", "SELECT 1", "null"),
		},
		Invalid: []binding.Request{
			{Operation: "exec"},
			request("query", "", ""), request("exec", "NO SUCH STATEMENT", ""), request("query", "SELECT * FROM mysql.nowhere", ""),
			request("query", "SELECT ?", ""), request("query", "SELECT ?", "[]"), request("query", "SELECT 1", "[1]"), request("query", "SELECT ?", "1"),
			request("query", "SELECT ?", `{"a": 1}`), request("query", "SELECT ?", `[[1]]`), request("query", "SELECT ?", `[{}]`), request("query", "SELECT ?", `[1]]`), request("query", "SELECT ?", `[1] [2]`),
		},
		Stop:  func(testing.TB) { db.Stop() },
		Start: func(testing.TB) { db.Start() },
	})
}

// TestReplies: what Dapr's driver gives for each kind of column.
func TestReplies(t *testing.T) {
	db := testserver.MariaDB(t)
	call(t, opened(t, db.DSN("")), "exec", "CREATE DATABASE app CHARACTER SET utf8mb4", "")
	s := opened(t, db.DSN("app"))
	begin := time.Now().Add(-time.Second)
	reply := call(t, s, "exec", `CREATE TABLE foo (id BIGINT NOT NULL, j JSON NOT NULL, v1 VARCHAR(50) NOT NULL, b BOOLEAN, ts TIMESTAMP NULL, data LONGTEXT,
		big BIGINT UNSIGNED, f DOUBLE, d DECIMAL(30, 10), bin VARBINARY(9), bits BIT(8), e ENUM('x', 'y'), day DATE, hour TIME, year YEAR, blank VARCHAR(9))`, "")
	if reply.Data != nil || reply.Metadata["rows-affected"] != "0" || reply.Metadata["operation"] != "exec" || !strings.HasPrefix(reply.Metadata["sql"], "CREATE TABLE foo") {
		t.Errorf("exec: got %+v", reply)
	}
	for _, name := range []string{"start-time", "end-time"} {
		if at, err := time.Parse(time.RFC3339Nano, reply.Metadata[name]); err != nil || at.Before(begin) || at.After(time.Now()) || at.Location() != time.UTC {
			t.Errorf("%s: got %q, error %v", name, reply.Metadata[name], err)
		}
	}
	if _, err := time.ParseDuration(reply.Metadata["duration"]); err != nil {
		t.Errorf("duration: got %q, error %v", reply.Metadata["duration"], err)
	}
	const insert = `INSERT INTO foo VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	reply = call(t, s, "exec", insert, `[9007199254740993, "{\"a\": 1}", "ü'\"\\", true, "2026-01-02 03:04:05", "long", 18446744073709551615, 1.5, 12345678901234567890.5, "ab", 5, "y", "2026-01-02", "12:34:56", 2026, null]`)
	if reply.Metadata["rows-affected"] != "1" {
		t.Errorf("exec: got %+v", reply)
	}
	call(t, s, "exec", `INSERT INTO foo (id, j, v1) VALUES (2, '[]', '')`, "")
	reply = call(t, s, "query", "SELECT * FROM foo ORDER BY id DESC", "")
	const first = `{"b":1,"big":18446744073709551615,"bin":"YWI=","bits":"BQ==","d":"12345678901234567890.5000000000","data":"long","day":"2026-01-02T00:00:00Z",` +
		`"e":"y","f":1.5,"hour":"12:34:56","id":9007199254740993,"j":"{\"a\": 1}","ts":"2026-01-02T03:04:05Z","v1":"ü'\"\\","year":2026}`
	const second = `{"bin":null,"bits":null,"id":2,"j":"[]","v1":""}`
	if got, want := string(reply.Data), "["+first+","+second+"]"; got != want || reply.ContentType != "application/json" {
		t.Errorf("query: got %s (%s), want %s", got, reply.ContentType, want)
	}
	if _, ok := reply.Metadata["rows-affected"]; ok || reply.Metadata["operation"] != "query" {
		t.Errorf("query: got metadata %v", reply.Metadata)
	}
	// Values of a call with parameters come by another way, and in the same form.
	again := call(t, s, "query", "SELECT * FROM foo WHERE id > ? ORDER BY id DESC", "[0]")
	var a, b any
	if err := errors.Join(json.Unmarshal(reply.Data, &a), json.Unmarshal(again.Data, &b)); err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("query with parameters: got %s, want %s", again.Data, reply.Data)
	}
	if got := string(call(t, s, "query", "SELECT * FROM foo WHERE id = 3", "").Data); got != "null" {
		t.Errorf("query without rows: got %s, want null", got)
	}
	_, err := s.Invoke(t.Context(), new(request("query", "SELECT REPEAT('x', 9000000) FROM mysql.help_keyword LIMIT 9", "")))
	if !errors.Is(err, binding.ErrInvalid) || !strings.Contains(err.Error(), "the result is larger than the 67108864 bytes that an app takes; use LIMIT") {
		t.Errorf("query of much: got %v", err)
	}
	if _, err := s.Invoke(t.Context(), &binding.Request{Operation: "close"}); err != nil {
		t.Errorf("close: %v", err)
	}
	if n := s.db.Stats().Idle; n != 0 {
		t.Errorf("idle connections after close: got %d, want none", n)
	}
	call(t, s, "query", "SELECT 1", "")
	if n := s.db.Stats().Idle; n != 1 {
		t.Errorf("idle connections after a call: got %d, want 1", n)
	}
}

func TestFaults(t *testing.T) {
	db := testserver.MariaDB(t)
	s := opened(t, db.DSN(""))
	call(t, s, "exec", "CREATE DATABASE faults", "")
	call(t, s, "exec", "CREATE TABLE faults.written (n INT NOT NULL)", "")
	faulttest.Run(t, db, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			_, err := s.Invoke(ctx, new(request("exec", "INSERT INTO faults.written VALUES (?)", fmt.Sprintf("[%d]", n))))
			return err
		},
		Arrived: func(ctx context.Context) (map[int]bool, error) {
			reply, err := s.Invoke(ctx, new(request("query", "SELECT n FROM faults.written", "")))
			if err != nil {
				return nil, err
			}
			var rows []struct{ N int }
			err = json.Unmarshal(reply.Data, &rows)
			got := map[int]bool{}
			for _, row := range rows {
				got[row.N] = true
			}
			return got, err
		},
		Unavailable: func(err error) bool { return errors.Is(err, binding.ErrUnavailable) },
		Credentials: []string{db.Password},
	})
	db.Stop()
	_, err := attempt(t, "url", db.DSN(""))
	if _, permanent := errors.AsType[*component.PermanentError](err); permanent || err == nil || !strings.Contains(err.Error(), "mysql at "+db.Addr+" does not answer; check url and that the server runs") {
		t.Errorf("open without a server: got error %v", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, binding.ErrUnavailable) {
		t.Errorf("ping without a server: got error %v", err)
	}
}

func TestTLS(t *testing.T) {
	db := testserver.MariaDBTLS(t, "localhost")
	s, err := attempt(t, "url", db.DSN("?tls=custom"), "pemPath", db.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(call(t, s, "query", "SHOW STATUS LIKE 'Ssl_cipher'", "").Data); strings.Contains(got, `"Value":""`) {
		t.Errorf("cipher: got %s", got)
	}
	_ = s.Close(t.Context())
}

func TestBadSettings(t *testing.T) {
	db := testserver.MariaDB(t)
	const planted = "planted-wrong"
	for name, tc := range map[string]struct {
		metadata []string
		want     string
	}{
		"none":       {nil, "metadata field url is missing"},
		"form":       {[]string{"url", "root:" + planted + "@h:3306"}, "metadata field url: want user:password@tcp(host:3306)/?name=value"},
		"number":     {[]string{"url", db.DSN(""), "maxOpenConns", "many"}, `metadata field maxOpenConns: want an integer, found "many"`},
		"negative":   {[]string{"url", db.DSN(""), "maxIdleConns", "-1"}, "metadata fields maxIdleConns and maxOpenConns: want 0 to 65536, found -1 and 0"},
		"duration":   {[]string{"url", db.DSN(""), "connMaxLifetime", "soon"}, "metadata field connMaxLifetime: want a duration"},
		"pem":        {[]string{"url", db.DSN(""), "pemPath", "/does/not/exist"}, "metadata field url: the metadata field pemPath: open /does/not/exist"},
		"password":   {[]string{"url", strings.ReplaceAll(db.DSN(""), db.Password, planted)}, "refuses the credentials; check user and password in url"},
		"database":   {[]string{"url", db.DSN("nowhere")}, "does not have the database that url names"},
		"no TLS":     {[]string{"url", db.DSN("?tls=true")}, "does not offer TLS, which url or pemPath asks for"},
		"plugin":     {[]string{"url", db.DSN("?allowNativePasswords=false")}, "signs users in by a way that url does not allow"},
		"public key": {[]string{"url", db.DSN("?serverPubKey=" + planted)}, "the parameter serverPubKey has a wrong value"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := attempt(t, tc.metadata...)
			if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want a permanent one with %q", err, tc.want)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "planted") {
				t.Errorf("the error %s shows the password", text)
			}
		})
	}
	s, err := attempt(t, "url", db.DSN(""), "maxIdleConns", "5", "maxOpenConns", "7", "connMaxLifetime", "12s", "connMaxIdleTime", "12")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.db.Stats().MaxOpenConnections; got != 7 {
		t.Errorf("open connections: got at most %d, want 7", got)
	}
	_ = s.Close(t.Context())
	if _, err := s.Invoke(t.Context(), new(request("query", "SELECT 1", ""))); !errors.Is(err, binding.ErrUnavailable) {
		t.Errorf("a call after the end: got %v", err)
	}
}
