package mysqlconn

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The numbers of server errors that mean something here.
const (
	accessDeniedToDatabase = 1044
	accessDenied           = 1045
	// UnknownDatabase is the error of a connection to a database that is not there.
	UnknownDatabase  = 1049
	hostNotAllowed   = 1130
	noSuchUser       = 1698
	insecure         = 3159
	packetTooLarge   = 1153
	unknownError     = 1105
	optionPrevents   = 1290
	changedSinceRead = 1020
	deadlock         = 1213
)

// away are the numbers of server errors by which a statement failed that may succeed later: the server stops, starts
// or joins its cluster, is full or out of connections, or other statements were in the way.
var away = []uint16{
	1021, 1037, 1040, 1041, 1047, 1053, 1114, 1135, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1226, 1317, 1792, 1836,
	1927, 1969, 3024, changedSinceRead, deadlock,
}

// Open opens a pool and checks that the server answers and takes the credentials. A *component.PermanentError is one
// that waiting cannot mend. ctx bounds the check only. Close the pool with its Close.
func Open(ctx context.Context, field string, cfg *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field %s: it has something that the MySQL driver does not take", field))
	}
	db := sql.OpenDB(connector)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, explain(field, cfg, err)
	}
	return db, nil
}

// explain adds what was tried and what to do.
func explain(field string, cfg *mysql.Config, err error) error {
	permanent := func(what string) error {
		return component.Permanent(fmt.Errorf("mysql at %s %s: %w", cfg.Addr, what, err))
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch n := Number(err); {
	case n == accessDenied, n == noSuchUser, n == hostNotAllowed:
		if cfg.TLS == nil && cfg.TLSConfig != "true" {
			return permanent("refuses the credentials; check user and password in " + field + ", and whether the server wants TLS (tls=true)")
		}
		return permanent("refuses the credentials; check user and password in " + field)
	case n == accessDeniedToDatabase:
		return permanent("gives the user of " + field + " no rights on the database")
	case n == UnknownDatabase:
		return permanent("does not have the database that " + field + " names")
	case n == insecure:
		return permanent("wants TLS; add tls=true to " + field)
	case untrusted:
		return permanent("has a certificate that is not trusted; check pemPath and the host's name in " + field)
	case errors.Is(err, mysql.ErrNoTLS):
		return permanent("does not offer TLS, which " + field + " or pemPath asks for")
	case errors.Is(err, mysql.ErrCleartextPassword), errors.Is(err, mysql.ErrNativePassword), errors.Is(err, mysql.ErrOldPassword), errors.Is(err, mysql.ErrUnknownPlugin):
		return permanent("signs users in by a way that " + field + " does not allow")
	default:
		return fmt.Errorf("mysql at %s does not answer; check %s and that the server runs: %w", cfg.Addr, field, err)
	}
}

// Number is the number of a server's error; 0 for other errors.
func Number(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// Unreachable tells whether err means that no server took the statement, that its answer was lost, or that the server
// could not do it now. A refusal of the statement itself is not. A timeout may also be the caller's own: look at
// ctx.Err() first.
func Unreachable(err error) bool {
	if n := Number(err); n != 0 {
		return slices.Contains(away, n) || n == optionPrevents && strings.Contains(err.Error(), "read")
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, target := range []error{
		driver.ErrBadConn, mysql.ErrInvalidConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
		os.ErrDeadlineExceeded, context.DeadlineExceeded, syscall.EPIPE, syscall.ECONNRESET,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return Closed(err)
}

// Closed tells whether err is that of a pool that was closed, for which the library exports none.
func Closed(err error) bool {
	return err != nil && strings.Contains(err.Error(), "sql: database is closed")
}

// Conflict tells whether the server undid a statement, and its transaction, because of another's: doing it again from
// the start is safe.
func Conflict(err error) bool {
	n := Number(err)
	return n == deadlock || n == changedSinceRead
}

// TooLarge tells whether a statement is larger than the server takes.
func TooLarge(err error) bool {
	return errors.Is(err, mysql.ErrPktTooLarge) || Number(err) == packetTooLarge ||
		Number(err) == unknownError && strings.Contains(err.Error(), "max_allowed_packet")
}
