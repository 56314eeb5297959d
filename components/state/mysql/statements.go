package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/components/internal/mysqlconn"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// live is the condition of an entry that has not expired. All times are the server's, as in Dapr.
const live = `(expiredate IS NULL OR expiredate > CURRENT_TIMESTAMP(3))`

// statements are the texts for one table. Where keys are text, the collation finds a row by its index, and the bytes
// decide.
type statements struct {
	table string
	// key is the key as bytes; given is a key to look for by the index; is is the condition of one key, whose arguments
	// keyArgs gives.
	key, given, is string

	put, putAbsent, putMatch, del, delMatch string
}

func newStatements(table string, l layout) statements {
	s := statements{table: "`" + table + "`", key: `id`, given: `?`, is: `id = ?`}
	same := ``
	if !l.bytes {
		s.key = `CAST(CONVERT(id USING utf8mb4) AS BINARY)`
		// A character that the column cannot have becomes a question mark: the bytes will differ.
		s.given = `CONVERT(? USING ` + l.charset + `) COLLATE ` + l.collation
		s.is = `id = ` + s.given + ` AND ` + s.key + ` = ?`
		same = `CAST(id AS BINARY) = CAST(VALUES(id) AS BINARY)`
	}
	// Both are NULL, for never, if the argument is NULL. Servers differ in whether they round or cut off.
	ends := `CURRENT_TIMESTAMP(3) + INTERVAL ? * 1000 MICROSECOND`
	if !l.precise {
		ends = `CURRENT_TIMESTAMP + INTERVAL (? + MICROSECOND(CURRENT_TIMESTAMP(3)) DIV 1000 + 500) DIV 1000 SECOND`
	}
	insert := `INSERT INTO ` + s.table + ` (id, value, isbinary, eTag, expiredate) VALUES (?, ?, ?, ?, ` + ends + `) ON DUPLICATE KEY UPDATE `
	s.put = insert + assign(same)
	s.putAbsent = insert + assign(strings.TrimSuffix(`expiredate <= CURRENT_TIMESTAMP(3) AND `+same, ` AND `))
	s.putMatch = `UPDATE ` + s.table + ` SET value = ?, isbinary = ?, eTag = ?, expiredate = ` + ends + ` WHERE ` + s.is + ` AND eTag = ? AND ` + live
	s.del = `DELETE FROM ` + s.table + ` WHERE ` + s.is
	s.delMatch = s.del + ` AND eTag = ? AND ` + live
	return s
}

// assign takes over the new values if the condition holds, or always. expiredate is last: an assignment sees those
// before it, and conditions look at expiredate.
func assign(condition string) string {
	var out []string
	for _, column := range []string{"value", "isbinary", "eTag", "expiredate"} {
		if condition == "" {
			out = append(out, column+` = VALUES(`+column+`)`)
		} else {
			out = append(out, column+` = IF(`+condition+`, VALUES(`+column+`), `+column+`)`)
		}
	}
	return strings.Join(out, ", ")
}

// arg is a key as an argument of an insert or of a search by the index.
func (l layout) arg(key string) any {
	if l.bytes {
		return []byte(key)
	}
	return key
}

// keyArgs are the arguments of the condition of one key.
func (l layout) keyArgs(key string) []any {
	if l.bytes {
		return []any{[]byte(key)}
	}
	return []any{key, []byte(key)}
}

// check says whether the table can have the key.
func (l layout) check(key string) error {
	length, unit := len(key), "bytes"
	if !l.bytes {
		if !utf8.ValidString(key) {
			return fmt.Errorf("%w: key %q is not UTF-8, and the table keeps keys as text", state.ErrInvalidKey, key)
		}
		length, unit = utf8.RuneCountInString(key), "characters"
	}
	if length > l.maxKey {
		return fmt.Errorf("%w: the key, with its prefix, has %d %s, more than the table's %d", state.ErrInvalidKey, length, unit, l.maxKey)
	}
	return nil
}

// runner is the pool or a transaction.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// read puts those keys into found that are there.
func (s *store) read(ctx context.Context, reqs []state.GetRequest, found map[string]*state.Entry) (err error) {
	var args []any
	for _, req := range reqs {
		if s.table.check(req.Key) == nil { // others cannot be there
			args = append(args, s.table.arg(req.Key))
		}
	}
	if len(args) == 0 {
		return ctx.Err()
	}
	rows, err := s.db.QueryContext(ctx, `SELECT `+s.text.key+`, value, isbinary, eTag, CAST(UNIX_TIMESTAMP(expiredate) * 1000 AS SIGNED) FROM `+s.text.table+
		` WHERE id IN (`+s.text.given+strings.Repeat(`, `+s.text.given, len(args)-1)+`) AND `+live, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var (
			key, etag string
			value     []byte
			binary    bool
			expires   sql.NullInt64
		)
		if err := rows.Scan(&key, &value, &binary, &etag, &expires); err != nil {
			return err
		}
		if value, err = decode(value, binary); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		e := &state.Entry{Value: value, ETag: &etag}
		if expires.Valid {
			e.Expires = time.UnixMilli(expires.Int64)
		}
		found[key] = e
	}
	return rows.Err()
}

func (s *store) set(ctx context.Context, on runner, req *state.SetRequest) error {
	if err := s.table.check(req.Key); err != nil {
		return err
	}
	if text := string(req.Value); !s.table.meaning && utf8.ValidString(text) && json.Valid(req.Value) {
		err := s.write(ctx, on, req, text, false)
		if !notJSON(err) {
			return err
		}
	}
	err := s.write(ctx, on, req, encode(req.Value), true)
	if notJSON(err) { // of which the value is now, so it is the key
		return fmt.Errorf("%w: the key %q has characters that the table does not take; convert its column id to VARBINARY: %w", state.ErrInvalidKey, req.Key, err)
	}
	return err
}

// notJSON tells whether the server refuses a value that Go takes for JSON: nested too deeply, a number out of its
// range, half of a surrogate pair, a character that the column does not have. The statement has had no effect.
func notJSON(err error) bool {
	const incorrectString, invalidCharacter, invalidText, tooDeep, constraint = 1366, 1300, 3140, 3157, 4025
	return slices.Contains([]uint16{incorrectString, invalidCharacter, invalidText, tooDeep, constraint}, mysqlconn.Number(err))
}

func (s *store) write(ctx context.Context, on runner, req *state.SetRequest, value string, binary bool) error {
	var millis any
	if req.TTL != nil && *req.TTL > 0 {
		millis = max(1, req.TTL.Milliseconds())
	}
	etag := rand.Text()
	cond, old := req.Condition()
	var err error
	switch cond {
	case state.IfMatch:
		if err = checkETag(req.Key, old); err == nil {
			args := append([]any{value, binary, etag, millis}, append(s.table.keyArgs(req.Key), old)...)
			err = affect(ctx, on, state.Mismatch(req.Key), s.text.putMatch, args)
		}
	case state.IfAbsent:
		err = affect(ctx, on, state.Exists(req.Key), s.text.putAbsent, []any{s.table.arg(req.Key), value, binary, etag, millis})
	default:
		taken := fmt.Errorf("%w: the table takes the key %q for another one that it has; convert its column id to VARBINARY", state.ErrInvalidKey, req.Key)
		err = affect(ctx, on, taken, s.text.put, []any{s.table.arg(req.Key), value, binary, etag, millis})
	}
	const wrongTime, wrongTimeValue = 1292, 1441
	if n := mysqlconn.Number(err); millis != nil && (n == wrongTime || n == wrongTimeValue) {
		return fmt.Errorf("%w: the time to live of %s ends later than the table can say: %w", state.ErrInvalid, *req.TTL, err)
	}
	return err
}

func (s *store) delete(ctx context.Context, on runner, req *state.DeleteRequest) error {
	cond, etag := req.Condition()
	if cond != state.IfMatch {
		if s.table.check(req.Key) != nil {
			return ctx.Err() // it cannot be there
		}
		return affect(ctx, on, nil, s.text.del, s.table.keyArgs(req.Key))
	}
	if err := errors.Join(s.table.check(req.Key), checkETag(req.Key, etag)); err != nil {
		return err
	}
	return affect(ctx, on, state.Mismatch(req.Key), s.text.delMatch, append(s.table.keyArgs(req.Key), etag))
}

// checkETag refuses what the column cannot have.
func checkETag(key, etag string) error {
	const most = 36
	strange := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(etag) > most || strings.ContainsFunc(etag, strange) {
		return fmt.Errorf("key %q: %w: want up to %d visible ASCII characters, found %q", key, state.ErrInvalidETag, most, etag)
	}
	return nil
}

// affect runs a write; none is the error when it changed no row, if that is one.
func affect(ctx context.Context, on runner, none error, text string, args []any) error {
	res, err := on.ExecContext(ctx, text, args...)
	if err != nil || none == nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return none
}

// within is the condition of the keys with a prefix that come after a key, and its arguments. Where keys are text, it
// looks at every row: an index in the order of a collation does not have all keys with a prefix side by side.
func (s *store) within(prefix, after string) (string, []any) {
	text, args := s.text.key+` >= ?`, []any{[]byte(prefix)}
	if after != "" {
		text, args = s.text.key+` > ?`, []any{[]byte(after)}
	}
	if end, ok := state.PrefixEnd(prefix); ok {
		text, args = text+` AND `+s.text.key+` < ?`, append(args, []byte(end))
	}
	return text, args
}

func (s *store) list(ctx context.Context, req state.ListRequest, after string) (page state.KeyPage, err error) {
	where, args := s.within(req.Prefix, after)
	rows, err := s.db.QueryContext(ctx, `SELECT `+s.text.key+` AS k FROM `+s.text.table+` WHERE `+where+` AND `+live+` ORDER BY k LIMIT ?`, append(args, req.Limit+1)...)
	if err != nil {
		return page, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return page, err
		}
		if len(page.Keys) == req.Limit {
			page.Next = state.PageToken(page.Keys[req.Limit-1])
			break
		}
		page.Keys = append(page.Keys, key)
	}
	return page, rows.Err()
}

// scan reads all entries with the prefix while they are asked for.
func (s *store) scan(ctx context.Context, prefix string) iter.Seq2[state.QueryItem, error] {
	return func(yield func(state.QueryItem, error) bool) {
		where, args := s.within(prefix, "")
		rows, err := s.db.QueryContext(ctx, `SELECT `+s.text.key+`, value, isbinary, eTag FROM `+s.text.table+` WHERE `+where+` AND `+live, args...)
		if err != nil {
			yield(state.QueryItem{}, err)
			return
		}
		defer func() { _ = rows.Close() }() // what went wrong is in rows.Err already
		for rows.Next() {
			item, err := scanItem(rows)
			if !yield(item, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(state.QueryItem{}, err)
		}
	}
}

func scanItem(rows *sql.Rows) (state.QueryItem, error) {
	var (
		item   state.QueryItem
		binary bool
		etag   string
	)
	if err := rows.Scan(&item.Key, &item.Value, &binary, &etag); err != nil {
		return item, err
	}
	item.ETag = &etag
	value, err := decode(item.Value, binary)
	item.Value = value
	return item, err
}

// encode gives a value that is not JSON as the table has it: as a JSON string in base64.
func encode(value []byte) string { return `"` + base64.StdEncoding.EncodeToString(value) + `"` }

func decode(text []byte, binary bool) ([]byte, error) {
	if !binary {
		return text, nil
	}
	var encoded string
	if err := json.Unmarshal(text, &encoded); err != nil {
		return nil, fmt.Errorf("the table says that the value is binary, but it is not a JSON string: %w", err)
	}
	value, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("the table says that the value is binary, but it is not base64: %w", err)
	}
	return value, nil
}
