package postgresql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// documents are for what the two ways to run a query could answer in different ways.
var documents = map[string]string{
	"upper":   `{"s": "B", "n": 1e2, "o": {"p.q": {"r": 1}}}`,
	"lower":   `{"s": "a", "n": 100.0, "o.p": {"q.r": 1}}`,
	"umlaut":  `{"s": "ä", "n": -0.5, "o": {"p": {"q": {"r": 1}}}}`,
	"z":       `{"s": "z", "n": 12345678901234567890, "o.p.q.r": 1}`,
	"object":  `{"s": {"x": 1}, "n": "100"}`,
	"array":   `{"s": ["a"], "n": [1], "o": [{"p": 1}]}`,
	"null":    `{"s": null, "n": null}`,
	"true":    `{"s": true, "n": true}`,
	"false":   `{"s": false}`,
	"empty":   `{}`,
	"list":    `[1, {"s": "a"}]`,
	"text":    `"s"`,
	"binary":  "\xff\x00",
	"a||deep": `{"s": "a", "n": 1}`,
	"percent": `{"%": "a' --", "": {"": 1}}`,
}

// TestQueriesAreAlike: the server answers as the block's own evaluation does, which is what v2 uses.
func TestQueriesAreAlike(t *testing.T) {
	stores := map[string]*store{}
	for version := range versions {
		server := testserver.Postgres(t)
		s := opened(t, version, metadata(server))
		defer closed(t, s)
		stores[version] = s
		for key, text := range documents {
			if err := s.Set(t.Context(), state.SetRequest{Key: "app||" + key, Value: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	values := []string{`"B"`, `"a"`, `"ä"`, `""`, `100`, `1e2`, `100.00`, `-1`, `true`, `false`, `null`, `12345678901234567891`, `"100"`}
	var filters []string
	for _, op := range []string{"EQ", "NEQ", "GT", "GTE", "LT", "LTE"} {
		for _, field := range []string{"s", "n"} {
			for _, v := range values {
				filters = append(filters, fmt.Sprintf(`{"%s": {"%s": %s}}`, op, field, v))
			}
		}
	}
	for _, field := range []string{"o.p.q.r", "o.p", "s.x", "s.0", "0", "%", ".", "o.0.p", "$1", "x'"} {
		filters = append(filters, fmt.Sprintf(`{"EQ": {%q: 1}}`, field), fmt.Sprintf(`{"NEQ": {%q: "a' --"}}`, field))
	}
	filters = append(filters, `{"IN": {"s": ["B", null, true]}}`, `{"IN": {"n": [100, "100"]}}`, `{"EQ": {"s": "\u0001"}}`,
		`{"AND": [{"OR": [{"EQ": {"s": "a"}}, {"GT": {"s": "a"}}]}, {"NEQ": {"n": 5}}]}`)
	for _, filter := range filters {
		same(t, stores, fmt.Sprintf(`{"filter": %s}`, filter))
	}
	for _, sort := range []string{`{"key": "s"}`, `{"key": "s", "order": "DESC"}`, `{"key": "n"}`, `{"key": "n", "order": "DESC"}`, `{"key": "o.p.q.r"}, {"key": "s", "order": "DESC"}`} {
		same(t, stores, fmt.Sprintf(`{"sort": [%s]}`, sort))
		same(t, stores, fmt.Sprintf(`{"filter": {"NEQ": {"s": "q"}}, "sort": [%s], "page": {"limit": 3, "token": "2"}}`, sort))
	}
}

func same(t *testing.T, stores map[string]*store, text string) {
	t.Helper()
	answers := map[string]string{}
	for version, s := range stores {
		q, err := state.ParseQuery(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		q.Prefix = "app||"
		page, err := s.Query(t.Context(), q)
		if err != nil {
			t.Errorf("%s: %s: %v", version, text, err)
			return
		}
		var keys []string
		for _, item := range page.Items {
			keys = append(keys, strings.TrimPrefix(item.Key, q.Prefix))
		}
		answers[version] = fmt.Sprintf("%q %s", keys, page.Token)
	}
	if answers["v1"] != answers["v2"] {
		t.Errorf("%s: v1 gives %s, v2 %s", text, answers["v1"], answers["v2"])
	}
}

func TestBadQueries(t *testing.T) {
	s := opened(t, "v1", metadata(testserver.Postgres(t)))
	defer closed(t, s)
	for text, want := range map[string]string{
		`{"filter": {"EQ": {"a.b.c.d.e.f.g.h": 1}}}`: `invalid request: field "a.b.c.d.e.f.g.h" has 7 dots, want 6 or fewer`,
		`{"filter": {"EQ": {"a": 1e999}}}`:           `invalid request: field "a": jsonb cannot hold the value 1e999`,
		`{"filter": {"EQ": {"a": "\u0000"}}}`:        "invalid request: field \"a\": jsonb cannot hold the value \x00",
		`{"sort": [{"key": "\u0000"}]}`:              `invalid request: field "\x00": PostgreSQL takes UTF-8 without zero bytes`,
		`{"page": {"limit": 1, "token": "x"}}`:       `invalid request: page.token "x" is not one that a query gave; start without a token`,
	} {
		q, err := state.ParseQuery(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if _, err := s.Query(t.Context(), q); !errors.Is(err, state.ErrInvalid) || err.Error() != want {
			t.Errorf("%s: got error %v, want %q", text, err, want)
		}
	}
	deepest, err := state.ParseQuery(`{"filter": {"EQ": {"a.b.c.d.e.f.g": 1}}, "sort": [{"key": "g.f.e.d.c.b.a"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Query(t.Context(), deepest); err != nil {
		t.Errorf("the deepest path: %v", err)
	}
}

// TestJSONB: what is said to fit into jsonb does, and means the same when it comes back; the rest comes back as it was.
func TestJSONB(t *testing.T) {
	s := opened(t, "v1", metadata(testserver.Postgres(t)))
	defer closed(t, s)
	for _, tc := range []struct {
		text, want string // want is empty for what comes back as it was, and is kept as bytes
	}{
		{`{"b":1,"a":[1,2]}`, `{"a": [1, 2], "b": 1}`},
		{` {"a":"\u00e4\ud83d\ude00\/\"\\"} `, `{"a": "ä😀/\"\\"}`},
		{`[1e3, -0.0, 0.10]`, `[1000, 0.0, 0.10]`},
		{`"a\u0041"`, `"aA"`},
		{`true`, `true`},
		{`null`, `null`},
		{`-12.50`, `-12.50`},
		{`[1e300]`, `[1` + strings.Repeat("0", 300) + `]`},
		{`12e3`, ""},
		{`-0`, ""},
		{` 1`, ""},
		{` "a"`, ""},
		{`"\u0000"`, ""},
		{`{"\u0000": 1}`, ""},
		{`["\ud83d"]`, ""},
		{`["\ude00\ud83d"]`, ""},
		{`["\ud83d\u0041"]`, ""},
		{`[1e301]`, ""},
		{`[1e99999999999999999999]`, ""},
		{`[` + strings.Repeat("9", 2000) + `]`, ""},
		{strings.Repeat("[", 501) + strings.Repeat("]", 501), ""},
		{"\"\xff\"", ""},
		{`{"a":1`, ""},
		{``, ""},
		{`a\`, ""},
	} {
		value := []byte(tc.text)
		if err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: value}); err != nil {
			t.Errorf("set %.60q: %v", tc.text, err)
			continue
		}
		want := tc.want
		if want == "" {
			want = tc.text
		}
		if e, err := s.Get(t.Context(), state.GetRequest{Key: "k"}); err != nil || string(e.Value) != want {
			t.Errorf("get of %.60q: got %+v, error %v, want %.60q", tc.text, e, err, want)
		}
		if got := isJSONB(&state.SetRequest{Value: value}); got != (tc.want != "") {
			t.Errorf("%.60q is JSON for the table: got %t", tc.text, got)
		}
	}
	deepest := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	if err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte(deepest)}); err != nil {
		t.Errorf("the deepest JSON: %v", err)
	}
	exact := state.SetRequest{Key: "k", Value: []byte(`{"b":1}`), Metadata: map[string]string{"contenttype": "application/octet-stream"}}
	if err := s.Set(t.Context(), exact); err != nil {
		t.Error(err)
	}
	if e, err := s.Get(t.Context(), state.GetRequest{Key: "k"}); err != nil || string(e.Value) != `{"b":1}` {
		t.Errorf("get of bytes that are JSON: got %+v, error %v", e, err)
	}
}

func FuzzJSONB(f *testing.F) {
	for _, text := range []string{`{"a": "\ud83d\ude00"}`, `"\u`, `"\`, `1e`, `[-1.5E+10, "x"]`, "\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, text []byte) { isJSONB(&state.SetRequest{Value: text}) })
}

func TestTextEnd(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "ab": "ac", "aÿ": "aĀ", "\u007f": "\u0080", "\ud7ff": "\ue000", "a\U0010ffff": "b", "x||": "x|}"} {
		if got, ok := textEnd(prefix); !ok || got != want {
			t.Errorf("end of %q: got %q, %t, want %q", prefix, got, ok, want)
		}
	}
	for _, prefix := range []string{"", "\U0010ffff"} {
		if got, ok := textEnd(prefix); ok {
			t.Errorf("end of %q: got %q, want none", prefix, got)
		}
	}
	s := opened(t, "v2", metadata(testserver.Postgres(t)))
	defer closed(t, s)
	keys := []string{"ÿ", "ÿa", "ÿ\U0010ffff", "Ā", "\U0010ffff", "\U0010ffffa"}
	for _, key := range keys {
		if err := s.Set(t.Context(), state.SetRequest{Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string][]string{"ÿ": keys[:3], "ÿ\U0010ffff": keys[2:3], "\U0010ffff": keys[4:], "": keys} {
		if page, err := s.ListKeys(t.Context(), state.ListRequest{Prefix: prefix, Limit: 10}); err != nil || !slices.Equal(page.Keys, want) {
			t.Errorf("list %q: got %q, error %v, want %q", prefix, page.Keys, err, want)
		}
	}
}

// TestListingUsesTheIndex: a page costs no more when the table is large.
func TestListingUsesTheIndex(t *testing.T) {
	for version := range versions {
		server := testserver.Postgres(t)
		closed(t, opened(t, version, metadata(server)))
		value := map[string]string{"v1": "'{}', false", "v2": `'\x00'`}[version]
		columns := map[string]string{"v1": "value, isbinary", "v2": "value"}[version]
		server.Exec("INSERT INTO state (key, " + columns + ") SELECT 'a' || n, " + value + " FROM generate_series(1, 20000) n")
		server.Exec("ANALYZE state")
		where, _ := prefixed("a")
		for i, v := range []string{"'a'", "'b'"} {
			where = strings.ReplaceAll(where, fmt.Sprint("$", i+1), v)
		}
		plan := strings.Join(query(t, server, "EXPLAIN SELECT key FROM state WHERE "+where+" ORDER BY "+byteOrder+" LIMIT 10"), "\n")
		if !strings.Contains(plan, "state_key_idx") || strings.Contains(plan, "Sort") {
			t.Errorf("%s: the plan is\n%s", version, plan)
		}
	}
}
