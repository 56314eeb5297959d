package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mrt-wasm/mrt-wasm/components/internal/mysqlconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The pool is bounded, so that a burst of calls takes not all connections of the server; what does not fit waits.
const (
	maxConns    = 32
	maxIdleTime = 5 * time.Minute
)

// maxKey is the longest key in a table that this driver makes, in bytes: the longest that InnoDB's index takes.
const maxKey = 3072

var identifier = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

func (s *settings) check() error {
	var errs []error
	for field, name := range map[string]string{"schemaName": s.SchemaName, "tableName": s.TableName, "metadataTableName": s.MetadataTable} {
		if !identifier.MatchString(name) {
			errs = append(errs, fmt.Errorf("metadata field %s: want up to 64 letters, digits and underscores, found %q", field, name))
		}
	}
	if strings.EqualFold(s.TableName, s.MetadataTable) {
		errs = append(errs, fmt.Errorf("metadata fields tableName and metadataTableName: want two tables, found %q twice", s.TableName))
	}
	if s.Timeout <= 0 { // as in Dapr
		s.Timeout = 20 * time.Second
	}
	return errors.Join(errs...)
}

// server gives the server as the library takes it, with what this driver's statements rely on.
func (s *settings) server() (*mysql.Config, error) {
	const field = "connectionString"
	cfg, err := mysqlconn.Config(field, s.ConnectionString, s.Trust)
	if err != nil {
		return nil, err
	}
	if cfg.DBName != "" && cfg.DBName != s.SchemaName {
		return nil, errors.New("metadata field connectionString: want no database behind the slash, found one; use the metadata field schemaName for it")
	}
	cfg.DBName = s.SchemaName
	cfg.InterpolateParams = true // one round trip for a statement
	cfg.ClientFoundRows = false
	cfg.MultiStatements = false
	if cfg.MaxAllowedPacket == mysql.NewConfig().MaxAllowedPacket {
		cfg.MaxAllowedPacket = 0 // as the server says
	}
	params := map[string]string{"time_zone": "'+00:00'", "sql_mode": "'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'"}
	maps.Copy(params, deleteFold(cfg.Params, "time_zone", "sql_mode"))
	cfg.Params = params
	if err := cfg.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, fmt.Errorf("metadata field %s: %w", field, err)
	}
	return cfg, nil
}

// deleteFold gives params without the names, in whatever case they stand there.
func deleteFold(params map[string]string, names ...string) map[string]string {
	out := maps.Clone(params)
	maps.DeleteFunc(out, func(k, _ string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(k, name) })
	})
	return out
}

// connect opens the pool, and makes the database if it is not there. Other hosts may do the same at the same time.
func connect(ctx context.Context, cfg *mysql.Config) (*sql.DB, error) {
	const field = "connectionString"
	db, err := mysqlconn.Open(ctx, field, cfg)
	if mysqlconn.Number(err) == mysqlconn.UnknownDatabase {
		if err := createDatabase(ctx, field, cfg); err != nil {
			return nil, err
		}
		db, err = mysqlconn.Open(ctx, field, cfg)
	}
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	db.SetConnMaxIdleTime(maxIdleTime)
	return db, nil
}

func createDatabase(ctx context.Context, field string, cfg *mysql.Config) error {
	without := cfg.Clone()
	without.DBName = ""
	db, err := mysqlconn.Open(ctx, field, without)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS `"+cfg.DBName+"` CHARACTER SET utf8mb4")
	if err != nil {
		return refused(cfg.Addr, "the database "+cfg.DBName+" (metadata field schemaName) cannot be made; make it, or give the user the right CREATE", err)
	}
	return nil
}

// refused is an error of a statement that makes something: permanent, unless the server could not do it now.
func refused(where, what string, err error) error {
	err = fmt.Errorf("mysql at %s: %s: %w", where, what, err)
	if mysqlconn.Number(err) == 0 || mysqlconn.Unreachable(err) {
		return err
	}
	return component.Permanent(err)
}

// layout is what the statements must know of the table.
type layout struct {
	// bytes tells that keys are bytes; otherwise they are text of a character set under a collation.
	bytes              bool
	charset, collation string
	// maxKey is how long a key may be, in bytes or in characters.
	maxKey int
	// precise tells that entries end at a millisecond; otherwise at a second.
	precise bool
	// meaning tells that the server keeps the meaning of JSON, not its text.
	meaning bool
}

// migrate makes what is missing of the tables of Dapr's driver, and looks at what is there. It takes no lock: each
// step finds it fine that another host was quicker.
func (s *store) migrate(ctx context.Context, log *slog.Logger) (layout, error) {
	table, meta := s.cfg.TableName, s.cfg.MetadataTable
	err := s.create(ctx, table, `(
		id VARBINARY(`+fmt.Sprint(maxKey)+`) NOT NULL PRIMARY KEY,
		value JSON NOT NULL,
		isbinary BOOLEAN NOT NULL,
		insertDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
		updateDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
		eTag VARCHAR(36) NOT NULL,
		expiredate TIMESTAMP(3) NULL,
		row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
		INDEX expiredate_idx (expiredate),
		UNIQUE KEY row_id_uidx (row_id)
		) ENGINE=InnoDB CHARACTER SET utf8mb4`)
	if err == nil {
		err = s.create(ctx, meta, `(id VARCHAR(255) NOT NULL PRIMARY KEY, value TEXT NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4`)
	}
	if err != nil {
		return layout{}, err
	}
	columns, err := s.columns(ctx, table)
	if err != nil {
		return layout{}, err
	}
	for _, name := range []string{"id", "value", "isbinary", "etag"} {
		if _, ok := columns[name]; !ok {
			return layout{}, component.Permanent(fmt.Errorf("mysql at %s: the table %s (metadata field tableName) has no column %s, so it is not one of entries; choose another name", s.where, table, name))
		}
	}
	if _, ok := columns["expiredate"]; !ok { // made by Dapr before 1.11
		if err := s.addExpiry(ctx, table); err != nil {
			return layout{}, err
		}
	}
	if err := s.checkEngine(ctx, table); err != nil {
		return layout{}, err
	}
	const millis = 3
	id := columns["id"]
	l := layout{
		bytes: id.kind == "varbinary", charset: id.charset, collation: id.collation, maxKey: id.length, meaning: columns["value"].kind == "json",
		precise: columns["expiredate"].fraction >= millis,
	}
	if !l.bytes && l.charset == "" {
		return layout{}, component.Permanent(fmt.Errorf("mysql at %s: the column id of the table %s is %s: want VARBINARY or VARCHAR", s.where, table, id.kind))
	}
	if !l.bytes && !strings.HasSuffix(id.collation, "_bin") && log != nil {
		log.Warn("the table takes keys that differ only in case for the same; a write of such a key fails. To mend it, convert the column to bytes",
			"table", table, "collation", id.collation, "statement", fmt.Sprintf("ALTER TABLE `%s` MODIFY id VARBINARY(%d) NOT NULL", table, maxKey))
	}
	return l, nil
}

// create makes a table if it is not there. It looks first, because a user without the right to make tables may not
// even ask.
func (s *store) create(ctx context.Context, table, columns string) error {
	there, err := s.columns(ctx, table)
	if err != nil || len(there) > 0 {
		return err
	}
	if _, err := s.db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS `"+table+"` "+columns); err != nil {
		return refused(s.where, "the table "+table+" cannot be made; make it, or give the user the right CREATE", err)
	}
	return nil
}

type column struct {
	kind      string
	length    int
	fraction  int
	charset   string
	collation string
}

// columns gives the columns of a table by their names in lower case; none if there is no such table.
func (s *store) columns(ctx context.Context, table string) (out map[string]column, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT LOWER(column_name), LOWER(data_type), COALESCE(character_maximum_length, 0), COALESCE(datetime_precision, 0), COALESCE(character_set_name, ''), COALESCE(collation_name, '')
		FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?`, table)
	if err != nil {
		return nil, fmt.Errorf("mysql at %s: looking at the table %s: %w", s.where, table, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = map[string]column{}
	for rows.Next() {
		var name string
		var c column
		if err := rows.Scan(&name, &c.kind, &c.length, &c.fraction, &c.charset, &c.collation); err != nil {
			return nil, err
		}
		out[name] = c
	}
	return out, rows.Err()
}

func (s *store) addExpiry(ctx context.Context, table string) error {
	const duplicateColumn, duplicateKey = 1060, 1061
	for _, text := range []string{"ADD COLUMN expiredate TIMESTAMP NULL", "ADD INDEX expiredate_idx (expiredate)"} {
		_, err := s.db.ExecContext(ctx, "ALTER TABLE `"+table+"` "+text)
		if n := mysqlconn.Number(err); err != nil && n != duplicateColumn && n != duplicateKey {
			return refused(s.where, "the table "+table+" is of an old Dapr and cannot be given the column expiredate; do it, or give the user the right ALTER", err)
		}
	}
	return nil
}

// checkEngine refuses a table that knows no transactions, such as one of MyISAM.
func (s *store) checkEngine(ctx context.Context, table string) error {
	var engine, transactions string
	err := s.db.QueryRowContext(ctx, `SELECT e.engine, COALESCE(e.transactions, '') FROM information_schema.tables t
		JOIN information_schema.engines e ON e.engine = t.engine WHERE t.table_schema = DATABASE() AND t.table_name = ?`, table).Scan(&engine, &transactions)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("mysql at %s: looking at the table %s: %w", s.where, table, err)
	}
	if strings.EqualFold(transactions, "NO") {
		return component.Permanent(fmt.Errorf("mysql at %s: the table %s has the engine %s, which knows no transactions; run ALTER TABLE %s ENGINE=InnoDB", s.where, table, engine, table))
	}
	return nil
}
