package statetest

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

var queries = []property{
	{"QueryFilters", (*suite).queryFilters},
	{"QuerySorts", (*suite).querySorts},
	{"QueryPages", (*suite).queryPages},
	{"QueryKeepsToPrefix", (*suite).queryPrefix},
	{"QueryGivesValueAndETag", (*suite).queryItem},
}

// people is the data of all queries; the keys are their names.
func (s *suite) people(t *testing.T, p string) {
	for name, doc := range map[string]string{
		"ann":  `{"name": "ann", "age": 30, "state": "CA", "person": {"org": "Dev", "id": 2}, "member": true}`,
		"bob":  `{"name": "bob", "age": 9, "state": "WA", "person": {"org": "Ops", "id": 1}, "member": false}`,
		"cat":  `{"name": "cat", "age": 30.5, "state": "CA", "person": {"org": "Ops", "id": 3}}`,
		"dan":  `{"name": "dan", "age": "30", "state": "TX", "person": {"org": "Dev"}, "member": null}`,
		"list": `[1, 2, 3]`,
		"text": `no json`,
	} {
		s.set(t, p+name, doc)
	}
}

func (s *suite) query(t *testing.T, p, text, token string) ([]string, string) {
	t.Helper()
	q, err := state.ParseQuery(text)
	if err != nil {
		t.Fatalf("query %s: %v", text, err)
	}
	q.Prefix = p
	if token != "" {
		q.Token = token
	}
	querier, ok := state.As[state.Querier](s.store)
	if !ok {
		t.Fatal("the store lost its Querier")
	}
	page, err := querier.Query(t.Context(), q)
	if err != nil {
		t.Fatalf("query %s: %v", text, err)
	}
	var names []string
	for _, item := range page.Items {
		names = append(names, item.Key[len(p):])
	}
	return names, page.Token
}

func (s *suite) queryFilters(t *testing.T, p string) {
	s.people(t, p)
	for _, tc := range []struct {
		query string
		want  []string
	}{
		{`{"filter": {"EQ": {"state": "CA"}}}`, []string{"ann", "cat"}},
		{`{"filter": {"NEQ": {"state": "CA"}}}`, []string{"bob", "dan"}},
		{`{"filter": {"EQ": {"age": 30}}}`, []string{"ann"}},
		{`{"filter": {"EQ": {"age": 3e1}}}`, []string{"ann"}},
		{`{"filter": {"EQ": {"age": "30"}}}`, []string{"dan"}},
		{`{"filter": {"GT": {"age": 10}}}`, []string{"ann", "cat"}},
		{`{"filter": {"GTE": {"age": 30}}}`, []string{"ann", "cat"}},
		{`{"filter": {"LT": {"age": 30}}}`, []string{"bob"}},
		{`{"filter": {"LTE": {"age": 30}}}`, []string{"ann", "bob"}},
		{`{"filter": {"GT": {"name": "bob"}}}`, []string{"cat", "dan"}},
		{`{"filter": {"EQ": {"member": true}}}`, []string{"ann"}},
		{`{"filter": {"EQ": {"member": null}}}`, []string{"dan"}},
		{`{"filter": {"EQ": {"person.org": "Dev"}}}`, []string{"ann", "dan"}},
		{`{"filter": {"EQ": {"person": "Dev"}}}`, nil},
		{`{"filter": {"EQ": {"none": "x"}}}`, nil},
		{`{"filter": {"NEQ": {"none": "x"}}}`, nil},
		{`{"filter": {"IN": {"state": ["TX", "WA"]}}}`, []string{"bob", "dan"}},
		{`{"filter": {"AND": [{"EQ": {"state": "CA"}}, {"EQ": {"person.org": "Ops"}}]}}`, []string{"cat"}},
		{`{"filter": {"OR": [{"EQ": {"person.org": "Ops"}}, {"AND": [{"EQ": {"state": "CA"}}, {"EQ": {"age": 30}}]}]}}`, []string{"ann", "bob", "cat"}},
		{`{"filter": {"EQ": {"state": "a' OR 1=1 --"}}}`, nil},
		{`{}`, []string{"ann", "bob", "cat", "dan", "list", "text"}},
		{``, []string{"ann", "bob", "cat", "dan", "list", "text"}},
	} {
		got, _ := s.query(t, p, tc.query, "")
		wantKeys(t, tc.query, got, tc.want)
	}
}

func (s *suite) querySorts(t *testing.T, p string) {
	s.people(t, p)
	for _, tc := range []struct {
		query string
		want  []string
	}{
		{`{"filter": {"NEQ": {"name": ""}}, "sort": [{"key": "name", "order": "DESC"}]}`, []string{"dan", "cat", "bob", "ann"}},
		{`{"filter": {"NEQ": {"name": ""}}, "sort": [{"key": "person.id"}]}`, []string{"bob", "ann", "cat", "dan"}},
		{`{"filter": {"NEQ": {"name": ""}}, "sort": [{"key": "person.id", "order": "desc"}]}`, []string{"cat", "ann", "bob", "dan"}},
		{`{"filter": {"NEQ": {"name": ""}}, "sort": [{"key": "state", "order": "ASC"}, {"key": "name", "order": "DESC"}]}`, []string{"cat", "ann", "dan", "bob"}},
		{`{"filter": {"NEQ": {"name": ""}}, "sort": [{"key": "age"}]}`, []string{"bob", "ann", "cat", "dan"}},
	} {
		got, _ := s.query(t, p, tc.query, "")
		wantKeys(t, tc.query, got, tc.want)
	}
}

func (s *suite) queryPages(t *testing.T, p string) {
	s.people(t, p)
	const query = `{"sort": [{"key": "name"}], "page": {"limit": 4}}`
	first, token := s.query(t, p, query, "")
	wantKeys(t, "first page", first, []string{"ann", "bob", "cat", "dan"})
	if token == "" {
		t.Fatal("first page: got no token, want one")
	}
	second, token := s.query(t, p, query, token)
	wantKeys(t, "second page", second, []string{"list", "text"})
	if token != "" {
		t.Errorf("second page: got token %q, want none", token)
	}
	querier, ok := state.As[state.Querier](s.store)
	if !ok {
		t.Fatal("the store lost its Querier")
	}
	for _, token := range []string{"x", "-1", "1.5"} {
		_, err := querier.Query(t.Context(), state.Query{Prefix: p, Limit: 1, Token: token})
		wantErr(t, "token "+token, err, state.ErrInvalid)
	}
}

func (s *suite) queryPrefix(t *testing.T, p string) {
	s.set(t, p+"a%||k", `{"x": 1}`)
	s.set(t, p+"ab||k", `{"x": 1}`)
	s.set(t, p+"b||k", `{"x": 1}`)
	got, _ := s.query(t, p+"a%||", `{"filter": {"EQ": {"x": 1}}}`, "")
	wantKeys(t, "query", got, []string{"k"})
}

func (s *suite) queryItem(t *testing.T, p string) {
	s.set(t, p+"a", `{"x": 1}`)
	querier, ok := state.As[state.Querier](s.store)
	if !ok {
		t.Fatal("the store lost its Querier")
	}
	page, err := querier.Query(t.Context(), state.Query{Prefix: p})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("query: got %+v, error %v, want one item", page.Items, err)
	}
	item := page.Items[0]
	if string(item.Value) != `{"x": 1}` || item.ETag == nil || *item.ETag != s.etag(t, p+"a") {
		t.Errorf("query: got value %q and etag %v, want those of get", item.Value, item.ETag)
	}
}
