package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/FerretDB/wire"
	"github.com/FerretDB/wire/wirebson"
)

// proxy hands messages on to the server, one at a time: the server reads a document and writes it in two steps.
type proxy struct {
	server, addr, set string

	mu sync.Mutex
	tx *transaction // that which runs
}

func (p *proxy) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go p.connection(client)
	}
}

func (p *proxy) connection(client net.Conn) {
	defer client.Close()
	c, err := p.dial()
	if err != nil {
		return
	}
	defer c.conn.Close()
	in, out := bufio.NewReader(client), bufio.NewWriter(client)
	for {
		header, body, err := wire.ReadMessage(in)
		if err != nil {
			return
		}
		answer, err := p.handle(c, body)
		if err == nil {
			err = write(out, answer, header.RequestID)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "ferretdb proxy:", err)
			return
		}
	}
}

// handle answers one message.
func (p *proxy) handle(c *connection, body wire.MsgBody) (wire.MsgBody, error) {
	msg, ok := body.(*wire.OpMsg)
	if !ok { // the first message of a connection, in the old form
		answer, err := c.ask(body)
		if reply, ok := answer.(*wire.OpReply); ok && p.set != "" {
			doc, err := reply.Document()
			if err != nil {
				return nil, err
			}
			reply.SetDocument(p.member(doc))
		}
		return answer, err
	}
	command, err := document(msg)
	if err != nil {
		return nil, err
	}
	switch command.Command() {
	case "hello", "ismaster", "isMaster", "ping":
		answer, err := c.command(plain(command))
		if err == nil && p.set != "" {
			answer = p.member(answer)
		}
		return message(answer, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if command.Get("autocommit") == false && p.set != "" {
		return message(p.inTransaction(c, command))
	}
	switch command.Command() {
	case "aggregate", "count", "delete", "find", "findAndModify", "insert", "update":
	default: // for example the log-in, without which a transaction may get no connection to go on
		return message(c.command(plain(command)))
	}
	// Nobody sees what a transaction has not yet committed.
	for p.tx != nil && !p.tx.old() {
		p.mu.Unlock()
		time.Sleep(time.Millisecond)
		p.mu.Lock()
	}
	if err := p.abort(c); err != nil {
		return nil, err
	}
	return message(c.command(plain(command)))
}

// member makes an answer to hello that of the only member of a replica set.
func (p *proxy) member(doc *wirebson.Document) *wirebson.Document {
	if doc.Get("maxWireVersion") == nil {
		return doc
	}
	for name, value := range map[string]any{
		"setName": p.set, "setVersion": int32(1), "secondary": false, "primary": p.addr, "me": p.addr, "hosts": wirebson.MustArray(p.addr),
	} {
		doc.Remove(name)
		if err := doc.Add(name, value); err != nil {
			panic(err)
		}
	}
	return doc
}

// document is a command with all of its parts in one.
func document(msg *wire.OpMsg) (*wirebson.Document, error) {
	doc, err := msg.RawSection0().Decode()
	if err != nil {
		return nil, err
	}
	for _, section := range msg.Sections() {
		if section.Kind != 1 {
			continue
		}
		list := wirebson.MakeArray(0)
		for _, d := range section.Documents() {
			if err := list.Add(d); err != nil {
				return nil, err
			}
		}
		if err := doc.Add(section.Identifier, list); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// plain is a command without what the server does not know.
func plain(doc *wirebson.Document) *wirebson.Document {
	for _, name := range []string{"lsid", "txnNumber", "startTransaction", "autocommit", "$clusterTime", "$readPreference"} {
		doc.Remove(name)
	}
	return doc
}

func message(doc *wirebson.Document, err error) (wire.MsgBody, error) {
	if err != nil {
		return nil, err
	}
	return wire.NewOpMsg(doc)
}

// connection is one to the server.
type connection struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
}

func (p *proxy) dial() (*connection, error) {
	conn, err := net.Dial("tcp", p.server)
	if err != nil {
		return nil, err
	}
	return &connection{conn, bufio.NewReader(conn), bufio.NewWriter(conn)}, nil
}

func (c *connection) ask(body wire.MsgBody) (wire.MsgBody, error) {
	if err := write(c.out, body, 0); err != nil {
		return nil, err
	}
	_, answer, err := wire.ReadMessage(c.in)
	return answer, err
}

func (c *connection) command(doc *wirebson.Document) (*wirebson.Document, error) {
	msg, err := wire.NewOpMsg(doc)
	if err != nil {
		return nil, err
	}
	answer, err := c.ask(msg)
	if err != nil {
		return nil, err
	}
	reply, ok := answer.(*wire.OpMsg)
	if !ok {
		return nil, fmt.Errorf("an answer of type %T", answer)
	}
	return reply.RawSection0().Decode()
}

func write(w *bufio.Writer, body wire.MsgBody, responseTo int32) error {
	b, err := body.MarshalBinary()
	if err != nil {
		return err
	}
	code := wire.OpCodeMsg
	switch body.(type) {
	case *wire.OpQuery:
		code = wire.OpCodeQuery
	case *wire.OpReply:
		code = wire.OpCodeReply
	}
	header := make([]byte, 0, wire.MsgHeaderLen)
	for _, n := range []int32{int32(len(b) + wire.MsgHeaderLen), 1, responseTo, int32(code)} {
		header = binary.LittleEndian.AppendUint32(header, uint32(n))
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Flush()
}
