package state

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseQuery(t *testing.T) {
	got, err := ParseQuery(`{
		"filter": {"OR": [
			{"EQ": {"person.org": "Dev Ops"}},
			{"AND": [{"IN": {"state": ["CA", 7]}}, {"GTE": {"age": 1.5}}]}]},
		"sort": [{"key": "state", "order": "DESC"}, {"key": "person.id"}],
		"page": {"limit": 3, "token": "6"}}`)
	want := Query{
		Filter: &Filter{Op: "OR", Filters: []Filter{
			{Op: "EQ", Key: "person.org", Values: []any{"Dev Ops"}},
			{Op: "AND", Filters: []Filter{
				{Op: "IN", Key: "state", Values: []any{"CA", json.Number("7")}},
				{Op: "GTE", Key: "age", Values: []any{json.Number("1.5")}},
			}},
		}},
		Sort:  []SortKey{{Key: "state", Desc: true}, {Key: "person.id"}},
		Limit: 3, Token: "6",
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
}

func TestParseQueryErrors(t *testing.T) {
	for _, tc := range []struct{ query, want string }{
		{`{`, "query: unexpected end of JSON input"},
		{`[]`, "query: want an object, found array before byte 1"},
		{`{} {}`, "query: there is more after the end of the JSON value"},
		{`{"filters": {}}`, `query: json: unknown field "filters"`},
		{`{"filter": {"EQ": {"a": 1}, "NEQ": {"a": 1}}}`, "filter: want one operator, found 2"},
		{`{"filter": {"eq": {"a": 1}}}`, "filter.eq: want one of EQ, NEQ, GT, GTE, LT, LTE, IN, AND, OR"},
		{`{"filter": {"EQ": {}}}`, "filter.EQ: want one field, found 0"},
		{`{"filter": {"EQ": {"a": 1, "b": 2}}}`, "filter.EQ: want one field, found 2"},
		{`{"filter": {"EQ": "a"}}`, `filter.EQ: want {"field": value}: want an object, found string before byte 3`},
		{`{"filter": {"EQ": {"a": [1]}}}`, `filter.EQ: want a string, number, boolean or null for field "a"`},
		{`{"filter": {"IN": {"a": 1}}}`, `filter.IN: want a list of values for field "a"`},
		{`{"filter": {"IN": {"a": []}}}`, `filter.IN: want a list of values for field "a"`},
		{`{"filter": {"AND": []}}`, "filter.AND: want at least one condition, found none"},
		{`{"filter": {"AND": {"EQ": {"a": 1}}}}`, "filter.AND: want an array of conditions"},
		{`{"filter": {"AND": [{"EQ": {"a": 1}}, {}]}}`, "filter.AND[1]: want one operator, found 0"},
		{`{"sort": [{"key": "a", "order": "UP"}]}`, `sort[0].order: want ASC or DESC, found "UP"`},
		{`{"sort": [{"order": "ASC"}]}`, "sort[0].key: is missing"},
		{`{"page": {"limit": "1"}}`, "query: page.limit: want an integer, found string before byte "},
		{`{"page": {"limit": -1}}`, "page.limit: want 0 or more, found -1"},
		{`{"filter": ` + strings.Repeat(`{"AND": [`, 40) + `{"EQ": {"a": 1}}` + strings.Repeat(`]}`, 40) + `}`, "is nested deeper than 32"},
		{`{"filter": {"AND": [` + strings.Repeat(`{"EQ": {"a": 1}},`, 1000) + `{"EQ": {"a": 1}}]}}`, "the filter has more than 1000 conditions"},
	} {
		_, err := ParseQuery(tc.query)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.60s: got error %v, want %q", tc.query, err, tc.want)
		}
	}
}

func TestOrderNumbers(t *testing.T) {
	ascending := []json.Number{
		"-1e999", "-9007199254740993", "-9007199254740992", "-1.5", "0", "1e-3", "1", "1.0000000000000001e0",
		"9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808", "1e400", "1e999",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := orderNumbers(a, b); got != want {
				t.Errorf("%s against %s: got %d, want %d", a, b, got, want)
			}
		}
	}
	for _, same := range [][2]json.Number{{"1", "1.0"}, {"1e2", "100"}, {"-0", "0"}} {
		if got := orderNumbers(same[0], same[1]); got != 0 {
			t.Errorf("%s against %s: got %d, want 0", same[0], same[1], got)
		}
	}
}

func TestLookupPrefersTheFieldItself(t *testing.T) {
	doc := decode([]byte(`{"a.b": 1, "a": {"b": 2, "c": {"d": 3}}, "x.y": {"z": 4}}`))
	for path, want := range map[string]json.Number{"a.b": "1", "a.c.d": "3", "x.y.z": "4"} {
		if got, ok := lookup(doc, path); !ok || got != want {
			t.Errorf("%s: got %v, %t, want %s", path, got, ok, want)
		}
	}
	for _, path := range []string{"", ".", "a.", ".a", "a.b.c", "none"} {
		if got, ok := lookup(doc, path); ok {
			t.Errorf("%q: got %v, want nothing", path, got)
		}
	}
}

// FuzzQuery: no text makes parsing or evaluating panic.
func FuzzQuery(f *testing.F) {
	f.Add(`{"filter": {"OR": [{"EQ": {"a.b": "x"}}, {"IN": {"c": [1, 2e9, null]}}]}, "sort": [{"key": "c"}]}`, `{"a": {"b": "x"}, "c": 1e-9}`)
	f.Add(`{"filter": {"GT": {"a": 1e999999}}, "page": {"limit": 1, "token": "3"}}`, `{"a": -1e999999}`)
	f.Fuzz(func(t *testing.T, text, doc string) {
		q, err := ParseQuery(text)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("parse: error %v is not %v", err, ErrInvalid)
			}
			return
		}
		entries := func(yield func(QueryItem, error) bool) {
			_ = yield(QueryItem{Key: "a", Value: []byte(doc)}, nil) && yield(QueryItem{Key: "b", Value: []byte(`{"a": 1}`)}, nil)
		}
		if _, err := RunQuery(entries, q); err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("run: error %v is not %v", err, ErrInvalid)
		}
	})
}
