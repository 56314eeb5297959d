package postgresql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

const patience = 60 * time.Second

func try(t testing.TB, m component.Metadata) (*statements, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := Spec.New(ctx, component.Config{Name: "db", Type: Spec.Type, Metadata: m})
	if err != nil {
		return nil, err
	}
	return b.(*statements), nil
}

func opened(t testing.TB, server *testserver.PostgresServer, more ...string) *statements {
	t.Helper()
	m := component.Metadata{"connectionString": server.DSN()}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	s, err := try(t, m)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func closed(t testing.TB, s *statements) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

func request(op, sql, params string) binding.Request {
	r := binding.Request{Operation: op, Metadata: map[string]string{"sql": sql}}
	if params != "" {
		r.Metadata["params"] = params
	}
	return r
}

func TestConformance(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec("CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL)")
	for _, mode := range []string{"", "exec", "simple_protocol"} {
		t.Run("mode "+mode, func(t *testing.T) {
			bindingtest.Run(t, func(t testing.TB) binding.Binding { return opened(t, server, "queryExecMode", mode) }, bindingtest.Caps{
				Operations: []string{"exec", "query", "close"},
				Works: []binding.Request{
					request("query", "SELECT 1", ""), request("exec", "DELETE FROM t", ""), request("exec", "INSERT INTO t VALUES ($1, $2)", `[1, "x"]`),
					{Operation: "close"},
					request("query", "SELECT $1::int", "[1]"),
					{Operation: "close", Metadata: map[string]string{"sql": "ignored"}},
				},
				Invalid: []binding.Request{
					{Operation: "exec"},
					request("query", "", ""), request("exec", "no SQL", ""), request("query", "SELECT * FROM none", ""),
					request("query", "SELECT 1 / $1::int", "[0]"), request("exec", "INSERT INTO t VALUES (7, NULL)", ""),
					request("query", "SELECT $1::int", `["x"]`), request("query", "SELECT $1::int", ""), request("query", "SELECT $1::int", "[1, 2]"),
					request("query", "SELECT 1", "{}"), request("query", "SELECT 1", "[1] 2"), request("query", "SELECT 1", "[1"), request("query", "SELECT $1::text", `["\u0000"]`),
					request("query", "SELECT 1\x00", ""), request("query", "SELECT $1::text[]", `[["\u0000"]]`), request("query", "SELECT $1::jsonb", `[{"a": "\u0000"}]`),
				},
				Stop: func(testing.TB) { server.Stop() }, Start: func(testing.TB) { server.Start() },
			})
		})
	}
}

func TestFaults(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec("CREATE TABLE t (n int)")
	s := opened(t, server)
	defer closed(t, s)
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			_, err := s.Invoke(ctx, new(request("exec", "INSERT INTO t VALUES ($1)", fmt.Sprintf("[%d]", n))))
			return err
		},
		Arrived: func(ctx context.Context) (map[int]bool, error) {
			reply, err := s.Invoke(ctx, new(request("query", "SELECT n FROM t", "")))
			if err != nil {
				return nil, err
			}
			var rows [][]int
			if err := json.Unmarshal(reply.Data, &rows); err != nil {
				return nil, err
			}
			got := map[int]bool{}
			for _, row := range rows {
				if got[row[0]] {
					t.Errorf("statement %d ran twice", row[0])
				}
				got[row[0]] = true
			}
			return got, nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, binding.ErrUnavailable) },
		Credentials: []string{server.Password},
		Bound:       patience,
	})
}

// TestReplies: what Dapr's component replies.
func TestReplies(t *testing.T) {
	server := testserver.Postgres(t)
	s := opened(t, server)
	defer closed(t, s)
	for _, tc := range []struct {
		req      binding.Request
		data     string
		affected string
	}{
		{request("exec", "CREATE TABLE foo (id bigint NOT NULL, v1 character varying(50) NOT NULL, ts TIMESTAMP)", ""), "", "0"},
		{request("exec", "INSERT INTO foo (id, v1, ts) VALUES (1, 'test-1', '2021-01-22'), (2, 'test-2', '2021-01-22 10:00:00.5')", ""), "", "2"},
		{request("exec", "INSERT INTO foo (id, v1, ts) VALUES ($1, $2, $3)", `[9007199254740993, "test-3", null]`), "", "1"},
		{request("exec", "UPDATE foo SET ts = $1 WHERE id > 100", `["2021-01-22"]`), "", "1"},
		{request("query", "SELECT * FROM foo WHERE id < $1 ORDER BY id", "[3]"), `[[1,"test-1","2021-01-22T00:00:00Z"],[2,"test-2","2021-01-22T10:00:00.5Z"]]`, ""},
		{request("query", "SELECT id FROM foo WHERE v1 = ANY($1)", `[["test-3", "none"]]`), `[[9007199254740993]]`, ""},
		{request("query", "SELECT 1 FROM foo WHERE false", ""), `[]`, ""},
	} {
		reply, err := s.Invoke(t.Context(), &tc.req)
		if err != nil {
			t.Errorf("%v: %v", tc.req.Metadata, err)
			continue
		}
		if string(reply.Data) != tc.data || reply.Metadata["rows-affected"] != tc.affected {
			t.Errorf("%v: got %s and %s rows, want %s and %s", tc.req.Metadata, reply.Data, reply.Metadata["rows-affected"], tc.data, tc.affected)
		}
		if reply.Metadata["operation"] != tc.req.Operation || reply.Metadata["sql"] != tc.req.Metadata["sql"] {
			t.Errorf("%v: got metadata %v", tc.req.Metadata, reply.Metadata)
		}
		begun, errBegun := time.Parse(time.RFC3339Nano, reply.Metadata["start-time"])
		ended, errEnded := time.Parse(time.RFC3339Nano, reply.Metadata["end-time"])
		took, errTook := time.ParseDuration(reply.Metadata["duration"])
		if errors.Join(errBegun, errEnded, errTook) != nil || ended.Sub(begun) != took {
			t.Errorf("%v: got times %v", tc.req.Metadata, reply.Metadata)
		}
	}
	reply, err := s.Invoke(t.Context(), &binding.Request{Operation: "close"})
	if reply != nil || err != nil {
		t.Errorf("close: got %+v, %v", reply, err)
	}
}

// TestTypes: every type comes as JSON that somebody can read, however statements are sent.
func TestTypes(t *testing.T) {
	server := testserver.Postgres(t)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		s := opened(t, server, "queryExecMode", mode)
		for _, tc := range [][2]string{
			{"NULL::int", "null"},
			{"true", "true"},
			{"1::smallint", "1"},
			{"-1::int", "-1"},
			{"9223372036854775807::bigint", "9223372036854775807"},
			{"1.5::real", "1.5"},
			{"'NaN'::float8", `"NaN"`},
			{"'-Infinity'::real", `"-Inf"`},
			{"1e300::float8", "1e+300"},
			{"12345678901234567890.10::numeric", "12345678901234567890.10"},
			{"'ü\"'::text", `"ü\""`},
			{"'x'::char(3)", `"x  "`},
			{`'\x00ff'::bytea`, `"AP8="`},
			{"'2021-01-22 10:00:00+02'::timestamptz", `"2021-01-22T08:00:00Z"`},
			{"'2021-01-22'::date", `"2021-01-22T00:00:00Z"`},
			{"'10:00:01.5'::time", `"10:00:01.5"`},
			{"'infinity'::timestamptz", `"infinity"`},
			{"'0044-03-15 BC'::date", `"0044-03-15 BC"`},
			{"'1 day 2 hours'::interval", `"1 day 02:00:00"`},
			{"'0b0c9e8e-6f1c-4a6d-8f5a-0123456789ab'::uuid", `"0b0c9e8e-6f1c-4a6d-8f5a-0123456789ab"`},
			{"'10.0.0.0/8'::cidr", `"10.0.0.0/8"`},
			{"'10.0.0.1'::inet", `"10.0.0.1/32"`},
			{`'{"b": 12345678901234567890, "a": [null]}'::jsonb`, `{"a":[null],"b":12345678901234567890}`},
			{`'[ 1e2 ]'::json`, `[1e2]`},
			{`'null'::jsonb`, `null`},
			{`'"x"'::jsonb`, `"x"`},
			{"ARRAY[1, NULL, 3]", "[1,null,3]"},
			{"ARRAY['a', 'b\"']", `["a","b\""]`},
			{"'{}'::int[]", "[]"},
			{"'(1,2)'::point", `"(1,2)"`},
			{"'[1,5)'::int4range", `"[1,5)"`},
			{"ARRAY['0b0c9e8e-6f1c-4a6d-8f5a-0123456789ab'::uuid]", `["0b0c9e8e-6f1c-4a6d-8f5a-0123456789ab"]`},
			{"ARRAY['NaN'::float8]", `["NaN"]`},
			{"ARRAY['1 day'::interval]", `["1 day 00:00:00"]`},
			{`ARRAY['{"a": 1}'::jsonb]`, `[{"a":1}]`},
			{"ARRAY['2021-01-22'::date]", `["2021-01-22T00:00:00Z"]`},
			{"B'101'", `"101"`},
			{"'<a/>'::xml", `"\u003ca/\u003e"`},
			{"ROW(1, 'x')", `"(1,x)"`},
			{"'$1.50'::money", `"$1.50"`},
			{"1::oid", "1"},
		} {
			reply, err := s.Invoke(t.Context(), new(request("query", "SELECT "+tc[0], "")))
			if err != nil || string(reply.Data) != "[["+tc[1]+"]]" {
				t.Errorf("%s: %s: got %+v, %v, want [[%s]]", mode, tc[0], reply, err, tc[1])
			}
		}
		for _, tc := range [][3]string{
			{"$1::bigint", "9007199254740993", "9007199254740993"},
			{"$1::numeric", "1.10", "1.10"},
			{"$1::text", `"1"`, `"1"`},
			{"$1::text", "null", "null"},
			{"$1::bool", "true", "true"},
			{"$1::float8", "1.5", "1.5"},
			{"$1::jsonb", `{"a": 1}`, `{"a":1}`},
			{"$1::jsonb", `"{\"a\": 1}"`, `{"a":1}`},
			{"$1::int[]", `"{1,2}"`, "[1,2]"},
			{"$1::uuid", `"0b0c9e8e-6f1c-4a6d-8f5a-0123456789ab"`, `"0b0c9e8e-6f1c-4a6d-8f5a-0123456789ab"`},
			{"$1::timestamptz", `"2021-01-22T10:00:00Z"`, `"2021-01-22T10:00:00Z"`},
			{"$1::text", `"'; DROP TABLE t; --"`, `"'; DROP TABLE t; --"`},
		} {
			reply, err := s.Invoke(t.Context(), new(request("query", "SELECT "+tc[0], "["+tc[1]+"]")))
			if err != nil || string(reply.Data) != "[["+tc[2]+"]]" {
				t.Errorf("%s: %s with %s: got %+v, %v, want [[%s]]", mode, tc[0], tc[1], reply, err, tc[2])
			}
		}
		// Where the library does not know the parameter's type, an array is to be text.
		reply, err := s.Invoke(t.Context(), new(request("query", "SELECT $1::int[], $2::text[]", `[[1, 2], ["a"]]`)))
		if mode == "exec" || mode == "simple_protocol" {
			if !errors.Is(err, binding.ErrInvalid) {
				t.Errorf("%s: arrays: got %v", mode, err)
			}
		} else if err != nil || string(reply.Data) != `[[[1,2],["a"]]]` {
			t.Errorf("%s: arrays: got %+v, %v", mode, reply, err)
		}
		closed(t, s)
	}
}

// TestBounds: neither a long result nor a long statement holds up the host.
func TestBounds(t *testing.T) {
	server := testserver.Postgres(t)
	s := opened(t, server, "timeout", "5s")
	defer closed(t, s)
	_, err := s.Invoke(t.Context(), new(request("query", "SELECT repeat('x', 1000000) FROM generate_series(1, 100000)", "")))
	if !errors.Is(err, binding.ErrInvalid) || !strings.Contains(err.Error(), "which is the most that an app takes; add LIMIT to the statement") {
		if !errors.Is(err, binding.ErrUnavailable) { // on a machine so slow that the timeout is first
			t.Errorf("a result without end: got %v", err)
		}
	}
	_, err = s.Invoke(t.Context(), new(request("exec", "SELECT pg_sleep(3600)", "")))
	if !errors.Is(err, binding.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a statement without end: got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err = s.Invoke(ctx, new(request("query", "SELECT pg_sleep(3600)", ""))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline: got %v", err)
	}
}

func TestBadSettings(t *testing.T) {
	for want, m := range map[string]component.Metadata{
		"metadata field useAzureAD: this binary cannot sign in to PostgreSQL by Microsoft Entra ID; use mrt-wasm-full, or a user with a password": {"connectionString": "host=h", "useAzureAD": "true"},
		"metadata field timeout: want 1s or more, found 500ms": {"connectionString": "host=h", "timeout": "500ms"},
	} {
		_, err := try(t, m)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || err.Error() != want {
			t.Errorf("%v: got %v, want %q", m, err, want)
		}
	}
	server := testserver.Postgres(t)
	for field, value := range map[string]string{"password": "planted", "port": "1"} {
		_, err := try(t, component.Metadata{"connectionString": server.DSN(), field: value})
		if err == nil || strings.Contains(fmt.Sprintf("%+v %#v", err, err), "planted") {
			t.Errorf("%s %s: got %v", field, value, err)
		}
	}
}
