// Package postgresconn is what drivers of PostgreSQL have in common: Dapr's metadata fields of a connection, a pool that
// is checked when it is opened, how errors are told apart, and names of tables.
package postgresconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Settings are the metadata fields of a connection, as in Dapr. A driver embeds them in its own struct. Those that have
// a field of their own count more than what the connection string says.
type Settings struct {
	ConnectionString string        `metadata:"connectionString,secret" alias:"url" doc:"how to connect, as 'host=... port=... user=... password=... database=... sslmode=...' or as a URL postgres://user:password@host:port/database; what is missing comes from the fields below, then from PostgreSQL's usual environment variables"`
	Host             string        `metadata:"host" doc:"host of the server, or several, separated by commas, that are tried in turn"`
	HostAddr         string        `metadata:"hostaddr" doc:"IP address to connect to, so that host is not looked up"`
	Port             string        `metadata:"port" doc:"port of the server; PostgreSQL's own is 5432"`
	Database         string        `metadata:"database" doc:"name of the database"`
	User             string        `metadata:"user" doc:"user, called role in PostgreSQL"`
	Password         string        `metadata:"password,secret" doc:"password of the user"`
	SSLRootCert      string        `metadata:"sslRootCert" doc:"file with the certificates, PEM, of authorities that the server's certificate may come from; for sslmode verify-ca and verify-full"`
	Timeout          time.Duration `metadata:"timeout,s" alias:"timeoutInSeconds" default:"20s" doc:"how long one operation may take, waiting for a connection included"`
	MaxConns         int64         `metadata:"maxConns" default:"0" doc:"largest number of connections; 0 for the number of CPUs, but at least 4"`
	MaxIdleTime      time.Duration `metadata:"connectionMaxIdleTime,s" alias:"connMaxIdleTime" doc:"idle time after which a connection is closed; default 30m"`
	QueryExecMode    string        `metadata:"queryExecMode" doc:"how statements are sent: cache_statement (default), cache_describe, describe_exec, exec or simple_protocol; behind a pooler such as PgBouncer, exec or simple_protocol"`

	Unsupported
}

// Unsupported are the fields of Dapr's ways to authenticate that this binary does not have. They are known, so that a
// component that asks for them is refused and not opened without a password.
type Unsupported struct {
	UseAzureAD               bool   `metadata:"useAzureAD" default:"false" doc:"not supported: true is refused; mrt-wasm-full can"`
	UseAWSIAM                bool   `metadata:"useAWSIAM" default:"false" doc:"not supported: true is refused; mrt-wasm-full can"`
	AzureCertificate         string `metadata:"azureCertificate,secret" doc:"not supported, see useAzureAD"`
	AzureCertificateFile     string `metadata:"azureCertificateFile" doc:"not supported, see useAzureAD"`
	AzureCertificatePassword string `metadata:"azureCertificatePassword,secret" doc:"not supported, see useAzureAD"`
	AzureClientID            string `metadata:"azureClientId" doc:"not supported, see useAzureAD"`
	AzureClientSecret        string `metadata:"azureClientSecret,secret" doc:"not supported, see useAzureAD"`
	AzureEnvironment         string `metadata:"azureEnvironment" doc:"not supported, see useAzureAD"`
	AzureTenantID            string `metadata:"azureTenantId" doc:"not supported, see useAzureAD"`
	AWSAccessKey             string `metadata:"awsAccessKey,secret" alias:"accessKey" doc:"not supported, see useAWSIAM"`
	AWSSecretKey             string `metadata:"awsSecretKey,secret" alias:"secretKey" doc:"not supported, see useAWSIAM"`
	AWSSessionToken          string `metadata:"sessionToken,secret" doc:"not supported, see useAWSIAM"`
	AWSRegion                string `metadata:"awsRegion" alias:"region" doc:"not supported, see useAWSIAM"`
	AssumeRoleARN            string `metadata:"assumeRoleArn" doc:"not supported, see useAWSIAM"`
	SessionName              string `metadata:"sessionName" doc:"not supported, see useAWSIAM"`
	TrustAnchorARN           string `metadata:"trustAnchorArn" doc:"not supported, see useAWSIAM"`
	TrustProfileARN          string `metadata:"trustProfileArn" doc:"not supported, see useAWSIAM"`
}

const (
	shortestTimeout = time.Second
	mostConns       = 10_000
)

var execModes = map[string]pgx.QueryExecMode{
	"cache_statement": pgx.QueryExecModeCacheStatement,
	"cache_describe":  pgx.QueryExecModeCacheDescribe,
	"describe_exec":   pgx.QueryExecModeDescribeExec,
	"exec":            pgx.QueryExecModeExec,
	"simple_protocol": pgx.QueryExecModeSimpleProtocol,
}

// config checks the settings and gives them as pgx takes them. The error lists all that is wrong.
func (s *Settings) config() (*pgxpool.Config, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(s.connString())
	if err != nil {
		return nil, badString(err)
	}
	if err := s.route(cfg.ConnConfig); err != nil {
		return nil, err
	}
	if s.MaxConns > 0 {
		cfg.MaxConns = int32(s.MaxConns)
	}
	if s.MaxIdleTime > 0 {
		cfg.MaxConnIdleTime = s.MaxIdleTime
	}
	if s.QueryExecMode != "" {
		cfg.ConnConfig.DefaultQueryExecMode = execModes[s.QueryExecMode]
	}
	if cfg.ConnConfig.ConnectTimeout <= 0 {
		cfg.ConnConfig.ConnectTimeout = s.Timeout
	}
	if _, ok := cfg.ConnConfig.RuntimeParams["application_name"]; !ok {
		cfg.ConnConfig.RuntimeParams["application_name"] = "mrt-wasm" // what operators see in pg_stat_activity
	}
	return cfg, nil
}

func (s *Settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.UseAzureAD {
		bad("%w", component.Elsewhere(errors.New("metadata field useAzureAD: this binary cannot sign in to PostgreSQL by Microsoft Entra ID; use mrt-wasm-full, or a user with a password")))
	}
	if s.UseAWSIAM {
		bad("%w", component.Elsewhere(errors.New("metadata field useAWSIAM: this binary cannot sign in to PostgreSQL by AWS IAM; use mrt-wasm-full, or a user with a password")))
	}
	if s.ConnectionString == "" && s.Host == "" && s.HostAddr == "" {
		bad("metadata field connectionString is missing: want 'host=... user=... password=... database=...' or postgres://user:password@host:port/database, or the fields host, user, password and database")
	}
	if s.Timeout < shortestTimeout {
		bad("metadata field timeout: want %s or more, found %s", shortestTimeout, s.Timeout)
	}
	if s.MaxConns > mostConns {
		bad("metadata field maxConns: want %d or fewer, found %d", mostConns, s.MaxConns)
	}
	if _, ok := execModes[s.QueryExecMode]; !ok && s.QueryExecMode != "" {
		bad("metadata field queryExecMode: want cache_statement, cache_describe, describe_exec, exec or simple_protocol, found %q", s.QueryExecMode)
	}
	if hosts, addrs := list(s.Host), list(s.HostAddr); len(hosts) > 0 && len(addrs) > 0 && len(hosts) != len(addrs) {
		bad("metadata fields host and hostaddr: want an address for every host, found %d hosts and %d addresses", len(hosts), len(addrs))
	}
	return errors.Join(errs...)
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// connString gives the connection string with what the fields say in its place.
func (s *Settings) connString() string {
	host := s.Host
	if host == "" {
		host = s.HostAddr
	}
	text := strings.TrimSpace(s.ConnectionString)
	url := strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
	join := " "
	if url {
		join = urlJoin(text)
	}
	// Of a name that comes twice the last one counts, in both forms.
	for _, f := range [][2]string{
		{"host", host}, {"port", s.Port}, {"dbname", s.Database}, {"user", s.User}, {"password", s.Password}, {"sslrootcert", s.SSLRootCert},
	} {
		switch {
		case f[1] == "":
		case url:
			text += join + f[0] + "=" + percent(f[1])
			join = "&"
		default:
			text += join + f[0] + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(f[1]) + "'"
		}
	}
	return text
}

// urlJoin is what stands before the first parameter that is added to a URL.
func urlJoin(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	// Before the @ is the password, which may have anything but a slash.
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		rest = rest[i+1:]
	}
	switch {
	case !strings.Contains(rest, "?"):
		return "?"
	case strings.HasSuffix(rest, "?"), strings.HasSuffix(rest, "&"):
		return ""
	default:
		return "&"
	}
}

func percent(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// route has hosts connected to by the addresses of hostaddr, which pgx does not know.
func (s *Settings) route(cfg *pgx.ConnConfig) error {
	if _, ok := cfg.RuntimeParams["hostaddr"]; ok {
		return errors.New("metadata field connectionString: hostaddr is not supported there; use the metadata field hostaddr")
	}
	hosts, addrs := list(s.Host), list(s.HostAddr)
	for _, a := range addrs {
		if net.ParseIP(strings.TrimSpace(a)) == nil {
			return fmt.Errorf("metadata field hostaddr: want an IP address, found %q", a)
		}
	}
	if len(hosts) == 0 || len(addrs) == 0 {
		return nil
	}
	lookup := cfg.LookupFunc
	cfg.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		if i := slices.Index(hosts, host); i >= 0 {
			return []string{strings.TrimSpace(addrs[i])}, nil
		}
		return lookup(ctx, host)
	}
	return nil
}

// badString says what is wrong with the connection string. What the library says quotes it, and in one that is not
// well-formed a part of the password may stand anywhere: only the words that quote nothing are handed on.
func badString(err error) error {
	text := err.Error()
	why := "it cannot be read"
	for _, known := range []string{
		"sslmode is invalid", "unable to read CA file", "unable to add CA to cert pool", `both "sslcert" and "sslkey" are required`,
		"unable to read sslkey", "failed to decode sslkey", "unable to read cert", "unable to load cert", "invalid port",
		"invalid connect_timeout", "unknown target_session_attrs value", "could not match", "failed to read service",
		"pool_max_conns", "pool_min_conns", "default_query_exec_mode",
	} {
		if strings.Contains(text, known) {
			why = known
		}
	}
	return fmt.Errorf("metadata field connectionString (or the fields host, port, sslRootCert): %s; want 'host=... user=... password=... database=...' with values in single quotes where they have spaces, or postgres://user:password@host:port/database with special characters percent-encoded", why)
}
