package postgresconn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// Table is the name of a table.
type Table struct {
	// Schema is empty for one that is found by the search path.
	Schema, Name string
}

// ParseTable reads a name as SQL does, with a schema before it or without: in lower case, unless it stands in double
// quotes.
func ParseTable(text string) (Table, error) {
	var parts []string
	for rest := text; ; {
		part, after, err := identifier(rest)
		if err != nil {
			return Table{}, fmt.Errorf("want a name such as state or schema.state (letters, digits and underscores; anything else in double quotes), found %q", text)
		}
		parts = append(parts, part)
		if after == "" {
			break
		}
		if after[0] != '.' {
			return Table{}, fmt.Errorf("want a dot between schema and table, found %q", text)
		}
		rest = after[1:]
	}
	switch len(parts) {
	case 1:
		return Table{Name: parts[0]}, nil
	case 2:
		return Table{Schema: parts[0], Name: parts[1]}, nil
	default:
		return Table{}, fmt.Errorf("want a schema and a table at the most, found %q", text)
	}
}

var errIdentifier = errors.New("no identifier")

// identifier reads one name and gives what follows.
func identifier(text string) (name, rest string, err error) {
	if !Storable(text) {
		return "", "", errIdentifier
	}
	if inner, ok := strings.CutPrefix(text, `"`); ok {
		return quoted(inner)
	}
	end := len(text)
	for i, r := range text {
		if letter := r == '_' || unicode.IsLetter(r); !letter && (i == 0 || r != '$' && !unicode.IsDigit(r)) {
			end = i
			break
		}
	}
	if end == 0 {
		return "", "", errIdentifier
	}
	return lower(text[:end]), text[end:], nil
}

// quoted reads a name up to its closing quote; two quotes stand for one.
func quoted(text string) (name, rest string, err error) {
	for {
		part, after, closed := strings.Cut(text, `"`)
		name += part
		if !closed {
			return "", "", errIdentifier
		}
		var double bool
		if text, double = strings.CutPrefix(after, `"`); double {
			name += `"`
			continue
		}
		if name == "" {
			return "", "", errIdentifier
		}
		return name, after, nil
	}
}

// lower folds the letters that the server folds: those of ASCII.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// SQL gives the name, quoted.
func (t Table) SQL() string {
	if t.Schema == "" {
		return pgx.Identifier{t.Name}.Sanitize()
	}
	return pgx.Identifier{t.Schema, t.Name}.Sanitize()
}

// String gives the name for messages.
func (t Table) String() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Columns gives the columns of a table with their types; none if there is no such table.
func (t Table) Columns(ctx context.Context, q Querier) (map[string]string, error) {
	rows, err := q.Query(ctx, `SELECT attname::text, format_type(atttypid, NULL)::text FROM pg_catalog.pg_attribute
		WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`, t.SQL())
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	var name, typ string
	_, err = pgx.ForEachRow(rows, []any{&name, &typ}, func() error {
		out[name] = typ
		return nil
	})
	return out, err
}

// Storable tells whether the server can hold a text: valid UTF-8 without zero bytes.
func Storable(text string) bool { return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 }
