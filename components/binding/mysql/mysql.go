// Package mysql is the driver bindings.mysql: statements on a MariaDB or MySQL server. State with etags is state.mysql.
package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/mysqlconn"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.mysql",
	Doc: `Runs statements on a MariaDB or MySQL server.

Operations: exec runs a statement that gives no rows, query gives the rows as a JSON array of objects. The request's
metadata: sql is the statement, params a JSON array with the values of its question marks. The reply's metadata:
operation, sql, start-time, end-time, duration and, of exec, rows-affected. Bytes (BLOB, BINARY, BIT) and values of type
JSON are base64, times are RFC 3339, and what is NULL is left out. close gives up the connections that are not in use;
the next call opens new ones (in Dapr the binding cannot be used any more after it).`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	URL string `metadata:"url,required,secret" doc:"user:password@tcp(host:3306)/database?name=value, the form of the Go driver"`
	mysqlconn.Trust
	MaxIdleConns    int64         `metadata:"maxIdleConns" default:"2" doc:"idle connections that are kept open; 0 for the default"`
	MaxOpenConns    int64         `metadata:"maxOpenConns" default:"0" doc:"connections that are open at a time, at most; 0 for any number"`
	ConnMaxLifetime time.Duration `metadata:"connMaxLifetime,s" default:"0s" doc:"age at which a connection is replaced; 0 for never"`
	ConnMaxIdleTime time.Duration `metadata:"connMaxIdleTime,s" default:"0s" doc:"idle time after which a connection is closed; 0 for never"`
}

// server is a pool of connections.
type server struct {
	db *sql.DB
	// where is the server's address, for errors.
	where string
	idle  int
}

var (
	_ binding.Binding = (*server)(nil)
	_ binding.Output  = (*server)(nil)
	_ binding.Pinger  = (*server)(nil)
)

func open(ctx context.Context, cfg component.Config) (binding.Binding, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	conn, err := mysqlconn.Config("url", set.URL, set.Trust)
	if err == nil {
		err = set.check()
	}
	if err != nil {
		return nil, component.Permanent(err)
	}
	conn.ParseTime = true // as in Dapr, so that times have one form
	db, err := mysqlconn.Open(ctx, "url", conn)
	if err != nil {
		return nil, err
	}
	const defaultIdle = 2 // also of database/sql
	s := &server{db: db, where: conn.Addr, idle: defaultIdle}
	if set.MaxIdleConns > 0 {
		s.idle = int(set.MaxIdleConns)
	}
	db.SetMaxIdleConns(s.idle)
	db.SetMaxOpenConns(int(set.MaxOpenConns))
	db.SetConnMaxLifetime(set.ConnMaxLifetime)
	db.SetConnMaxIdleTime(set.ConnMaxIdleTime)
	return s, nil
}

func (s *settings) check() error {
	const most = 1 << 16
	if s.MaxIdleConns < 0 || s.MaxIdleConns > most || s.MaxOpenConns < 0 || s.MaxOpenConns > most {
		return fmt.Errorf("metadata fields maxIdleConns and maxOpenConns: want 0 to %d, found %d and %d", most, s.MaxIdleConns, s.MaxOpenConns)
	}
	return nil
}

// Operations lists what Invoke takes.
func (s *server) Operations() []string { return []string{"exec", "query", "close"} }

// Invoke runs one statement, or gives up idle connections.
func (s *server) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	var run func(context.Context, *binding.Reply, string, []any) error
	switch req.Operation {
	case "exec":
		run = s.exec
	case "query":
		run = s.query
	case "close":
	default:
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: s.Operations()}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if run == nil {
		const none = -1
		s.db.SetMaxIdleConns(none)
		s.db.SetMaxIdleConns(s.idle)
		return nil, nil
	}
	text := req.Metadata["sql"]
	if text == "" {
		return nil, fmt.Errorf("%w: metadata sql is missing: want a statement", binding.ErrInvalid)
	}
	params, err := parameters(req.Metadata["params"])
	if err != nil {
		return nil, err
	}
	begin := time.Now().UTC()
	reply := &binding.Reply{Metadata: map[string]string{"operation": req.Operation, "sql": text, "start-time": begin.Format(time.RFC3339Nano)}}
	if err := run(ctx, reply, text, params); err != nil {
		return nil, s.failure(ctx, err)
	}
	end := time.Now().UTC()
	reply.Metadata["end-time"], reply.Metadata["duration"] = end.Format(time.RFC3339Nano), end.Sub(begin).String()
	return reply, nil
}

// parameters reads a JSON array of scalars.
func parameters(text string) ([]any, error) {
	if text == "" {
		return nil, nil
	}
	const want = "metadata params: want a JSON array of texts, numbers, booleans and nulls"
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var params []any
	if err := dec.Decode(&params); err != nil {
		return nil, fmt.Errorf("%w: %s", binding.ErrInvalid, want)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %s and nothing behind it", binding.ErrInvalid, want)
	}
	for i, p := range params {
		switch p := p.(type) {
		case nil, bool, string:
		case json.Number:
			params[i] = number(p)
		default:
			return nil, fmt.Errorf("%w: %s; number %d is an array or an object", binding.ErrInvalid, want, i+1)
		}
	}
	return params, nil
}

// number keeps integers of 64 bits as they are; what has more digits than a float keeps is text, which the server reads.
func number(n json.Number) any {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u
	}
	const exact = 15
	if f, err := n.Float64(); err == nil && len(n) <= exact {
		return f
	}
	return n.String()
}

func (s *server) exec(ctx context.Context, reply *binding.Reply, text string, params []any) error {
	res, err := s.db.ExecContext(ctx, text, params...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	reply.Metadata["rows-affected"] = strconv.FormatInt(n, 10)
	return nil
}

func (s *server) query(ctx context.Context, reply *binding.Reply, text string, params []any) (err error) {
	rows, err := s.db.QueryContext(ctx, text, params...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	reply.Data, err = marshal(rows)
	reply.ContentType = "application/json"
	return err
}

// failure says what kind of error it is.
func (s *server) failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, binding.ErrInvalid):
		return err
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case mysqlconn.Closed(err):
		return fmt.Errorf("%w: the binding is closed: %w", binding.ErrUnavailable, err)
	case mysqlconn.Unreachable(err):
		return fmt.Errorf("%w: mysql at %s: %w", binding.ErrUnavailable, s.where, err)
	case mysqlconn.Number(err) != 0, mysqlconn.TooLarge(err), strings.HasPrefix(err.Error(), "sql: expected "): // so many arguments
		return fmt.Errorf("%w: mysql at %s: %w", binding.ErrInvalid, s.where, err)
	default:
		return fmt.Errorf("mysql at %s: %w", s.where, err)
	}
}

// Ping asks the server.
func (s *server) Ping(ctx context.Context) error { return s.failure(ctx, s.db.PingContext(ctx)) }

// Close closes all connections.
func (s *server) Close(context.Context) error { return s.db.Close() }
