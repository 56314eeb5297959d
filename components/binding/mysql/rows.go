package mysql

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// marshal gives rows as a JSON array of objects, in the form of Dapr's driver: null if there is no row.
func marshal(rows *sql.Rows) ([]byte, error) {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for rows.Next() {
		row, err := scan(rows, columns)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(row)
		if err != nil {
			return nil, fmt.Errorf("a row of the result: %w", err)
		}
		if out.Len()+len(text) > binding.MaxData-2 {
			return nil, fmt.Errorf("%w: the result is larger than the %d bytes that an app takes; use LIMIT", binding.ErrInvalid, binding.MaxData)
		}
		if out.Len() == 0 {
			out.WriteByte('[')
		} else {
			out.WriteByte(',')
		}
		out.Write(text)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if out.Len() == 0 {
		return []byte("null"), nil
	}
	out.WriteByte(']')
	return out.Bytes(), nil
}

// scan reads one row. What is NULL is not in it, but for NULL bytes and a bare NULL, which are null.
func scan(rows *sql.Rows, columns []*sql.ColumnType) (map[string]any, error) {
	cells := make([]any, len(columns))
	for i, c := range columns {
		kind := c.ScanType()
		if c.DatabaseTypeName() == "JSON" { // as in Dapr it is given as bytes
			kind = reflect.TypeFor[[]byte]()
		}
		cells[i] = reflect.New(kind).Interface()
	}
	if err := rows.Scan(cells...); err != nil {
		return nil, err
	}
	row := make(map[string]any, len(columns))
	for i, c := range columns {
		value, err := plain(cells[i])
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name(), err)
		}
		if value != nil {
			row[c.Name()] = value
		}
	}
	return row, nil
}

// plain gives what is in a cell that may be NULL; nil if it is.
func plain(cell any) (any, error) {
	switch c := cell.(type) {
	case *sql.Null[uint64]: // its Value has only 63 bits
		if !c.Valid {
			return nil, nil
		}
		return c.V, nil
	case driver.Valuer:
		return c.Value()
	default:
		return cell, nil
	}
}
