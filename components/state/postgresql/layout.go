package postgresql

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// layout is one version of the table: its statements, and how values stand in it.
type layout struct {
	version     string
	table, meta postgresconn.Table
	// levelKey and cleanupKey are the names of what the metadata table has about this table.
	levelKey, cleanupKey string

	// columns are key, value, whether the value is base64 in JSON, etag and end of an entry, of table t; live is the
	// condition of an entry that has not expired.
	columns, live string

	get, bulkGet                            string
	put, putAbsent, putMatch, del, delMatch string
	sweep                                   string
	// needs are the columns that the statements use, and the types of those that tell one version from the other.
	needs map[string]string
	// values gives the arguments of a write: the value's own, from $2 on, then the time to live.
	values func(req *state.SetRequest) []any
	// etag gives an etag of an app as the table has it.
	etag func(key, etag string) (string, error)
}

// layout gives the layout of a version of the component.
func (s *settings) layout(version string) (*layout, error) {
	meta, err := postgresconn.ParseTable(s.MetadataTable)
	if err != nil {
		return nil, fmt.Errorf("metadata field metadataTableName: %w", err)
	}
	var l *layout
	if version == "v2" {
		l, err = layoutV2(s)
	} else {
		l, err = layoutV1(s)
	}
	if err != nil {
		return nil, err
	}
	if l.table == meta {
		return nil, fmt.Errorf("the entries and the metadata (metadata field metadataTableName): want two tables, found %s twice", meta)
	}
	l.meta = meta
	t := l.table.SQL()
	l.get = `SELECT ` + l.columns + ` FROM ` + t + ` AS t WHERE key = $1 AND ` + l.live
	l.bulkGet = `SELECT ` + l.columns + ` FROM ` + t + ` AS t WHERE key = ANY($1) AND ` + l.live
	l.del = `DELETE FROM ` + t + ` WHERE key = $1`
	return l, nil
}

func layoutV1(s *settings) (*layout, error) {
	name := s.TableName
	if name == "" {
		name = "state"
	}
	table, err := postgresconn.ParseTable(name)
	if err != nil {
		return nil, fmt.Errorf("metadata field tableName: %w", err)
	}
	t := table.SQL()
	const live = `(expiredate IS NULL OR expiredate > CURRENT_TIMESTAMP)`
	// Whether a row is there and has expired shows only in the update, so a first-write is one too.
	put := `INSERT INTO ` + t + ` AS t (key, value, isbinary, expiredate)
		VALUES ($1, $2::text::jsonb, $3, CURRENT_TIMESTAMP + make_interval(secs => $4::float8))
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, isbinary = excluded.isbinary,
		updatedate = CURRENT_TIMESTAMP, expiredate = excluded.expiredate`
	return &layout{
		version: "v1", table: table, levelKey: "migrations", cleanupKey: "last-cleanup",
		columns: `key, value::text, isbinary, t.xmin::text, expiredate`, live: live,
		needs:     map[string]string{"key": "", "value": "jsonb", "isbinary": "", "updatedate": "", "expiredate": ""},
		put:       put,
		putAbsent: put + ` WHERE t.expiredate <= CURRENT_TIMESTAMP`,
		putMatch: `UPDATE ` + t + ` SET value = $2::text::jsonb, isbinary = $3, updatedate = CURRENT_TIMESTAMP,
			expiredate = CURRENT_TIMESTAMP + make_interval(secs => $4::float8) WHERE key = $1 AND xmin::text = $5 AND ` + live,
		delMatch: `DELETE FROM ` + t + ` WHERE key = $1 AND xmin::text = $2 AND ` + live,
		sweep:    sweep(t, "expiredate"),
		values:   valuesV1,
		etag: func(key, etag string) (string, error) {
			n, err := strconv.ParseUint(etag, 10, 32)
			if err != nil {
				return "", fmt.Errorf("key %q: %w: want a number below 2^32, found %q", key, state.ErrInvalidETag, etag)
			}
			return strconv.FormatUint(n, 10), nil
		},
	}, nil
}

// valuesV1 keeps JSON as it is and anything else as a JSON string of its base64.
func valuesV1(req *state.SetRequest) []any {
	if isJSONB(req) {
		return []any{string(req.Value), false, seconds(req.TTL)}
	}
	return []any{`"` + base64.StdEncoding.EncodeToString(req.Value) + `"`, true, seconds(req.TTL)}
}

func layoutV2(s *settings) (*layout, error) {
	table, err := postgresconn.ParseTable(s.TablePrefix + "state")
	if err != nil {
		return nil, fmt.Errorf("metadata field tablePrefix: with the word state it is the table: %w", err)
	}
	t := table.SQL()
	const live = `(expires_at IS NULL OR expires_at > CURRENT_TIMESTAMP)`
	put := `INSERT INTO ` + t + ` AS t (key, value, etag, expires_at)
		VALUES ($1, $2, gen_random_uuid(), CURRENT_TIMESTAMP + make_interval(secs => $3::float8))
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, etag = excluded.etag,
		updated_at = CURRENT_TIMESTAMP, expires_at = excluded.expires_at`
	return &layout{
		version: "v2", table: table, levelKey: "migrations-state-v2-" + s.TablePrefix, cleanupKey: "last-cleanup-state-v2-" + s.TablePrefix,
		columns: `key, value, false, etag::text, expires_at`, live: live,
		needs:     map[string]string{"key": "", "value": "bytea", "etag": "uuid", "updated_at": "", "expires_at": ""},
		put:       put,
		putAbsent: put + ` WHERE t.expires_at <= CURRENT_TIMESTAMP`,
		putMatch: `UPDATE ` + t + ` SET value = $2, etag = gen_random_uuid(), updated_at = CURRENT_TIMESTAMP,
			expires_at = CURRENT_TIMESTAMP + make_interval(secs => $3::float8) WHERE key = $1 AND etag = $4::text::uuid AND ` + live,
		delMatch: `DELETE FROM ` + t + ` WHERE key = $1 AND etag = $2::text::uuid AND ` + live,
		sweep:    sweep(t, "expires_at"),
		values: func(req *state.SetRequest) []any {
			value := req.Value
			if value == nil {
				value = []byte{} // nil would be NULL
			}
			return []any{value, seconds(req.TTL)}
		},
		etag: func(key, etag string) (string, error) {
			id, err := uuid.Parse(etag)
			if err != nil {
				return "", state.Mismatch(key) // as in Dapr: any text may be an etag
			}
			return id.String(), nil
		},
	}, nil
}

// sweep deletes some entries that have expired, but none that somebody writes just now.
func sweep(table, expires string) string {
	return `DELETE FROM ` + table + ` WHERE key IN (SELECT key FROM ` + table + ` WHERE ` + expires + ` < CURRENT_TIMESTAMP
		LIMIT $1 FOR UPDATE SKIP LOCKED) AND ` + expires + ` < CURRENT_TIMESTAMP`
}

// seconds gives a time to live as an argument: nil for none.
func seconds(ttl *time.Duration) *float64 {
	if ttl == nil || *ttl <= 0 {
		return nil
	}
	s := ttl.Seconds()
	return &s
}

// scan reads the columns of an entry.
func (l *layout) scan(row pgx.Row) (string, *state.Entry, error) {
	var (
		key, etag string
		value     []byte
		binary    bool
		expires   *time.Time
	)
	if err := row.Scan(&key, &value, &binary, &etag, &expires); err != nil {
		return "", nil, err
	}
	if binary {
		var text string
		err := json.Unmarshal(value, &text)
		if err == nil {
			value, err = base64.StdEncoding.DecodeString(text)
		}
		if err != nil {
			return "", nil, fmt.Errorf("key %q: the table says that the value is binary, but it is not base64 in a JSON string", key)
		}
	}
	e := &state.Entry{Value: value, ETag: &etag}
	if expires != nil {
		e.Expires = *expires
	}
	return key, e, nil
}

// statement is an operation in SQL.
type statement struct {
	key, sql string
	args     []any
	// none is the error when it changed no row, if that is one.
	none error
}

func (l *layout) statement(op *state.Operation) (statement, error) {
	switch {
	case op.Upsert != nil:
		return l.upsert(op.Upsert)
	case op.Delete != nil:
		return l.delete(op.Delete)
	default:
		return statement{}, fmt.Errorf("%w: an operation is neither upsert nor delete", state.ErrInvalid)
	}
}

func (l *layout) upsert(req *state.SetRequest) (statement, error) {
	if err := checkKey(req.Key); err != nil {
		return statement{}, err
	}
	st := statement{key: req.Key, sql: l.put, args: append([]any{req.Key}, l.values(req)...)}
	switch cond, etag := req.Condition(); cond {
	case state.IfMatch:
		etag, err := l.etag(req.Key, etag)
		if err != nil {
			return statement{}, err
		}
		st.sql, st.args, st.none = l.putMatch, append(st.args, etag), state.Mismatch(req.Key)
	case state.IfAbsent:
		st.sql, st.none = l.putAbsent, state.Exists(req.Key)
	default:
	}
	return st, nil
}

func (l *layout) delete(req *state.DeleteRequest) (statement, error) {
	if err := checkKey(req.Key); err != nil {
		return statement{}, err
	}
	st := statement{key: req.Key, sql: l.del, args: []any{req.Key}}
	if cond, etag := req.Condition(); cond == state.IfMatch {
		etag, err := l.etag(req.Key, etag)
		if err != nil {
			return statement{}, err
		}
		st.sql, st.args, st.none = l.delMatch, append(st.args, etag), state.Mismatch(req.Key)
	}
	return st, nil
}
