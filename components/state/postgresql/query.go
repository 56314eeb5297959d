package postgresql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Query runs a query: with v1 in the server, by the rules of state.RunQuery; with v2 over all entries of the prefix.
func (s *store) Query(ctx context.Context, q state.Query) (page state.QueryPage, err error) {
	if err := ctx.Err(); err != nil || !postgresconn.Storable(q.Prefix) {
		return page, err
	}
	if s.layout.version == "v2" {
		err = s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
			page, err = state.RunQuery(s.layout.entries(ctx, pool, q.Prefix), q)
			if errors.Is(err, state.ErrInvalid) {
				return postgresconn.Stop(err)
			}
			return err
		})
		return page, err
	}
	offset := 0
	if q.Token != "" {
		if offset, err = strconv.Atoi(q.Token); err != nil || offset < 0 {
			return page, fmt.Errorf("%w: page.token %q is not one that a query gave; start without a token", state.ErrInvalid, q.Token)
		}
	}
	b := builder{layout: s.layout, fields: map[string]string{}}
	sql, err := b.build(&q, offset)
	if err != nil {
		return page, err
	}
	err = s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, sql, b.args...)
		if err != nil {
			return err
		}
		page.Items, err = pgx.CollectRows(rows, s.layout.item)
		return err
	})
	if err == nil && q.Limit > 0 && len(page.Items) > q.Limit {
		page.Items = page.Items[:q.Limit]
		page.Token = strconv.Itoa(offset + q.Limit)
	}
	return page, err
}

// entries reads all entries with a prefix while they are asked for.
func (l *layout) entries(ctx context.Context, pool *pgxpool.Pool, prefix string) iter.Seq2[state.QueryItem, error] {
	return func(yield func(state.QueryItem, error) bool) {
		where, args := prefixed(prefix)
		rows, err := pool.Query(ctx, `SELECT `+l.columns+` FROM `+l.table.SQL()+` AS t WHERE `+where+` AND `+l.live, args...)
		if err != nil {
			yield(state.QueryItem{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			item, err := l.item(rows)
			if !yield(item, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(state.QueryItem{}, err)
		}
	}
}

func (l *layout) item(row pgx.CollectableRow) (state.QueryItem, error) {
	key, e, err := l.scan(row)
	if err != nil {
		return state.QueryItem{}, err
	}
	return state.QueryItem{Key: key, Value: e.Value, ETag: e.ETag}, nil
}

// maxDots bounds the places where a dotted path is looked for: each dot doubles them, as it may belong to a field's name.
const maxDots = 6

// builder makes SQL of a query. What an app gives stands in arguments only.
type builder struct {
	layout *layout
	args   []any
	// fields are the columns that hold the values of paths.
	fields map[string]string
	// exprs are the expressions of these columns, in order.
	exprs []string
}

func (b *builder) arg(v any) string {
	b.args = append(b.args, v)
	return "$" + strconv.Itoa(len(b.args))
}

func (b *builder) build(q *state.Query, offset int) (string, error) {
	where, args := prefixed(q.Prefix)
	b.args = args
	// Entries with a further separator are those of actors.
	where += fmt.Sprintf(` AND strpos(substr(key, %s::int), '%s') = 0 AND %s`, b.arg(len([]rune(q.Prefix))+1), state.Separator, b.layout.live)
	if q.Filter != nil {
		cond, err := b.filter(q.Filter)
		if err != nil {
			return "", err
		}
		where += ` AND ` + cond
	}
	var order []string
	for _, s := range q.Sort {
		terms, err := b.sort(s)
		if err != nil {
			return "", err
		}
		order = append(order, terms...)
	}
	order = append(order, byteOrder)
	from := b.layout.table.SQL() + ` AS t`
	if len(b.exprs) > 0 {
		from += ` CROSS JOIN LATERAL (SELECT ` + strings.Join(b.exprs, ", ") + `) AS fields`
	}
	sql := `SELECT ` + b.layout.columns + ` FROM ` + from + ` WHERE ` + where + ` ORDER BY ` + strings.Join(order, ", ")
	if q.Limit > 0 {
		sql += ` LIMIT ` + b.arg(q.Limit+1) + `::bigint`
	}
	if offset > 0 {
		sql += ` OFFSET ` + b.arg(offset) + `::bigint`
	}
	return sql, nil
}

// field gives the column with the value at a path.
func (b *builder) field(path string) (string, error) {
	if name, ok := b.fields[path]; ok {
		return name, nil
	}
	if !postgresconn.Storable(path) {
		return "", fmt.Errorf("%w: field %q: PostgreSQL takes UTF-8 without zero bytes", state.ErrInvalid, path)
	}
	if n := strings.Count(path, "."); n > maxDots {
		return "", fmt.Errorf("%w: field %q has %d dots, want %d or fewer", state.ErrInvalid, path, n, maxDots)
	}
	parts := strings.Split(path, ".")
	var places []string
	// A field whose own name has dots counts before one that is further inside.
	var walk func(doc string, parts []string)
	walk = func(doc string, parts []string) {
		places = append(places, doc+`->`+b.arg(strings.Join(parts, "."))+`::text`)
		for i := 1; i < len(parts); i++ {
			walk(doc+`->`+b.arg(strings.Join(parts[:i], "."))+`::text`, parts[i:])
		}
	}
	walk(`(CASE WHEN isbinary THEN NULL ELSE value END)`, parts)
	name := "f" + strconv.Itoa(len(b.fields))
	b.fields[path] = name
	b.exprs = append(b.exprs, `COALESCE(`+strings.Join(places, ", ")+`) AS `+name)
	return name, nil
}

func (b *builder) filter(f *state.Filter) (string, error) {
	if f.Op == "AND" || f.Op == "OR" {
		conds := make([]string, len(f.Filters))
		for i := range f.Filters {
			var err error
			if conds[i], err = b.filter(&f.Filters[i]); err != nil {
				return "", err
			}
		}
		return `(` + strings.Join(conds, ` `+f.Op+` `) + `)`, nil
	}
	field, err := b.field(f.Key)
	if err != nil {
		return "", err
	}
	values := make([]string, 0, len(f.Values))
	for _, v := range f.Values {
		text, err := json.Marshal(v)
		if err != nil || !holdsJSONB(text) {
			return "", fmt.Errorf("%w: field %q: jsonb cannot hold the value %v", state.ErrInvalid, f.Key, v)
		}
		values = append(values, string(text))
	}
	switch f.Op {
	case "EQ", "IN":
		return `(` + field + ` IS NOT NULL AND ` + field + ` = ANY(` + b.arg(values) + `::text[]::jsonb[]))`, nil
	case "NEQ":
		return `(` + field + ` IS NOT NULL AND ` + field + ` <> ` + b.arg(values[0]) + `::text::jsonb)`, nil
	default:
		return b.compare(field, f.Op, f.Values[0], values[0]), nil
	}
}

// compare gives the condition of GT, GTE, LT and LTE. Only values of one type are compared.
func (b *builder) compare(field, op string, value any, text string) string {
	sign := map[string]string{"GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}[op]
	typ := "null"
	switch v := value.(type) {
	case bool:
		typ = "boolean"
	case json.Number:
		typ = "number"
	case string:
		// jsonb has the database's order of texts; ours is that of bytes.
		return fmt.Sprintf(`(jsonb_typeof(%[1]s) = 'string' AND (%[1]s #>> '{}') COLLATE "C" %[2]s %[3]s::text)`, field, sign, b.arg(v))
	}
	return fmt.Sprintf(`(jsonb_typeof(%[1]s) = '%[2]s' AND %[1]s %[3]s %[4]s::text::jsonb)`, field, typ, sign, b.arg(text))
}

// sort gives the terms of an order: what is missing last, then null, booleans, numbers, texts and the rest, each among
// itself.
func (b *builder) sort(s state.SortKey) ([]string, error) {
	field, err := b.field(s.Key)
	if err != nil {
		return nil, err
	}
	direction := ` ASC`
	if s.Desc {
		direction = ` DESC`
	}
	typ := `jsonb_typeof(` + field + `)`
	return []string{
		`(` + field + ` IS NULL)`,
		`array_position(ARRAY['null', 'boolean', 'number', 'string'], ` + typ + `)` + direction + nulls(s.Desc),
		`CASE ` + typ + ` WHEN 'boolean' THEN ` + field + ` = 'true' END` + direction,
		`CASE ` + typ + ` WHEN 'number' THEN (` + field + ` #>> '{}')::numeric END` + direction,
		`CASE ` + typ + ` WHEN 'string' THEN ` + field + ` #>> '{}' END COLLATE "C"` + direction,
	}, nil
}

// nulls puts arrays and objects, which array_position does not find, behind texts, or before them when all is turned.
func nulls(desc bool) string {
	if desc {
		return ` NULLS FIRST`
	}
	return ` NULLS LAST`
}
