package sockets

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// tcpConn is a connection that a socket and its two streams share; the last one closes it.
type tcpConn struct {
	*net.TCPConn
	users atomic.Int32
	// release is called when it is closed.
	release func()
}

func newTCPConn(c *net.TCPConn, release func()) *tcpConn {
	out := &tcpConn{TCPConn: c, release: release}
	out.users.Store(3)
	return out
}

// leave is called once by each user.
func (c *tcpConn) leave() {
	if c.users.Add(-1) == 0 {
		_ = c.Close() // nothing to be done
		c.release()
	}
}

// past is a deadline that ends what is in flight.
func past() time.Time { return time.Unix(1, 0) }

// streams makes the streams.
func (c *tcpConn) streams() (*wasiio.Input, *connOutput) {
	in := wasiio.NewInput(connReader{c}, wasiio.InputOptions{
		Interrupt: func() { _ = c.SetReadDeadline(past()) }, Close: c.leave, // a closed connection needs no deadline
	})
	out := wasiio.NewOutput(connWriter{c}, wasiio.OutputOptions{
		Interrupt: func() { _ = c.SetWriteDeadline(past()) }, Close: c.leave, // as above
	})
	return in, &connOutput{out, c}
}

// linger is how long what a guest has written may take to be sent after it has dropped the stream.
const linger = 10 * time.Second

// connOutput is the output stream of a connection.
type connOutput struct {
	*wasiio.Output
	c *tcpConn
}

// Drop has what was written sent, for a time.
func (o *connOutput) Drop(ctx context.Context) {
	_ = o.c.SetWriteDeadline(time.Now().Add(linger)) // a closed connection needs none
	o.Output.Drop(ctx)
}

// connReader gives errors that NetworkErrorCode knows.
type connReader struct{ c *tcpConn }

// Read reads.
func (r connReader) Read(p []byte) (int, error) {
	n, err := r.c.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &streamError{err}
	}
	return n, err
}

// connWriter gives errors that NetworkErrorCode knows.
type connWriter struct{ c *tcpConn }

// Write writes.
func (w connWriter) Write(p []byte) (int, error) {
	n, err := w.c.Write(p)
	if err != nil {
		err = &streamError{err}
	}
	return n, err
}
