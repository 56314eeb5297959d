package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits on a query, which comes from an app.
const (
	maxQueryDepth = 32
	maxQueryNodes = 1000
)

// ParseQuery reads a query in Dapr's JSON form:
//
//	{"filter": {"AND": [{"EQ": {"state": "CA"}}, {"IN": {"person.org": ["A", "B"]}}]},
//	 "sort": [{"key": "person.id", "order": "DESC"}],
//	 "page": {"limit": 10, "token": "..."}}
//
// The operators are EQ, NEQ, GT, GTE, LT, LTE, IN, AND and OR. An empty text is the query for everything. Errors are
// ErrInvalid and name the place.
func ParseQuery(text string) (Query, error) {
	if strings.TrimSpace(text) == "" {
		return Query{}, nil
	}
	var raw struct {
		Filter map[string]json.RawMessage `json:"filter"`
		Sort   []struct {
			Key   string `json:"key"`
			Order string `json:"order"`
		} `json:"sort"`
		Page struct {
			Limit int    `json:"limit"`
			Token string `json:"token"`
		} `json:"page"`
	}
	if err := strict([]byte(text), &raw); err != nil {
		return Query{}, bad("query", "%s", err)
	}
	q := Query{Limit: raw.Page.Limit, Token: raw.Page.Token}
	if q.Limit < 0 {
		return Query{}, bad("page.limit", "want 0 or more, found %d", q.Limit)
	}
	if len(raw.Filter) > 0 {
		p := parser{}
		f, err := p.filter("filter", raw.Filter, 1)
		if err != nil {
			return Query{}, err
		}
		q.Filter = &f
	}
	for i, s := range raw.Sort {
		key := SortKey{Key: s.Key}
		switch strings.ToUpper(s.Order) {
		case "", "ASC":
		case "DESC":
			key.Desc = true
		default:
			return Query{}, bad(fmt.Sprintf("sort[%d].order", i), "want ASC or DESC, found %q", s.Order)
		}
		if s.Key == "" {
			return Query{}, bad(fmt.Sprintf("sort[%d].key", i), "is missing")
		}
		q.Sort = append(q.Sort, key)
	}
	return q, nil
}

// strict decodes one JSON value with no unknown field and nothing behind it.
func strict(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return jsonError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the end of the JSON value")
	}
	return nil
}

func bad(where, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrInvalid, where, fmt.Sprintf(format, args...))
}

// parser counts the nodes of one query.
type parser struct{ nodes int }

func (p *parser) filter(where string, node map[string]json.RawMessage, depth int) (Filter, error) {
	p.nodes++
	switch {
	case depth > maxQueryDepth:
		return Filter{}, bad(where, "is nested deeper than %d", maxQueryDepth)
	case p.nodes > maxQueryNodes:
		return Filter{}, bad(where, "the filter has more than %d conditions", maxQueryNodes)
	case len(node) != 1:
		return Filter{}, bad(where, "want one operator, found %d", len(node))
	}
	var op string
	for op = range node {
		where += "." + op
	}
	switch op {
	case "AND", "OR":
		return p.group(where, op, node[op], depth)
	case "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "IN":
		return comparison(where, op, node[op])
	default:
		return Filter{}, bad(where, "want one of EQ, NEQ, GT, GTE, LT, LTE, IN, AND, OR")
	}
}

func (p *parser) group(where, op string, raw json.RawMessage, depth int) (Filter, error) {
	var subs []map[string]json.RawMessage
	if err := strict(raw, &subs); err != nil {
		return Filter{}, bad(where, "want an array of conditions: %s", err)
	}
	if len(subs) == 0 {
		return Filter{}, bad(where, "want at least one condition, found none")
	}
	f := Filter{Op: op}
	for i, sub := range subs {
		child, err := p.filter(fmt.Sprintf("%s[%d]", where, i), sub, depth+1)
		if err != nil {
			return Filter{}, err
		}
		f.Filters = append(f.Filters, child)
	}
	return f, nil
}

func comparison(where, op string, raw json.RawMessage) (Filter, error) {
	var fields map[string]any
	if err := strict(raw, &fields); err != nil {
		return Filter{}, bad(where, "want {\"field\": value}: %s", err)
	}
	if len(fields) != 1 {
		return Filter{}, bad(where, "want one field, found %d", len(fields))
	}
	for key, value := range fields {
		f := Filter{Op: op, Key: key, Values: []any{value}}
		if op == "IN" {
			list, ok := value.([]any)
			if !ok || len(list) == 0 {
				return Filter{}, bad(where, "want a list of values for field %q", key)
			}
			f.Values = list
		}
		for _, v := range f.Values {
			if rank(v) == composite {
				return Filter{}, bad(where, "want a string, number, boolean or null for field %q", key)
			}
		}
		return f, nil
	}
	return Filter{}, bad(where, "want one field, found none")
}
