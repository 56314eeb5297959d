package testserver

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresServer is a database of its own on a running PostgreSQL, which all tests of a package share. It answers with
// TLS and without, and keeps what it has acknowledged, whatever happens to it.
type PostgresServer struct {
	// Addr is host:port; Port is the latter alone.
	Addr, Port string
	// User is an ordinary user, to whom Database belongs.
	User, Password, Database string
	// CAFile has the certificate of the authority of the server's own one, which is for 127.0.0.1 and localhost, PEM.
	CAFile string
	t      testing.TB
	p      *process
}

// postgres is the server of this test binary, started by the first test that needs it: making its files takes seconds.
var postgres = sync.OnceValue(newPostgres)

var postgresDatabases atomic.Int64

// superuser is let in without a password.
const superuser = "postgres"

// Postgres gives a new database, which is gone when the test ends. The package has a TestMain that calls Main. Tests do not
// run in parallel with one that stops the server. Texts have a linguistic order, in which B stands behind a.
func Postgres(t testing.TB) *PostgresServer {
	t.Helper()
	s := *postgres()
	s.t = t
	s.Database = fmt.Sprintf("test%d", postgresDatabases.Add(1))
	if s.p.cmd == nil {
		s.Start()
	}
	s.run("postgres", fmt.Sprintf(`CREATE DATABASE %s OWNER %s TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'`, s.Database, s.User))
	t.Cleanup(func() {
		if s.p.cmd != nil && !t.Failed() {
			s.run("postgres", "DROP DATABASE "+s.Database+" WITH (FORCE)")
		}
	})
	return &s
}

// postgresRun ends the server by the signal for "now, but in order": by TERM it would wait for its clients.
const postgresRun = `"$0" "$@" & pid=$!; trap 'kill -INT $pid' TERM; while kill -0 $pid 2>/dev/null; do wait $pid; done`

func newPostgres() *PostgresServer {
	t := Shared
	port := freePorts(t, 1)[0]
	dir := t.TempDir()
	account := postgresAccount(t)
	s := &PostgresServer{
		Addr: loopback(port), Port: strconv.Itoa(port), User: "app", Password: "planted-app-password", CAFile: filepath.Join(dir, "ca.pem"),
	}
	data := filepath.Join(dir, "data")
	s.initdb(t, dir, data, account)
	args := append([]string{"-c", postgresRun}, account.command(postgresProgram(t, "postgres"), "-D", data, "-p", s.Port, "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "shared_buffers=32MB",
		"-c", "ssl=on", "-c", "ssl_cert_file="+filepath.Join(dir, "cert.pem"), "-c", "ssl_key_file="+filepath.Join(dir, "key.pem"))...)
	s.p = &process{t: t, path: "sh", install: "postgresql", addr: s.Addr, args: args}
	s.t = t
	t.Cleanup(s.Stop)
	s.Start()
	s.run("postgres", fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", s.User, s.Password))
	return s
}

// account is who the server runs as: it refuses to run as root.
type account struct {
	uid, gid int // of another user; 0 for our own
}

func postgresAccount(t testing.TB) account {
	t.Helper()
	if os.Getuid() != 0 {
		return account{}
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatalf("PostgreSQL does not run as root, and there is no user nobody: %v", err)
	}
	uid, _ := strconv.Atoi(nobody.Uid) // they are numbers where there is a root
	gid, _ := strconv.Atoi(nobody.Gid)
	return account{uid, gid}
}

func (a account) command(args ...string) []string {
	if a.uid == 0 {
		return args
	}
	return append([]string{"setpriv", fmt.Sprintf("--reuid=%d", a.uid), fmt.Sprintf("--regid=%d", a.gid), "--clear-groups"}, args...)
}

func (a account) give(t testing.TB, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if a.uid == 0 {
			return
		}
		if err := os.Chown(path, a.uid, a.gid); err != nil {
			t.Fatal(err)
		}
	}
}

// initdb makes the cluster's files.
func (s *PostgresServer) initdb(t testing.TB, dir, data string, account account) {
	t.Helper()
	account.give(t, dir)
	argv := account.command(postgresProgram(t, "initdb"), "-D", data, "-A", "trust", "-U", superuser, "--no-sync", "-E", "UTF8", "--locale=C")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	ca, cert, key := certificates(t, "localhost")
	for name, from := range map[string]string{"ca.pem": ca, "cert.pem": cert, "key.pem": key} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		account.give(t, file)
	}
	hba := fmt.Sprintf("host all %s 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n", superuser)
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		t.Fatal(err)
	}
}

// postgresProgram finds a program of the server, which Debian keeps out of the path.
func postgresProgram(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is a good one
	if len(found) == 0 {
		t.Fatalf("%s is not installed: run `make test-setup`, or `apt-get install postgresql`", name)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // 0 is older than any
		return n
	}
	return slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
}

// Start runs the server again on the same port, with what it had, after Stop, and waits until it takes statements.
func (s *PostgresServer) Start() {
	s.t.Helper()
	s.p.start()
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(5 * time.Millisecond) {
		err := s.try("postgres", "SELECT 1")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("PostgreSQL on %s: not ready within %s: %v\n%s", s.Addr, startTimeout, err, s.p.out)
		}
	}
}

// Stop ends the server; clients see their connections closed.
func (s *PostgresServer) Stop() { s.p.stop() }

// DSN gives a connection string for the database's user.
func (s *PostgresServer) DSN() string {
	host, port, _ := net.SplitHostPort(s.Addr) // it was made of both
	return fmt.Sprintf("host=%s port=%s user=%s password=%s database=%s", host, port, s.User, s.Password, s.Database)
}

// Exec runs statements in the database as its user, apart from what is tested.
func (s *PostgresServer) Exec(sql string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), startTimeout)
	defer cancel()
	conn := s.Conn()
	if _, err := conn.Exec(ctx, sql); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	_ = conn.Close(ctx)
}

// Conn opens a connection to the database as its user; it is closed when the test ends.
func (s *PostgresServer) Conn() *pgx.Conn {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		s.t.Fatalf("PostgreSQL on %s: %v\n%s", s.Addr, err, s.p.out)
	}
	s.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) })
	return conn
}

// Admin runs a statement in the database as the superuser.
func (s *PostgresServer) Admin(sql string) {
	s.t.Helper()
	s.run(s.Database, sql)
}

func (s *PostgresServer) run(database, sql string) {
	s.t.Helper()
	if err := s.try(database, sql); err != nil {
		s.t.Fatalf("PostgreSQL on %s: %s: %v\n%s", s.Addr, sql, err, s.p.out)
	}
}

// try runs a statement as the superuser, also in the cleanup of a test.
func (s *PostgresServer) try(database, sql string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%s user=%s database=%s sslmode=disable", s.Port, superuser, database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}
