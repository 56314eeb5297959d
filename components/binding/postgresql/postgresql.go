// Package postgresql is the driver bindings.postgresql: statements that apps run in a PostgreSQL database. Requests and
// replies are those of Dapr's component.
package postgresql

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type:    "bindings.postgresql",
	Aliases: []string{"bindings.postgres"},
	Doc: `Runs statements in a PostgreSQL database.

Operations: exec, query, close. The request's metadata: sql is the statement, with $1, $2, ... for parameters; params is a
JSON array with these, for example [1, "text", null]; with queryExecMode exec or simple_protocol an array as a parameter is
text such as "{1,2}". Never put values into the statement itself. The reply's metadata have operation, sql, start-time, end-time and duration, and for exec rows-affected. query gives the rows as a JSON array of
arrays; numbers, booleans, JSON columns and arrays as such, bytea in base64, times in RFC 3339, anything else as text. A
statement that may write is not tried again by the driver. close closes the connections; a later call opens new ones.`,
	Fields: func() any { return &postgresconn.Settings{} },
	New:    open,
}

func open(ctx context.Context, cfg component.Config) (binding.Binding, error) {
	set := &postgresconn.Settings{}
	if err := cfg.Decode(set); err != nil {
		return nil, err
	}
	db, err := postgresconn.Open(ctx, set, binding.ErrUnavailable)
	if err != nil {
		return nil, err
	}
	return &statements{db: db}, nil
}

type statements struct{ db *postgresconn.DB }

var (
	_ binding.Binding = (*statements)(nil)
	_ binding.Output  = (*statements)(nil)
	_ binding.Pinger  = (*statements)(nil)
)

// Operations lists what Invoke takes.
func (s *statements) Operations() []string { return []string{"exec", "query", "close"} }

// Invoke runs a statement.
func (s *statements) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	var run func(ctx context.Context, sql string, args []any, reply *binding.Reply) error
	switch req.Operation {
	case "exec":
		run = s.exec
	case "query":
		run = s.query
	case "close":
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.db.Reset()
		return nil, nil
	default:
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: s.Operations()}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sql := req.Metadata["sql"]
	if sql == "" || !postgresconn.Storable(sql) {
		return nil, fmt.Errorf("%w: metadata sql: want a statement, found %q", binding.ErrInvalid, sql)
	}
	args, err := params(req.Metadata["params"])
	if err != nil {
		return nil, err
	}
	begun := time.Now().UTC()
	reply := &binding.Reply{Metadata: map[string]string{
		"operation": req.Operation, "sql": sql, "start-time": begun.Format(time.RFC3339Nano),
	}}
	if err := run(ctx, sql, args, reply); err != nil {
		return nil, failure(err)
	}
	ended := time.Now().UTC()
	reply.Metadata["end-time"] = ended.Format(time.RFC3339Nano)
	reply.Metadata["duration"] = ended.Sub(begun).String()
	return reply, nil
}

// params reads the JSON array of parameters.
func params(text string) ([]any, error) {
	if text == "" {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var args []any
	err := dec.Decode(&args)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is more after it")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: metadata params: want a JSON array such as [1, \"text\", null]: %w", binding.ErrInvalid, err)
	}
	for i, a := range args {
		switch a := a.(type) {
		case json.Number:
			args[i] = string(a) // the server reads it as what the parameter is, with all digits
		case map[string]any:
			text, err := json.Marshal(a)
			if err != nil {
				return nil, fmt.Errorf("%w: metadata params: parameter %d: %w", binding.ErrInvalid, i+1, err)
			}
			args[i] = string(text)
		case []any:
			args[i] = numbers(a)
		case string:
			if !postgresconn.Storable(a) {
				return nil, fmt.Errorf("%w: metadata params: parameter %d has zero bytes, which PostgreSQL does not take", binding.ErrInvalid, i+1)
			}
		}
	}
	return args, nil
}

// numbers makes numbers of Go of those in an array, which the library encodes by their type.
func numbers(list []any) []any {
	for i, v := range list {
		switch v := v.(type) {
		case json.Number:
			if n, err := v.Int64(); err == nil {
				list[i] = n
			} else if f, err := v.Float64(); err == nil {
				list[i] = f
			} else {
				list[i] = string(v)
			}
		case []any:
			list[i] = numbers(v)
		}
	}
	return list
}

func (s *statements) exec(ctx context.Context, sql string, args []any, reply *binding.Reply) error {
	return s.db.Once(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		tag, err := pool.Exec(ctx, sql, args...)
		reply.Metadata["rows-affected"] = strconv.FormatInt(tag.RowsAffected(), 10)
		return err
	})
}

func (s *statements) query(ctx context.Context, sql string, args []any, reply *binding.Reply) error {
	return s.db.Once(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, sql, append([]any{pgx.QueryResultFormats{pgx.TextFormatCode}}, args...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		reply.Data, err = table(rows)
		reply.ContentType = "application/json"
		return err
	})
}

// table gives rows as a JSON array of arrays.
func table(rows pgx.Rows) ([]byte, error) {
	out := []byte("[")
	for rows.Next() {
		row, err := rows.Values()
		if err != nil {
			return nil, err
		}
		raw, fields := rows.RawValues(), rows.FieldDescriptions()
		for i := range row {
			row[i] = shown(row[i], raw[i], fields[i].DataTypeOID)
		}
		text, err := json.Marshal(row)
		if err != nil {
			return nil, postgresconn.Stop(fmt.Errorf("a row cannot be written as JSON: %w", err))
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if out = append(out, text...); len(out) >= binding.MaxData {
			return nil, postgresconn.Stop(fmt.Errorf("%w: the result has more than %d bytes, which is the most that an app takes; add LIMIT to the statement", binding.ErrInvalid, binding.MaxData))
		}
	}
	return append(out, ']'), rows.Err()
}

// shown gives a value as it stands in JSON; raw is the server's text.
func shown(v any, raw []byte, oid uint32) any {
	list, array := v.([]any)
	_, bytes := v.([]byte)
	switch {
	case v == nil:
		return nil
	case oid == pgtype.JSONOID || oid == pgtype.JSONBOID:
		return json.RawMessage(raw) // with all digits of its numbers
	case array:
		return elements(list)
	case bytes && oid != pgtype.ByteaOID:
		return string(raw)
	default:
		return scalar(v, func() string { return string(raw) })
	}
}

// elements gives an array's values, of which the server's texts are not at hand.
func elements(list []any) []any {
	for i, v := range list {
		if inner, ok := v.([]any); ok {
			list[i] = elements(inner)
			continue
		}
		list[i] = scalar(v, func() string {
			if id, ok := v.([16]byte); ok {
				return uuid.UUID(id).String()
			}
			if valuer, ok := v.(driver.Valuer); ok {
				if text, err := valuer.Value(); err == nil {
					return fmt.Sprint(text)
				}
			}
			return fmt.Sprint(v)
		})
	}
	return list
}

// scalar gives a value, or its text if JSON has no form for it.
func scalar(v any, text func() string) any {
	const lastYear = 9999 // of RFC 3339
	switch v := v.(type) {
	case nil, bool, string, []byte, int16, int32, int64, uint32, uint64, pgtype.Numeric, netip.Prefix, map[string]any:
		return v
	case float32:
		return finite(float64(v), v)
	case float64:
		return finite(v, v)
	case time.Time:
		if year := v.UTC().Year(); year >= 0 && year <= lastYear {
			return v.UTC()
		}
	}
	return text()
}

// finite gives a number, or the name of one that JSON does not have.
func finite(f float64, v any) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return v
}

// failure says what kind of error it is. What is neither the server's nor about reaching it is about the parameters.
func failure(err error) error {
	for _, known := range []error{binding.ErrInvalid, binding.ErrUnavailable, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	if postgresconn.Refused(err) || postgresconn.Code(err) == "" {
		return fmt.Errorf("%w: %w", binding.ErrInvalid, err)
	}
	return err
}

// Ping asks the server.
func (s *statements) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close closes all connections.
func (s *statements) Close(ctx context.Context) error { return s.db.Close(ctx) }
