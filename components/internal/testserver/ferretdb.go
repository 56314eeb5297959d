package testserver

import (
	"os"
	"path/filepath"
	"testing"
)

// ferretDB is the binary that setup.sh builds into the user's cache folder.
const ferretDB = "ferretdb-1.24.2"

// FerretDBServer is a running FerretDB, which speaks MongoDB's protocol and keeps what it has in SQLite. It has no TTL
// indexes; it takes any credentials that come by the mechanism PLAIN, and refuses every other mechanism.
type FerretDBServer struct {
	// Addr is host:port.
	Addr string
	// TLSAddr is host:port with TLS, and CAFile has the certificate of the authority of the server's own one, PEM.
	TLSAddr, CAFile string
	p               *process
}

// FerretDB runs a FerretDB server that stands alone, so that it has no transactions; with TLS as well on a port of its own.
func FerretDB(t testing.TB) *FerretDBServer {
	t.Helper()
	return newFerretDB(t)
}

// FerretDBReplicaSet runs one that claims to be a replica set of one member, with transactions that a proxy of ours makes:
// one at a time, any other that starts meanwhile conflicts with it.
func FerretDBReplicaSet(t testing.TB) *FerretDBServer {
	t.Helper()
	return newFerretDB(t, "-replica-set", "rs0")
}

func newFerretDB(t testing.TB, extra ...string) *FerretDBServer {
	t.Helper()
	ports := freePorts(t, 2)
	ca, cert, key := certificates(t, "ferretdb.internal")
	s := &FerretDBServer{Addr: loopback(ports[0]), TLSAddr: loopback(ports[1]), CAFile: ca}
	s.p = &process{t: t, path: built(t, ferretDB), addr: s.Addr, args: append([]string{
		"-addr", s.Addr, "-dir", t.TempDir(), "-tls-addr", s.TLSAddr, "-cert", cert, "-key", key,
	}, extra...)}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// Start runs the server again on the same ports, with what it had, after Stop.
func (s *FerretDBServer) Start() {
	s.p.t.Helper()
	s.p.start()
}

// Stop ends the server; clients see their connections closed.
func (s *FerretDBServer) Stop() { s.p.stop() }

// built finds a server that setup.sh has built into the user's cache folder.
func built(t testing.TB, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("a cache folder for %s is needed: %v", name, err)
	}
	path := filepath.Join(cache, "mrt-wasm-test", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not built: run `make test-setup`, which takes some minutes the first time: %v", name, err)
	}
	return path
}
