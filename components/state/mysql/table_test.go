package mysql

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

func set(t *testing.T, s *store, key, value string) {
	t.Helper()
	if err := s.Set(t.Context(), state.SetRequest{Key: key, Value: []byte(value)}); err != nil {
		t.Fatalf("set %q: %v", key, err)
	}
}

func want(t *testing.T, s *store, key, value string) {
	t.Helper()
	e, err := s.Get(t.Context(), state.GetRequest{Key: key})
	if err != nil || e == nil || string(e.Value) != value {
		t.Errorf("get %q: got %+v, error %v, want %.60q", key, e, err, value)
	}
}

// testLayout reads the table as Dapr's driver does.
func testLayout(t *testing.T, server *testserver.MariaDBServer) {
	s := opened(t, server, "schemaName", "layout", "tableName", "my_state", "metadataTableName", "my_meta")
	defer closed(t, s)
	hour := time.Hour
	for key, value := range map[string]string{"json": `{"b":1, "a":"ü"}`, "binary": "\xff\x00", "text": "no json", "empty": ""} {
		if err := s.Set(t.Context(), state.SetRequest{Key: "app||" + key, Value: []byte(value), TTL: &hour}); err != nil {
			t.Fatal(err)
		}
		var id, stored, etag, expire string
		var binary bool
		// Dapr reads the time as text, and takes it for UTC.
		err := raw(t, server).QueryRowContext(t.Context(), `SELECT id, value, eTag, isbinary, IFNULL(expiredate, "") FROM layout.my_state
			WHERE id = ? AND (expiredate IS NULL OR expiredate > CURRENT_TIMESTAMP)`, "app||"+key).Scan(&id, &stored, &etag, &binary, &expire)
		if err != nil || id != "app||"+key || etag == "" || len(etag) > 36 || expire == "" {
			t.Errorf("row %s: got id %q, eTag %q, expiredate %q, error %v", key, id, etag, expire, err)
		}
		if key == "json" {
			if stored != value || binary {
				t.Errorf("row %s: got value %s, isbinary %t", key, stored, binary)
			}
			continue
		}
		var text string
		if err := json.Unmarshal([]byte(stored), &text); err != nil || !binary {
			t.Errorf("row %s: got value %s, isbinary %t, error %v", key, stored, binary, err)
		}
		if got, err := base64.StdEncoding.DecodeString(text); err != nil || string(got) != value {
			t.Errorf("row %s: got %q, error %v, want %q", key, got, err, value)
		}
	}
	var columns string
	err := raw(t, server).QueryRowContext(t.Context(), `SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns
		WHERE table_schema = 'layout' AND table_name = 'my_state'`).Scan(&columns)
	if err != nil || columns != "id,value,isbinary,insertDate,updateDate,eTag,expiredate,row_id" {
		t.Errorf("columns: got %s, error %v", columns, err)
	}
}

// daprTables are as Dapr makes them, in a database with the server's collation.
const daprTables = `CREATE DATABASE %[1]s; CREATE TABLE %[1]s.state (id VARCHAR(255) NOT NULL PRIMARY KEY, value JSON NOT NULL, isbinary BOOLEAN NOT NULL,
	insertDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, updateDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
	eTag VARCHAR(36) NOT NULL, expiredate TIMESTAMP NULL, INDEX expiredate_idx(expiredate));
	ALTER TABLE %[1]s.state ADD COLUMN row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, ADD UNIQUE KEY row_id_uidx (row_id);
	CREATE TABLE %[1]s.dapr_metadata (id VARCHAR(255) NOT NULL PRIMARY KEY, value TEXT NOT NULL)`

// testRowsOfDapr works on what Dapr wrote: from HTTP, from gRPC, with a time to live, and expired.
func testRowsOfDapr(t *testing.T, server *testserver.MariaDBServer) {
	db := raw(t, server)
	execute(t, db, fmt.Sprintf(daprTables, "of_dapr"))
	const etag = "7f2a3c1e-5d2b-4a57-9f3d-2f0f3a2c9b11"
	execute(t, db, `INSERT INTO of_dapr.state (id, value, eTag, isbinary, expiredate) VALUES ('app||http', '{"a":1}', ?, 0, NULL),
		('app||grpc', '"AP8="', ?, 1, CURRENT_TIMESTAMP + INTERVAL 3600 SECOND), ('app||gone', '1', ?, 0, CURRENT_TIMESTAMP - INTERVAL 1 SECOND)`, etag, etag, etag)
	s := opened(t, server, "schemaName", "of_dapr")
	defer closed(t, s)
	want(t, s, "app||http", `{"a":1}`)
	want(t, s, "app||grpc", "\x00\xff")
	e, err := s.Get(t.Context(), state.GetRequest{Key: "app||grpc"})
	if left := time.Until(e.Expires); err != nil || *e.ETag != etag || left < 59*time.Minute || left > 61*time.Minute {
		t.Errorf("row from gRPC: got %+v, error %v, want the etag and an hour to live", e, err)
	}
	if e, err := s.Get(t.Context(), state.GetRequest{Key: "app||gone"}); e != nil || err != nil {
		t.Errorf("expired row: got %+v, error %v", e, err)
	}
	tag := etag
	if err := s.Set(t.Context(), state.SetRequest{Key: "app||http", Value: []byte("2"), ETag: &tag}); err != nil {
		t.Errorf("set with Dapr's etag: %v", err)
	}
	if err := s.Set(t.Context(), state.SetRequest{Key: "app||gone", Value: []byte("2"), Concurrency: state.FirstWrite}); err != nil {
		t.Errorf("first-write over an expired row: %v", err)
	}
	// What Dapr does to replace a row and to page through keys.
	execute(t, db, `REPLACE INTO of_dapr.state (id, value, eTag, isbinary, expiredate) VALUES ('app||http', '3', ?, 0, NULL)`, etag)
	want(t, s, "app||http", "3")
	page, err := s.ListKeys(t.Context(), state.ListRequest{Prefix: "app||", Limit: 10})
	if err != nil || !slices.Equal(page.Keys, []string{"app||gone", "app||grpc", "app||http"}) {
		t.Errorf("list: got %q, error %v", page.Keys, err)
	}
	bad := base64.StdEncoding.EncodeToString([]byte("x")) + "!"
	execute(t, db, `INSERT INTO of_dapr.state (id, value, eTag, isbinary) VALUES ('app||bad', ?, ?, 1), ('app||worse', '{}', ?, 1)`, `"`+bad+`"`, etag, etag)
	for _, key := range []string{"app||bad", "app||worse"} {
		if _, err := s.Get(t.Context(), state.GetRequest{Key: key}); err == nil || !strings.Contains(err.Error(), "the table says that the value is binary, but it is not") {
			t.Errorf("get %s: got error %v", key, err)
		}
	}
}

// testCollation: in a table whose collation takes several keys for one, no call is answered with another key's row.
func testCollation(t *testing.T, server *testserver.MariaDBServer) {
	execute(t, raw(t, server), fmt.Sprintf(daprTables, "collated"))
	s := opened(t, server, "schemaName", "collated")
	defer closed(t, s)
	set(t, s, "app||key", "1")
	e, err := s.Get(t.Context(), state.GetRequest{Key: "app||key"})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"app||KEY", "app||key ", "app||keÿ"[:len("app||keÿ")], "app||kéy"} {
		if e, err := s.Get(t.Context(), state.GetRequest{Key: key}); e != nil || err != nil {
			t.Errorf("get %q: got %+v, error %v, want nothing", key, e, err)
		}
		if err := s.Delete(t.Context(), state.DeleteRequest{Key: key}); err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
		if err := s.Set(t.Context(), state.SetRequest{Key: key, Value: []byte("2"), ETag: e0(e)}); !errors.Is(err, state.ErrETagMismatch) {
			t.Errorf("set %q with the other key's etag: got error %v", key, err)
		}
	}
	err = s.Set(t.Context(), state.SetRequest{Key: "app||KEY", Value: []byte("2")})
	const text = `invalid key: the table takes the key "app||KEY" for another one that it has; convert its column id to VARBINARY`
	if !errors.Is(err, state.ErrInvalidKey) || err.Error() != text {
		t.Errorf("set of a key that the table takes for another: got error %v, want %q", err, text)
	}
	want(t, s, "app||key", "1")
	for name, key := range map[string]string{"too long": strings.Repeat("k", 256), "not UTF-8": "\xff", "not in the character set": "漢"} {
		if err := s.Set(t.Context(), state.SetRequest{Key: key, Value: []byte("{}")}); !errors.Is(err, state.ErrInvalidKey) {
			t.Errorf("set of a key that is %s: got error %v, want %v", name, err, state.ErrInvalidKey)
		}
		if e, err := s.Get(t.Context(), state.GetRequest{Key: key}); e != nil || err != nil {
			t.Errorf("get of a key that is %s: got %+v, error %v", name, e, err)
		}
	}
	set(t, s, "ä_%!||k", "1")
	page, err := s.ListKeys(t.Context(), state.ListRequest{Prefix: "ä_%!||", Limit: 10})
	if err != nil || !slices.Equal(page.Keys, []string{"ä_%!||k"}) {
		t.Errorf("list: got %q, error %v", page.Keys, err)
	}
	// What the error and the warning say to do mends it.
	execute(t, raw(t, server), "ALTER TABLE collated.state MODIFY id VARBINARY(3072) NOT NULL")
	mended := opened(t, server, "schemaName", "collated")
	defer closed(t, mended)
	set(t, mended, "app||KEY", "2")
	want(t, mended, "app||key", "1")
}

func e0(e *state.Entry) *string { return e.ETag }

// testOldTables: what is there of older versions is completed, and what cannot be used is refused.
func testOldTables(t *testing.T, server *testserver.MariaDBServer) {
	db := raw(t, server)
	execute(t, db, `CREATE DATABASE old; CREATE TABLE old.state (id VARCHAR(255) NOT NULL PRIMARY KEY, value JSON NOT NULL, isbinary BOOLEAN NOT NULL,
		insertDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, updateDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
		eTag VARCHAR(36) NOT NULL); INSERT INTO old.state (id, value, isbinary, eTag) VALUES ('k', '1', 0, 'e');
		CREATE TABLE old.other (id INT); CREATE TABLE old.numbers (id INT, value LONGTEXT, isbinary BOOLEAN, eTag VARCHAR(36), expiredate TIMESTAMP NULL); CREATE TABLE old.plain (id VARBINARY(99) PRIMARY KEY, value LONGTEXT, isbinary BOOLEAN, eTag VARCHAR(36), expiredate TIMESTAMP NULL) ENGINE=MyISAM`)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := attempt(t, component.Metadata{"connectionString": server.DSN(""), "schemaName": "old"})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			want(t, s, "k", "1")
			closed(t, s)
		})
	}
	wg.Wait()
	for table, text := range map[string]string{
		"other":   "the table other (metadata field tableName) has no column value, so it is not one of entries; choose another name",
		"numbers": "the column id of the table numbers is int: want VARBINARY or VARCHAR",
		"plain":   "the table plain has the engine MyISAM, which knows no transactions; run ALTER TABLE plain ENGINE=InnoDB",
	} {
		_, err := attempt(t, component.Metadata{"connectionString": server.DSN(""), "schemaName": "old", "tableName": table})
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.HasSuffix(err.Error(), text) {
			t.Errorf("open of table %s: got error %v, want a permanent one with %q", table, err, text)
		}
	}
}

// testManyHostsStart: all of them find the database and its tables, whoever made them.
func testManyHostsStart(t *testing.T, server *testserver.MariaDBServer) {
	for round := range 5 {
		var wg sync.WaitGroup
		for host := range 8 {
			wg.Go(func() {
				s, err := attempt(t, component.Metadata{"connectionString": server.DSN(""), "schemaName": fmt.Sprintf("start_%d", round)})
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				set(t, s, fmt.Sprint(host), "1")
				closed(t, s)
			})
		}
		wg.Wait()
	}
}

func rows(t *testing.T, s *store) (n int) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+s.text.table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func testExpiredRows(t *testing.T, server *testserver.MariaDBServer) {
	s := opened(t, server, "schemaName", "expired", "cleanupInterval", "100ms")
	defer closed(t, s)
	ttl := time.Millisecond
	for _, key := range []string{"a", "b"} {
		if err := s.Set(t.Context(), state.SetRequest{Key: key, TTL: &ttl}); err != nil {
			t.Fatal(err)
		}
	}
	set(t, s, "stays", "1")
	for end := time.Now().Add(patience); rows(t, s) != 1; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("rows: got %d, want 1", rows(t, s))
		}
	}
}

// testTurns: of several hosts only one deletes within the interval, and a time of another clock stops none.
func testTurns(t *testing.T, server *testserver.MariaDBServer) {
	s := opened(t, server, "schemaName", "turns")
	defer closed(t, s)
	for _, step := range []struct {
		before string
		left   int
	}{
		{"", 0},
		{"", 1},
		{"UPDATE turns.dapr_metadata SET value = UTC_TIMESTAMP() - INTERVAL 59 MINUTE", 2},
		{"UPDATE turns.dapr_metadata SET value = UTC_TIMESTAMP() - INTERVAL 61 MINUTE", 0},
		{"UPDATE turns.dapr_metadata SET value = UTC_TIMESTAMP() + INTERVAL 61 MINUTE", 0},
	} {
		if step.before != "" {
			execute(t, raw(t, server), step.before)
		}
		execute(t, raw(t, server), `INSERT INTO turns.state (id, value, eTag, isbinary, expiredate) VALUES (UUID(), '1', 'e', 0, CURRENT_TIMESTAMP - INTERVAL 1 SECOND)`)
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := rows(t, s); got != step.left {
			t.Errorf("expired rows after a sweep after %q: got %d, want %d", step.before, got, step.left)
		}
	}
}
