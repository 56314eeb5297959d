package main

import (
	"fmt"
	"time"

	"github.com/FerretDB/wire/wirebson"
)

// transaction is one that runs. There is one at a time, and it writes at once: what was there before is put back when it
// is aborted.
type transaction struct {
	session string
	number  any
	used    time.Time
	undo    []*wirebson.Document // commands, the last first
	saved   map[string]bool
}

// old tells that the client has gone.
func (t *transaction) old() bool { return time.Since(t.used) > 30*time.Second }

// inTransaction does a command of a transaction.
func (p *proxy) inTransaction(c *connection, command *wirebson.Document) (*wirebson.Document, error) {
	session, number := fmt.Sprint(command.Get("lsid")), command.Get("txnNumber")
	name := command.Command()
	if command.Get("startTransaction") == true {
		if p.tx != nil && !p.tx.old() {
			return failed(112, "WriteConflict")
		}
		if err := p.abort(c); err != nil {
			return nil, err
		}
		p.tx = &transaction{session: session, number: number, saved: map[string]bool{}}
	}
	if p.tx == nil || p.tx.session != session || p.tx.number != number {
		return failed(251, "NoSuchTransaction")
	}
	p.tx.used = time.Now()
	switch name {
	case "commitTransaction":
		p.tx = nil
		return wirebson.NewDocument("ok", 1.0)
	case "abortTransaction":
		if err := p.abort(c); err != nil {
			return nil, err
		}
		return wirebson.NewDocument("ok", 1.0)
	case "update":
		if err := p.save(c, command, "updates"); err != nil {
			return nil, err
		}
	case "delete":
		if err := p.save(c, command, "deletes"); err != nil {
			return nil, err
		}
	case "find":
	default:
		return nil, fmt.Errorf("the command %s in a transaction is more than this server can do", name)
	}
	command.Remove("readConcern")
	answer, err := c.command(plain(command))
	if err == nil && (answer.Get("writeErrors") != nil || answer.Get("ok") != 1.0) {
		err = p.abort(c) // as MongoDB does
	}
	return answer, err
}

// failed says that the whole transaction may be tried again.
func failed(code int32, name string) (*wirebson.Document, error) {
	return wirebson.NewDocument("ok", 0.0, "errmsg", name, "code", code, "codeName", name,
		"errorLabels", wirebson.MustArray("TransientTransactionError"))
}

// save keeps the documents that a command is about to change; they are asked for by _id alone or with more.
func (p *proxy) save(c *connection, command *wirebson.Document, field string) error {
	parts, err := list(command.Get(field))
	if err != nil {
		return err
	}
	db, collection := command.Get("$db"), command.Get(command.Command())
	for part := range parts.Values() {
		op, err := doc(part)
		if err != nil {
			return err
		}
		query, err := doc(op.Get("q"))
		if err != nil {
			return err
		}
		id, ok := query.Get("_id").(string)
		if !ok {
			return fmt.Errorf("a %s in a transaction without an _id that is a string", command.Command())
		}
		if key := fmt.Sprint(db, ".", collection, ".", id); !p.tx.saved[key] {
			p.tx.saved[key] = true
			if err := p.saveOne(c, db, collection, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *proxy) saveOne(c *connection, db, collection any, id string) error {
	by := wirebson.MustDocument("_id", id)
	answer, err := c.command(wirebson.MustDocument("find", collection, "filter", by, "limit", int32(1), "singleBatch", true, "$db", db))
	if err != nil {
		return err
	}
	cursor, err := doc(answer.Get("cursor"))
	if err != nil {
		return err
	}
	batch, err := list(cursor.Get("firstBatch"))
	if err != nil {
		return err
	}
	undo := wirebson.MustDocument("delete", collection, "deletes", wirebson.MustArray(wirebson.MustDocument("q", by, "limit", int32(1))), "$db", db)
	if batch.Len() > 0 {
		undo = wirebson.MustDocument("update", collection, "updates",
			wirebson.MustArray(wirebson.MustDocument("q", by, "u", batch.Get(0), "upsert", true)), "$db", db)
	}
	p.tx.undo = append(p.tx.undo, undo)
	return nil
}

// abort undoes the transaction that runs, if there is one.
func (p *proxy) abort(c *connection) error {
	if p.tx == nil {
		return nil
	}
	undo := p.tx.undo
	p.tx = nil
	for _, command := range undo {
		answer, err := c.command(command)
		if err != nil {
			return err
		}
		if answer.Get("ok") != 1.0 || answer.Get("writeErrors") != nil {
			return fmt.Errorf("undoing: %v", answer)
		}
	}
	return nil
}

func doc(v any) (*wirebson.Document, error) {
	d, ok := v.(wirebson.AnyDocument)
	if !ok {
		return nil, fmt.Errorf("want a document, found a %T", v)
	}
	return d.Decode()
}

func list(v any) (*wirebson.Array, error) {
	a, ok := v.(wirebson.AnyArray)
	if !ok {
		return nil, fmt.Errorf("want an array, found a %T", v)
	}
	return a.Decode()
}
