package postgresconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The SQLSTATE codes that are looked at; https://www.postgresql.org/docs/current/errcodes-appendix.html lists all.
const (
	invalidPassword       = "28P01"
	invalidAuthorization  = "28000"
	noSuchDatabase        = "3D000"
	insufficientPrivilege = "42501"
	serializationFailure  = "40001"
	deadlock              = "40P01"
	readOnly              = "25006"
	uniqueViolation       = "23505"
	duplicateTable        = "42P07"
)

// Code gives the SQLSTATE of a server's error; empty for any other error.
func Code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// Refused tells whether the server did not take a statement because of what it says: its syntax, a name, a value or a
// constraint. The same statement will be refused again.
func Refused(err error) bool {
	code := Code(err)
	return badMessage(err) || slices.ContainsFunc([]string{"0A", "21", "22", "23", "26", "42", "44", "P0"}, func(class string) bool { return strings.HasPrefix(code, class) })
}

// badMessage tells that a statement has another number of parameters than were given, or zero bytes. Poolers have the
// same code for what is the matter with them, but end the connection.
func badMessage(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "08P01" && e.SeverityUnlocalized == "ERROR"
}

// BadValue tells whether the server refused a statement because of a value: its form, its length or a constraint.
func BadValue(err error) bool {
	code := Code(err)
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}

// Denied tells that the user lacks a right.
func Denied(err error) bool { return Code(err) == insufficientPrivilege }

// Exists tells that somebody else has made the same table at the same time.
func Exists(err error) bool {
	code := Code(err)
	return code == uniqueViolation || code == duplicateTable
}

// Unreachable tells whether err means that no server took the statement or that its answer was lost: the network, a
// server that is starting, stopping, full or no longer the primary. A refusal of the statement itself is not.
func Unreachable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if badMessage(err) {
		return false
	}
	if code := Code(err); code != "" {
		// 08 connection, 53 resources, 57 operator (shutdown, a statement's timeout), 58 system.
		return slices.ContainsFunc([]string{"08", "53", "57", "58", readOnly, serializationFailure, deadlock, "55P03"},
			func(class string) bool { return strings.HasPrefix(code, class) })
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, target := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded} {
		if errors.Is(err, target) {
			return true
		}
	}
	return pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// conflict tells that the server undid a transaction in favour of another: it is to be done again.
func conflict(err error) bool {
	code := Code(err)
	return code == serializationFailure || code == deadlock
}

// hidden is an error of the library without the configuration that it carries, which has the password.
type hidden struct {
	text  string
	cause error
}

// Error is the library's text, on one line.
func (h *hidden) Error() string { return h.text }

// Unwrap gives what was the matter with the connection.
func (h *hidden) Unwrap() error { return h.cause }

func hide(err error) error {
	e, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return err
	}
	return &hidden{text: strings.ReplaceAll(strings.ReplaceAll(err.Error(), "\n\t", " "), "\n", "; "), cause: e.Unwrap()}
}

// explain says what to do about a server to which no connection could be made.
func explain(where, database string, err error) error {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	code, hid := Code(err), hide(err)
	switch {
	case code == invalidPassword, code == invalidAuthorization:
		return component.Permanent(fmt.Errorf("postgresql at %s refuses the credentials; check user and password, and pg_hba.conf at the server: %w", where, hid))
	case code == noSuchDatabase:
		return component.Permanent(fmt.Errorf("postgresql at %s has no database %q; check database: %w", where, database, hid))
	case code == insufficientPrivilege:
		return component.Permanent(fmt.Errorf("postgresql at %s does not let the user into database %q: %w", where, database, hid))
	case untrusted, strings.Contains(err.Error(), "server refused TLS connection"):
		return component.Permanent(fmt.Errorf("postgresql at %s: no connection by TLS; check sslmode and sslRootCert: %w", where, hid))
	default:
		return fmt.Errorf("postgresql at %s does not answer; check the connection's fields and that the server runs: %w", where, hid)
	}
}
