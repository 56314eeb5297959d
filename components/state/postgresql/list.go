package postgresql

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// byteOrder is the order of keys by their bytes, whatever the database's own order of texts is.
const byteOrder = `key COLLATE "C"`

// ListKeys gives keys in byte order. Each page begins behind the last key of the page before.
func (s *store) ListKeys(ctx context.Context, req state.ListRequest) (state.KeyPage, error) {
	after, err := req.After()
	if err != nil {
		return state.KeyPage{}, err
	}
	if !postgresconn.Storable(after) {
		return state.KeyPage{}, fmt.Errorf("%w: page token %q is not one that listing this prefix gave; start without a token", state.ErrInvalid, req.Token)
	}
	if err := ctx.Err(); err != nil || !postgresconn.Storable(req.Prefix) {
		return state.KeyPage{}, err // no key can begin like that
	}
	where, args := prefixed(req.Prefix)
	if after != "" {
		args = append(args, after)
		where += fmt.Sprintf(` AND %s > $%d`, byteOrder, len(args))
	}
	args = append(args, req.Limit+1)
	sql := fmt.Sprintf(`SELECT key FROM %s WHERE %s AND %s ORDER BY %s LIMIT $%d`, s.layout.table.SQL(), where, s.layout.live, byteOrder, len(args))
	var page state.KeyPage
	err = s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		page.Keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err == nil && len(page.Keys) > req.Limit {
		page.Keys = page.Keys[:req.Limit]
		page.Next = state.PageToken(page.Keys[req.Limit-1])
	}
	return page, err
}

// prefixed gives the condition of keys with a prefix and its arguments, $1 and maybe $2: a range, so that an index
// serves it.
func prefixed(prefix string) (where string, args []any) {
	if end, ok := textEnd(prefix); ok {
		return byteOrder + ` >= $1 AND ` + byteOrder + ` < $2`, []any{prefix, end}
	}
	return byteOrder + ` >= $1`, []any{prefix}
}

// textEnd gives the smallest text that is greater than every text with the prefix. It is made of whole characters, as
// the server takes nothing else; in UTF-8 the order of bytes is the order of characters.
func textEnd(prefix string) (string, bool) {
	for prefix != "" {
		r, n := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-n]
		switch r {
		case utf8.MaxRune:
			continue // nothing is greater: the character before it
		case 0xd7ff:
			r = 0xe000 // there are no characters between
		default:
			r++
		}
		var b strings.Builder
		b.WriteString(prefix)
		b.WriteRune(r)
		return b.String(), true
	}
	return "", false
}
