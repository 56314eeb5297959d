package mysqlconn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql/driver"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// certificate gives a self-signed certificate, PEM.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestConfig(t *testing.T) {
	const dsn = "user:p@ss/word?x=y:z@tcp(db.example:3307)/app?timeout=7s&loc=UTC&max_statement_time=3"
	cfg, err := Config("url", dsn, Trust{})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.User != "user" || cfg.Passwd != "p@ss/word?x=y:z" || cfg.Addr != "db.example:3307" || cfg.DBName != "app" ||
		cfg.Timeout != 7*time.Second || cfg.Params["max_statement_time"] != "3" || cfg.TLS != nil || !cfg.AllowNativePasswords {
		t.Errorf("got %+v", cfg)
	}
	if cfg, err = Config("url", "u@unix(/run/mysqld.sock)/", Trust{}); err != nil || cfg.Net != "unix" || cfg.Timeout != dialTimeout {
		t.Errorf("socket: got %+v, error %v", cfg, err)
	}
	text := certificate(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, params := range []string{"", "?tls=custom", "?tls=true&timeout=1s", "?timeout=1s&tls=custom"} {
		for _, trust := range []Trust{{PemPath: file}, {PemContents: text}} {
			if cfg, err = Config("url", "u@tcp(h)/"+params, trust); err != nil || cfg.TLS == nil || cfg.TLS.RootCAs == nil || cfg.TLS.InsecureSkipVerify {
				t.Errorf("%s with certificates: got %+v, error %v", params, cfg, err)
			}
		}
	}
	for _, value := range []string{"true", "skip-verify", "preferred"} { // of which the library makes the configuration
		if cfg, err = Config("url", "u@tcp(h)/?tls="+value, Trust{}); err != nil || cfg.TLS != nil || cfg.TLSConfig != value {
			t.Errorf("tls=%s: got %+v, error %v", value, cfg, err)
		}
	}
}

func TestBadConfig(t *testing.T) {
	const planted = "planted"
	text := certificate(t)
	for dsn, want := range map[string]string{
		"planted":                           "want user:password@tcp(host:3306)/?name=value: missing the slash separating the database name",
		"u:planted@tcp(h:1)":                "missing the slash separating the database name",
		"u:planted@tcp(h:1/":                "network address not terminated (missing closing brace)",
		"u:planted@h:3306/":                 "it is not of this form",
		"u:planted/tcp(h:3306)/":            "found another network",
		"u:planted tcp(h:3306)/":            "found another network",
		"u:planted@tcp(h)/?timeout=planted": "the parameter timeout has a wrong value",
		"u:planted@tcp(h)/?parseTime=2":     "the parameter parseTime has a wrong value",
		"u:planted@tcp(h)/?x=%zplanted":     "has characters that are to be escaped as in a URL",
		"u:planted@tcp(h)/%zz":              "has characters that are to be escaped as in a URL",
		"u:planted@tcp(h)/?strict=true":     "the parameter strict does not exist any more",
		"u:planted@tcp(h)/?tls=planted":     "custom with the metadata field pemPath",
		"u:planted@tcp(h)/?tls=custom":      "custom with the metadata field pemPath",
	} {
		_, err := Config("url", dsn, Trust{})
		if err == nil || !strings.HasPrefix(err.Error(), "metadata field url: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", dsn, err, want)
		}
		if err != nil && strings.Contains(err.Error(), planted) {
			t.Errorf("%q: the error %v has a part of it", dsn, err)
		}
	}
	for _, tc := range []struct {
		params, want string
		trust        Trust
	}{
		{"?tls=false", "the parameter tls: want custom or none", Trust{PemContents: text}},
		{"?tls=skip-verify", "the parameter tls: want custom or none", Trust{PemContents: text}},
		{"", "want one of the metadata fields pemPath and pemContents, found both", Trust{PemContents: text, PemPath: "x"}},
		{"", "the metadata field pemContents: want certificates in PEM, found none", Trust{PemContents: "x"}},
		{"", "the metadata field pemPath: open /does/not/exist", Trust{PemPath: "/does/not/exist"}},
	} {
		if _, err := Config("url", "u@tcp(h)/"+tc.params, tc.trust); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s with %+v: got error %v, want %q", tc.params, tc.trust, err, tc.want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"", "/", "u:p@tcp(h:1)/d?tls=custom&x=y", "@(/?&=", "a(b)c/)?tls", "/?strict", "u@unix(/a/b)/?tls=true?tls=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		cfg, err := Config("url", dsn, Trust{})
		if (cfg == nil) != (err != nil) {
			t.Errorf("%q: got %v and error %v", dsn, cfg, err)
		}
	})
}

func TestClasses(t *testing.T) {
	number := func(n uint16, text string) error {
		return fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: n, Message: text})
	}
	for _, tc := range []struct {
		err                               error
		unreachable, conflict, large, end bool
	}{
		{err: nil},
		{err: errors.New("other")},
		{err: context.Canceled},
		{err: number(1064, "syntax")},
		{err: number(1062, "duplicate")},
		{err: number(1290, "The MariaDB server is running with the --secure-file-priv option")},
		{err: number(1290, "The MariaDB server is running with the --read-only option"), unreachable: true},
		{err: number(1040, "too many connections"), unreachable: true},
		{err: number(1205, "lock wait timeout"), unreachable: true},
		{err: number(1213, "deadlock"), unreachable: true, conflict: true},
		{err: number(1020, "changed"), unreachable: true, conflict: true},
		{err: number(1153, "packet"), large: true},
		{err: number(1105, "longer than 'max_allowed_packet' bytes"), large: true},
		{err: number(1105, "unknown")},
		{err: mysql.ErrPktTooLarge, large: true},
		{err: driver.ErrBadConn, unreachable: true},
		{err: mysql.ErrInvalidConn, unreachable: true},
		{err: io.ErrUnexpectedEOF, unreachable: true},
		{err: &net.OpError{Op: "dial", Err: errors.New("refused")}, unreachable: true},
		{err: errors.New("sql: database is closed"), unreachable: true, end: true},
	} {
		if Unreachable(tc.err) != tc.unreachable || Conflict(tc.err) != tc.conflict || TooLarge(tc.err) != tc.large || Closed(tc.err) != tc.end {
			t.Errorf("%v: got unreachable %t, conflict %t, too large %t, closed %t", tc.err, Unreachable(tc.err), Conflict(tc.err), TooLarge(tc.err), Closed(tc.err))
		}
	}
}

// TestOpenIsBounded: a server that takes a connection and says nothing holds up nobody.
func TestOpenIsBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cfg, err := Config("url", "u:planted@tcp("+l.Addr().String()+")/", Trust{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, "url", cfg)
	if _, permanent := errors.AsType[*component.PermanentError](err); permanent || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "planted") {
		t.Errorf("got error %v", err)
	}
}
