package state

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// RunQuery evaluates a query over entries, for stores without a query engine of their own: it reads them all, so it
// costs time in proportion to the keys of the app. The entries are those whose key has q.Prefix, in any order; those
// with a further separator, such as the entries of actors, are left out. A value that is no JSON object matches only a
// query without a filter. Results are in the order of q.Sort and then of the key; a missing field sorts last. The page
// token is the offset, as in Dapr's stores.
func RunQuery(entries iter.Seq2[QueryItem, error], q Query) (QueryPage, error) {
	offset, err := q.offset()
	if err != nil {
		return QueryPage{}, err
	}
	var rows []row
	for item, err := range entries {
		if err != nil {
			return QueryPage{}, err
		}
		if strings.Contains(item.Key[len(q.Prefix):], Separator) {
			continue
		}
		r := row{item: item}
		if q.Filter != nil || len(q.Sort) > 0 {
			r.doc = decode(item.Value)
		}
		if q.Filter == nil || q.Filter.match(r.doc) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return q.compare(a, b) })
	page := QueryPage{}
	rows = rows[min(offset, len(rows)):]
	if q.Limit > 0 && len(rows) > q.Limit {
		rows = rows[:q.Limit]
		page.Token = strconv.Itoa(offset + q.Limit)
	}
	for _, r := range rows {
		page.Items = append(page.Items, r.item)
	}
	return page, nil
}

type row struct {
	item QueryItem
	doc  any
}

func (q *Query) offset() (int, error) {
	if q.Token == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(q.Token)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: page.token %q is not one that a query gave; start without a token", ErrInvalid, q.Token)
	}
	return n, nil
}

func (q *Query) compare(a, b row) int {
	for _, s := range q.Sort {
		va, oka := lookup(a.doc, s.Key)
		vb, okb := lookup(b.doc, s.Key)
		switch {
		case !oka || !okb:
			// Missing is last in both directions.
			if oka != okb {
				return map[bool]int{true: -1, false: 1}[oka]
			}
		default:
			if c := order(va, vb); c != 0 {
				if s.Desc {
					return -c
				}
				return c
			}
		}
	}
	return cmp.Compare(a.item.Key, b.item.Key)
}

func decode(value []byte) any {
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var doc any
	if dec.Decode(&doc) != nil {
		return nil
	}
	return doc
}

// lookup follows a dotted path. A field whose own name has dots is found as well.
func lookup(doc any, path string) (any, bool) {
	obj, ok := doc.(map[string]any)
	if !ok {
		return nil, false
	}
	if v, ok := obj[path]; ok {
		return v, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if sub, ok := obj[path[:i]]; ok {
			if v, ok := lookup(sub, path[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// match tells whether the document passes. A field that is missing, or of another type than the value, passes no
// comparison but NEQ, and a missing one not even that.
func (f *Filter) match(doc any) bool {
	switch f.Op {
	case "AND":
		return !slices.ContainsFunc(f.Filters, func(sub Filter) bool { return !sub.match(doc) })
	case "OR":
		return slices.ContainsFunc(f.Filters, func(sub Filter) bool { return sub.match(doc) })
	}
	v, ok := lookup(doc, f.Key)
	if !ok {
		return false
	}
	if f.Op == "NEQ" {
		return !equal(v, f.Values[0])
	}
	if f.Op == "EQ" || f.Op == "IN" {
		return slices.ContainsFunc(f.Values, func(want any) bool { return equal(v, want) })
	}
	want := f.Values[0]
	if rank(v) != rank(want) {
		return false
	}
	c := order(v, want)
	switch f.Op {
	case "GT":
		return c > 0
	case "GTE":
		return c >= 0
	case "LT":
		return c < 0
	default: // LTE; ParseQuery lets no other pass
		return c <= 0
	}
}

func equal(a, b any) bool { return rank(a) == rank(b) && rank(a) < composite && order(a, b) == 0 }

// composite is the rank of arrays and objects, which equal nothing.
const composite = 4

func rank(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case json.Number:
		return 2
	case string:
		return 3
	default:
		return composite
	}
}

// order compares scalars; different types by rank.
func order(a, b any) int {
	if ra, rb := rank(a), rank(b); ra != rb {
		return cmp.Compare(ra, rb)
	}
	switch a := a.(type) {
	case bool:
		b, _ := b.(bool)
		return cmp.Compare(bit(a), bit(b))
	case json.Number:
		b, _ := b.(json.Number)
		return orderNumbers(a, b)
	case string:
		b, _ := b.(string)
		return strings.Compare(a, b)
	default:
		return 0
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func orderNumbers(a, b json.Number) int {
	ia, erra := a.Int64()
	ib, errb := b.Int64()
	if erra == nil && errb == nil {
		return cmp.Compare(ia, ib)
	}
	fa, erra := a.Float64()
	fb, errb := b.Float64()
	if erra == nil && errb == nil && (fa != fb) {
		return cmp.Compare(fa, fb)
	}
	// Equal as floats or beyond their range: 200 bits tell any two integers that people write apart.
	const precision = 200
	ba, _, erra := big.ParseFloat(string(a), 10, precision, big.ToNearestEven)
	bb, _, errb := big.ParseFloat(string(b), 10, precision, big.ToNearestEven)
	if erra != nil || errb != nil {
		return strings.Compare(string(a), string(b))
	}
	return ba.Cmp(bb)
}
