// Package mysqlconn is what the drivers on MySQL and MariaDB share: how a connection string is read, how a pool of
// connections is opened and checked, and what the errors of the client library mean. It knows nothing about state or
// any other use.
package mysqlconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Trust are the metadata fields of what the server's certificate must be signed by. A driver embeds them.
type Trust struct {
	PemPath     string `metadata:"pemPath" doc:"file with certificates in PEM that the server's certificate must be signed by; connects by TLS, also without tls=custom in the connection string"`
	PemContents string `metadata:"pemContents" doc:"such certificates as text, in place of pemPath"`
}

// dialTimeout is how long connecting may take when the connection string does not say.
const dialTimeout = 5 * time.Second

// Config reads a connection string, which is a data source name of the Go driver:
//
//	user:password@tcp(host:3306)/database?name=value
//
// field is the metadata field that it stands in, for errors; what the string says is never in them.
func Config(field, dsn string, trust Trust) (*mysql.Config, error) {
	bad := func(format string, args ...any) (*mysql.Config, error) {
		return nil, fmt.Errorf("metadata field "+field+": "+format, args...)
	}
	dsn, tlsName, err := cutTLS(dsn)
	if err != nil {
		return bad("%w", err)
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return bad("want user:password@tcp(host:3306)/?name=value: %s", flaw(dsn, err))
	}
	// A string that lacks a part may have the password where the driver looks for the network.
	if !slices.Contains([]string{"tcp", "tcp4", "tcp6", "unix"}, cfg.Net) {
		return bad("want user:password@tcp(host:3306)/?name=value, or unix(path) in place of tcp(host:3306): found another network")
	}
	if cfg.TLS, err = trust.config(tlsName); err != nil {
		return bad("%w", err)
	}
	if cfg.TLS == nil {
		cfg.TLSConfig = tlsName
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = dialTimeout
	}
	cfg.Logger = &mysql.NopLogger{} // every failure reaches the caller as an error as well
	return cfg, nil
}

// cutTLS takes the parameter tls out of a connection string. The library would look its value up in a table of the
// whole process, where components of different certificates would meet.
func cutTLS(dsn string) (rest, value string, err error) {
	slash := strings.LastIndexByte(dsn, '/')
	head, params, found := strings.Cut(dsn[slash+1:], "?")
	if !found {
		return dsn, "", nil
	}
	var kept []string
	for param := range strings.SplitSeq(params, "&") {
		name, v, _ := strings.Cut(param, "=")
		switch name {
		case "tls":
			value = v
		case "strict": // at which the library panics
			return "", "", errors.New("the parameter strict does not exist any more: remove it")
		default:
			kept = append(kept, param)
		}
	}
	return dsn[:slash+1] + head + "?" + strings.Join(kept, "&"), value, nil
}

// config gives the TLS configuration, nil if the library makes its own.
func (t *Trust) config(name string) (*tls.Config, error) {
	if t.PemPath == "" && t.PemContents == "" {
		switch strings.ToLower(name) {
		case "", "0", "1", "true", "false", "skip-verify", "preferred":
			return nil, nil
		}
		return nil, errors.New("the parameter tls: want true, false, skip-verify or preferred, or custom with the metadata field pemPath")
	}
	switch strings.ToLower(name) {
	case "", "1", "true", "custom":
	default:
		return nil, errors.New("the parameter tls: want custom or none with the metadata field pemPath or pemContents")
	}
	if t.PemPath != "" && t.PemContents != "" {
		return nil, errors.New("want one of the metadata fields pemPath and pemContents, found both")
	}
	text, where := []byte(t.PemContents), "pemContents"
	if t.PemPath != "" {
		where = "pemPath " + t.PemPath
		var err error
		if text, err = os.ReadFile(t.PemPath); err != nil {
			return nil, fmt.Errorf("the metadata field pemPath: %w", err)
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("the metadata field %s: want certificates in PEM, found none", where)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// known are the parameters that the library reads itself and that can be wrong.
var known = []string{
	"allowAllFiles", "allowCleartextPasswords", "allowFallbackToPlaintext", "allowNativePasswords", "allowOldPasswords",
	"checkConnLiveness", "clientFoundRows", "columnsWithAlias", "compress", "interpolateParams", "loc", "maxAllowedPacket",
	"multiStatements", "parseTime", "readTimeout", "rejectReadOnly", "serverPubKey", "timeTruncate", "timeout", "writeTimeout",
}

// flaw says what is wrong with a connection string without quoting it: the library's errors may have parts of it.
func flaw(dsn string, err error) string {
	const constant = "invalid DSN: "
	if text, ok := strings.CutPrefix(err.Error(), constant); ok {
		return text
	}
	_, params, _ := strings.Cut(dsn[strings.LastIndexByte(dsn, '/')+1:], "?")
	for param := range strings.SplitSeq(params, "&") {
		name, _, _ := strings.Cut(param, "=")
		if _, err := mysql.ParseDSN("/?" + param); err != nil && slices.Contains(known, name) {
			return "the parameter " + name + " has a wrong value"
		}
	}
	return "it is not of this form, or a value has characters that are to be escaped as in a URL"
}
