package testserver

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/gofrs/flock"
)

// MariaDBServer is a running MariaDB server. What it has acknowledged it still has after Stop and Start.
type MariaDBServer struct {
	// Addr is host:port.
	Addr string
	// User has all rights, and signs in with Password.
	User, Password string
	// CAFile has the certificate of the authority of the server's own one, PEM; empty without TLS.
	CAFile string
	p      *process
}

// MariaDB runs a MariaDB server without TLS. extra are further arguments of mariadbd.
func MariaDB(t testing.TB, extra ...string) *MariaDBServer {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.CopyFS(data, os.DirFS(mariaDBTemplate(t))); err != nil {
		t.Fatalf("copying the empty MariaDB: %v", err)
	}
	port := freePorts(t, 1)[0]
	s := &MariaDBServer{Addr: loopback(port), User: "tester", Password: "planted-mariadb-password"}
	first := filepath.Join(dir, "first.sql")
	text := fmt.Sprintf("CREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO '%s'@'%%' WITH GRANT OPTION;\n", s.User, s.Password, s.User)
	if err := os.WriteFile(first, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.p = &process{
		t: t, path: mariaDBServer(t), addr: s.Addr,
		args: append(append(mariaDBArgs(data), "--port="+strconv.Itoa(port), "--bind-address=127.0.0.1", "--init-file="+first,
			// The socket lies in the data folder: a path from the root could be longer than a socket's may be.
			"--socket=s.sock", "--skip-name-resolve", "--skip-log-bin", "--performance-schema=off", "--innodb-buffer-pool-size=64M",
			// The log is with the system at a commit, not on the disk: the server may die, the machine may not.
			"--innodb-flush-log-at-trx-commit=2"), extra...),
	}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// MariaDBTLS runs a MariaDB server that takes only connections by TLS, with a certificate for 127.0.0.1 and for serverName.
func MariaDBTLS(t testing.TB, serverName string) *MariaDBServer {
	t.Helper()
	ca, cert, key := certificates(t, serverName)
	s := MariaDB(t, "--ssl-cert="+cert, "--ssl-key="+key, "--require-secure-transport=ON")
	s.CAFile = ca
	return s
}

// DSN gives the server as the Go driver takes it: user, password, address, and what comes after the slash.
func (s *MariaDBServer) DSN(rest string) string {
	return fmt.Sprintf("%s:%s@tcp(%s)/%s", s.User, s.Password, s.Addr, rest)
}

// Start runs the server again on the same port and with the same data after Stop. It takes connections before it is
// ready; then it would overhear that it is to stop.
func (s *MariaDBServer) Start() {
	t := s.p.t
	t.Helper()
	s.p.start()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for {
		err := s.signIn(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("MariaDB on %s is not ready within %s: %v\n%s", s.Addr, startTimeout, err, s.p.out)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *MariaDBServer) signIn(ctx context.Context) error {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd = "tcp", s.Addr, s.User, s.Password
	cfg.TLSConfig, cfg.Logger = "preferred", &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Stop ends the server; clients see their connections closed.
func (s *MariaDBServer) Stop() { s.p.stop() }

// mariaDBArgs are those of a server and of the making of its data folder. It runs as the user who runs the tests, also
// as root: who may read the folders of tests is nobody else.
func mariaDBArgs(data string) []string {
	args := []string{"--no-defaults", "--datadir=" + data, "--innodb-log-file-size=16M"}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root")
	}
	return args
}

// mariaDBServer finds the server, which often is in a folder that only an administrator's path has.
func mariaDBServer(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"mariadbd", "/usr/sbin/mariadbd"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin
		}
	}
	t.Fatal("mariadbd is not installed: run `make test-setup`, or `apt-get install mariadb-server`")
	return ""
}

// mariaDBTemplate gives the data folder of a new server, which takes seconds to make: it is made once for each version
// and kept in the user's cache folder.
func mariaDBTemplate(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("a cache folder for MariaDB's first data is needed: %v", err)
	}
	cache = filepath.Join(cache, "mrt-wasm-test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	version, err := exec.CommandContext(t.Context(), mariaDBServer(t), "--no-defaults", "--version").Output()
	if err != nil {
		t.Fatalf("mariadbd --version: %v", err)
	}
	dir := filepath.Join(cache, fmt.Sprintf("mariadb-%x", sha256.Sum256(version))[:20+len("mariadb-")])
	// Test binaries of several packages run at once.
	lock := flock.New(filepath.Join(cache, "mariadb.lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	made, err := os.MkdirTemp(cache, "mariadb-new-") //nolint:usetesting // it becomes the template, by renaming
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(made) }() // nothing is there once it is renamed
	args := append(mariaDBArgs(made), "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	if out, err := exec.CommandContext(t.Context(), "mariadb-install-db", args...).CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	if err := os.Rename(made, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}
