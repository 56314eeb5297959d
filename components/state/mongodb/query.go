package mongodb

import (
	"context"
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// ListKeys gives a page of keys by the index of _id, whose order is that of bytes.
func (s *store) ListKeys(ctx context.Context, req state.ListRequest) (state.KeyPage, error) {
	after, err := req.After()
	if err != nil {
		return state.KeyPage{}, err
	}
	if err := ctx.Err(); err != nil {
		return state.KeyPage{}, err
	}
	filter := s.within(req.Prefix)
	if after != "" {
		filter = append(filter, bson.E{Key: "$and", Value: bson.A{bson.D{{Key: fieldID, Value: bson.D{{Key: "$gt", Value: after}}}}}})
	}
	opts := options.Find().SetSort(bson.D{{Key: fieldID, Value: 1}}).SetLimit(int64(req.Limit) + 1).
		SetProjection(bson.D{{Key: fieldID, Value: 1}})
	var page state.KeyPage
	for raw, err := range s.find(ctx, s.data, filter, opts) {
		if err != nil {
			return state.KeyPage{}, err
		}
		key, _ := raw.Lookup(fieldID).StringValueOK()
		page.Keys = append(page.Keys, key)
	}
	if len(page.Keys) > req.Limit {
		page.Keys = page.Keys[:req.Limit]
		page.Next = state.PageToken(page.Keys[req.Limit-1])
	}
	return page, nil
}

// within is the filter for the keys with a prefix that have not expired.
func (s *store) within(prefix string) bson.D {
	id := bson.D{{Key: "$gte", Value: prefix}}
	if end, ok := prefixEnd(prefix); ok {
		id = append(id, bson.E{Key: "$lt", Value: end})
	}
	return bson.D{{Key: fieldID, Value: id}, live(s.now())}
}

// prefixEnd is state.PrefixEnd that keeps to UTF-8: servers may change other text. In UTF-8 the order of bytes is that of
// code points.
func prefixEnd(prefix string) (string, bool) {
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case last == 0xd7ff: // surrogates follow, which UTF-8 does not have
			return prefix + "\ue000", true
		case last < utf8.MaxRune:
			return prefix + string(last+1), true
		}
	}
	return "", false
}

// chunk is how many candidates are looked at together.
const chunk = 256

// Query has the server find candidates: all entries that may match, and few others. Which of them do, and their order, is
// for state.RunQuery, so that queries mean the same in all stores.
func (s *store) Query(ctx context.Context, q state.Query) (state.QueryPage, error) {
	if _, err := state.RunQuery(none, q); err != nil {
		return state.QueryPage{}, err // the token is not one
	}
	if err := ctx.Err(); err != nil {
		return state.QueryPage{}, err
	}
	filter := s.within(q.Prefix)
	if q.Filter != nil {
		filter = append(filter, bson.E{Key: "$and", Value: bson.A{candidates(q.Filter)}})
	}
	items := s.items(ctx, filter)
	if len(q.Sort) > 0 || q.Limit == 0 {
		return state.RunQuery(items, q)
	}
	return firstPage(items, q)
}

func none(func(state.QueryItem, error) bool) {}

// items gives the entries that a filter finds, in the order of their keys.
func (s *store) items(ctx context.Context, filter bson.D) iter.Seq2[state.QueryItem, error] {
	return func(yield func(state.QueryItem, error) bool) {
		for raw, err := range s.find(ctx, s.data, filter, options.Find().SetSort(bson.D{{Key: fieldID, Value: 1}})) {
			if err != nil {
				yield(state.QueryItem{}, err)
				return
			}
			key, _ := raw.Lookup(fieldID).StringValueOK()
			e, err := s.entry(raw, key)
			if err != nil {
				yield(state.QueryItem{}, err)
				return
			}
			if e != nil && !yield(state.QueryItem{Key: key, Value: e.Value, ETag: e.ETag}, nil) {
				return
			}
		}
	}
}

// firstPage answers a query in the order of keys: it reads no more than it needs.
func firstPage(items iter.Seq2[state.QueryItem, error], q state.Query) (state.QueryPage, error) {
	offset, _ := strconv.Atoi(q.Token) // 0 without one; it was looked at
	var matched, some []state.QueryItem
	look := func() error {
		page, err := state.RunQuery(all(some), state.Query{Prefix: q.Prefix, Filter: q.Filter})
		matched, some = append(matched, page.Items...), nil
		return err
	}
	for item, err := range items {
		if err != nil {
			return state.QueryPage{}, err
		}
		if some = append(some, item); len(some) < chunk {
			continue
		}
		if err := look(); err != nil {
			return state.QueryPage{}, err
		}
		if len(matched)-offset > q.Limit {
			break
		}
	}
	if err := look(); err != nil {
		return state.QueryPage{}, err
	}
	return state.RunQuery(all(matched), state.Query{Prefix: q.Prefix, Limit: q.Limit, Token: q.Token})
}

func all(items []state.QueryItem) iter.Seq2[state.QueryItem, error] {
	return func(yield func(state.QueryItem, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// candidates is a filter of the database that finds every entry that f matches: documents by their fields, and what may be
// an object though it could not be stored as a document.
func candidates(f *state.Filter) bson.D {
	is := func(op string, value any) bson.D {
		return bson.D{{Key: fieldValue, Value: bson.D{{Key: op, Value: value}}}}
	}
	return bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "$and", Value: bson.A{is("$type", "object"), translated(f)}}},
		is("$type", "binData"),
		is("$regex", `^\s*\{`),
	}}}
}

// never is a filter that finds nothing.
var never = bson.D{{Key: fieldID, Value: bson.D{{Key: "$in", Value: bson.A{}}}}}

// translated is a filter for documents. It may find more than f matches: an array where one of its elements does, and
// numbers that are nearly the same, since those that the database does not have are stored as the nearest.
func translated(f *state.Filter) bson.D {
	switch f.Op {
	case "AND", "OR":
		var subs bson.A
		for i := range f.Filters {
			subs = append(subs, translated(&f.Filters[i]))
		}
		return bson.D{{Key: "$" + strings.ToLower(f.Op), Value: subs}}
	}
	if !storable(f.Key) {
		return never
	}
	path := fieldValue + "." + f.Key
	switch f.Op {
	case "NEQ":
		return bson.D{{Key: path, Value: bson.D{{Key: "$exists", Value: true}}}}
	case "IN", "EQ":
		var any bson.A
		for _, v := range f.Values {
			any = append(any, comparison(path, "EQ", v))
		}
		return bson.D{{Key: "$or", Value: any}}
	default:
		return comparison(path, f.Op, f.Values[0])
	}
}

// storable tells whether a field may be in a document that this store writes.
func storable(path string) bool {
	return !slices.ContainsFunc(strings.Split(path, "."), func(name string) bool {
		return name == "" || name[0] == '$' || strings.Contains(name, "\x00")
	})
}

// operators are the database's that are at least as wide.
var operators = map[string]string{"EQ": "$eq", "GT": "$gt", "GTE": "$gte", "LT": "$lt", "LTE": "$lte"}

func comparison(path, op string, value any) bson.D {
	test := func(conditions ...bson.E) bson.D { return bson.D{{Key: path, Value: bson.D(conditions)}} }
	switch v := value.(type) {
	case nil:
		if op == "GT" || op == "LT" {
			return never
		}
		return test(bson.E{Key: "$type", Value: "null"}) // $eq would find missing ones too
	case json.Number:
		f, err := v.Float64()
		if err != nil || math.Abs(f) == math.MaxFloat64 {
			return test(bson.E{Key: "$exists", Value: true})
		}
		var conditions bson.D
		if op != "LT" && op != "LTE" {
			conditions = append(conditions, bson.E{Key: "$gte", Value: math.Nextafter(f, math.Inf(-1))})
		}
		if op != "GT" && op != "GTE" {
			conditions = append(conditions, bson.E{Key: "$lte", Value: math.Nextafter(f, math.Inf(1))})
		}
		return test(conditions...)
	case string:
		return test(bson.E{Key: operators[op], Value: v})
	case bool:
		return test(bson.E{Key: "$type", Value: "bool"})
	default:
		return test(bson.E{Key: "$exists", Value: true})
	}
}
