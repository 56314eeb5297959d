package mysql

import (
	"context"
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

func testKeys(t *testing.T, server *testserver.MariaDBServer) {
	s := opened(t, server, "schemaName", "odd_keys")
	defer closed(t, s)
	keys := []string{strings.Repeat("k", maxKey), strings.Repeat("漢", maxKey/3), "\xff\xfe", "a\x00b", "a\x00", "a", "A", "a ", "é", "e", "E\u0301"}
	for i, key := range keys {
		set(t, s, key, fmt.Sprint(i))
	}
	for i, key := range keys {
		want(t, s, key, fmt.Sprint(i))
	}
	page, err := s.ListKeys(t.Context(), state.ListRequest{Limit: 100})
	if want := slices.Sorted(slices.Values(keys)); err != nil || !slices.Equal(page.Keys, want) {
		t.Errorf("list: got %.20q, error %v, want %.20q", page.Keys, err, want)
	}
	long := strings.Repeat("k", maxKey+1)
	const text = "invalid key: the key, with its prefix, has 3073 bytes, more than the table's 3072"
	if err := s.Set(t.Context(), state.SetRequest{Key: long}); !errors.Is(err, state.ErrInvalidKey) || err.Error() != text {
		t.Errorf("set of a key that is too long: got error %v, want %q", err, text)
	}
	if e, err := s.Get(t.Context(), state.GetRequest{Key: long}); e != nil || err != nil {
		t.Errorf("get of a key that is too long: got %+v, error %v, want nothing", e, err)
	}
	if err := s.Delete(t.Context(), state.DeleteRequest{Key: long}); err != nil {
		t.Errorf("delete of a key that is too long: %v", err)
	}
}

// testValues: what Go takes for JSON and the server does not comes back all the same, also in a transaction.
func testValues(t *testing.T, server *testserver.MariaDBServer) {
	s := opened(t, server, "schemaName", "odd_values")
	defer closed(t, s)
	var ops []state.Operation
	values := map[string]string{
		"deep": strings.Repeat("[", 200) + strings.Repeat("]", 200), "half": `"\ud800"`, "zero": `"\u0000"`, "huge": "1e999", "long": strings.Repeat("9", 400),
		"spaces": " \t\r\n{ } ", "emoji": `"😀"`, "quotes": `"\\\"'"`, "same": `{"a":1,"a":2}`, "escape": `{"a":"\u00e4\/"}`, "minus": "-0", "exponent": "1E5",
	}
	for key, value := range values {
		set(t, s, "set-"+key, value)
		ops = append(ops, state.Operation{Upsert: &state.SetRequest{Key: "tx-" + key, Value: []byte(value)}})
	}
	if err := s.Transact(t.Context(), ops, nil); err != nil {
		t.Fatal(err)
	}
	for key, value := range values {
		want(t, s, "set-"+key, value)
		want(t, s, "tx-"+key, value)
	}
	// The server takes 16 MiB at once.
	large := strings.Repeat("x", 9<<20)
	set(t, s, "large", large)
	want(t, s, "large", large)
	for _, size := range []int{17 << 20, 80 << 20} {
		err := s.Set(t.Context(), state.SetRequest{Key: "large", Value: []byte(`"` + strings.Repeat("x", size) + `"`)})
		if !errors.Is(err, state.ErrInvalid) || !strings.Contains(err.Error(), "the value is larger than the server takes (max_allowed_packet)") {
			t.Errorf("set of %d bytes: got error %v", size, err)
		}
	}
	want(t, s, "large", large)
}

func testTTL(t *testing.T, server *testserver.MariaDBServer) {
	s := opened(t, server, "schemaName", "lives")
	defer closed(t, s)
	set(t, s, "k", "1")
	forever := 100 * 365 * 24 * time.Hour
	err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte("2"), TTL: &forever})
	if !errors.Is(err, state.ErrInvalid) || !strings.Contains(err.Error(), "the time to live of 876000h0m0s ends later than the table can say") {
		t.Errorf("set with a time to live of a century: got error %v", err)
	}
	want(t, s, "k", "1")
}

// testDeadlocks: transactions that take the same keys in opposite orders all succeed.
func testDeadlocks(t *testing.T, server *testserver.MariaDBServer) {
	s := opened(t, server, "schemaName", "deadlocks")
	defer closed(t, s)
	set(t, s, "a", "0")
	set(t, s, "b", "0")
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			ops := []state.Operation{{Upsert: &state.SetRequest{Key: "a", Value: []byte("1")}}, {Upsert: &state.SetRequest{Key: "b", Value: []byte("1")}}}
			if w%2 == 0 {
				slices.Reverse(ops)
			}
			for range 25 {
				errs[w] = errors.Join(errs[w], s.Transact(t.Context(), ops, nil))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("transactions: %v", err)
	}
}

// testRights: a user who may make nothing works on what is there, and is told what is missing.
func testRights(t *testing.T, server *testserver.MariaDBServer) {
	closed(t, opened(t, server, "schemaName", "made"))
	db := raw(t, server)
	execute(t, db, `CREATE DATABASE bare; CREATE USER 'few'@'%' IDENTIFIED BY 'planted-few'; GRANT SELECT, INSERT, UPDATE, DELETE ON made.* TO 'few'@'%'; GRANT SELECT ON bare.* TO 'few'@'%'`)
	few := *server
	few.User, few.Password = "few", "planted-few"
	s := opened(t, &few, "schemaName", "made")
	set(t, s, "k", "1")
	want(t, s, "k", "1")
	closed(t, s)
	for schema, text := range map[string]string{
		"bare":    "the table state cannot be made; make it, or give the user the right CREATE",
		"nowhere": "gives the user of connectionString no rights on the database",
	} {
		_, err := attempt(t, component.Metadata{"connectionString": few.DSN(""), "schemaName": schema})
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "planted") {
			t.Errorf("open of database %s: got error %v, want a permanent one with %q", schema, err, text)
		}
	}
}

func testOpenFails(t *testing.T, server *testserver.MariaDBServer) {
	wrong := *server
	wrong.Password = "planted-wrong"
	_, err := attempt(t, component.Metadata{"connectionString": wrong.DSN("")})
	if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), "refuses the credentials; check user and password in connectionString") || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "planted") {
		t.Errorf("open with a wrong password: got error %v", err)
	}
	// Parameters that would break the driver's statements do not.
	s := opened(t, server, "schemaName", "parameters", "connectionString", server.DSN("?charset=latin1&clientFoundRows=true&multiStatements=true&parseTime=true&loc=Local&time_zone=%27%2B05%3A00%27&sql_mode=ANSI&allowNativePasswords=true"))
	defer closed(t, s)
	hour := time.Hour
	if err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte(`"漢"`), TTL: &hour}); err != nil {
		t.Fatal(err)
	}
	want(t, s, "k", `"漢"`)
	if e, err := s.Get(t.Context(), state.GetRequest{Key: "k"}); err != nil || time.Until(e.Expires) > 61*time.Minute {
		t.Errorf("expires: got %+v, error %v", e, err)
	}
	if err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte("1"), Concurrency: state.FirstWrite}); !errors.Is(err, state.ErrETagMismatch) {
		t.Errorf("first-write of a key that exists: got error %v", err)
	}
}

// testBounded: a lock that another client keeps holds up no call for longer than it may take.
func testBounded(t *testing.T, server *testserver.MariaDBServer) {
	patient := opened(t, server, "schemaName", "bounded")
	set(t, patient, "k", "1")
	closed(t, patient)
	s := opened(t, server, "schemaName", "bounded", "timeoutInSeconds", "1")
	defer closed(t, s)
	conn, err := raw(t, server).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(t.Context(), "BEGIN; SELECT * FROM bounded.state WHERE id = 'k' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	err = s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte("2")})
	if !errors.Is(err, state.ErrUnavailable) || !strings.Contains(err.Error(), "not done within 1s (metadata field timeoutInSeconds)") {
		t.Errorf("set of a locked row: got error %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Set(ctx, state.SetRequest{Key: "k", Value: []byte("2")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("set of a locked row by a caller who does not wait: got error %v", err)
	}
}
