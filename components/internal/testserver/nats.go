package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gofrs/flock"
)

// NATSServer is a running NATS server with JetStream.
type NATSServer struct {
	// URL is nats://host:port.
	URL string
	p   *process
}

// NATS runs a single NATS server, built from this module, that keeps its streams in a temporary folder. extra are
// further arguments of nats-server, for example "--auth", "token".
func NATS(t testing.TB, extra ...string) *NATSServer {
	t.Helper()
	s := newNATS(t, buildNATS(t), freePorts(t, 1)[0], extra)
	s.Start()
	return s
}

func newNATS(t testing.TB, bin string, port int, extra []string) *NATSServer {
	t.Helper()
	s := &NATSServer{URL: "nats://" + loopback(port)}
	s.p = &process{
		t: t, path: bin, addr: loopback(port),
		args: append([]string{"-a", "127.0.0.1", "-p", strconv.Itoa(port), "-js", "-sd", t.TempDir()}, extra...),
	}
	t.Cleanup(s.Stop)
	return s
}

// NATSDurable runs a NATS server that has on disk what it acknowledges.
func NATSDurable(t testing.TB, extra ...string) *NATSServer {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(conf, []byte("jetstream: {sync_interval: always}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return NATS(t, append([]string{"-c", conf}, extra...)...)
}

// NATSTLSServer is a NATS server that wants TLS and a certificate of its clients.
type NATSTLSServer struct {
	*NATSServer
	// CA, ClientCert and ClientKey are the files of the authority's certificate and of one for a client, PEM.
	CA, ClientCert, ClientKey string
}

// NATSTLS runs a NATS server that talks to clients with a certificate of its authority.
func NATSTLS(t testing.TB) *NATSTLSServer {
	t.Helper()
	a := newAuthority(t)
	cert, key := a.issue(t, "server")
	s := &NATSTLSServer{CA: a.file}
	s.ClientCert, s.ClientKey = a.issue(t, "client")
	s.NATSServer = NATS(t, "--tlsverify", "--tlscacert", a.file, "--tlscert", cert, "--tlskey", key)
	s.URL = "tls" + strings.TrimPrefix(s.URL, "nats")
	return s
}

// NATSCluster runs three NATS servers as a cluster, which may take some seconds to be ready for streams.
func NATSCluster(t testing.TB) []*NATSServer {
	t.Helper()
	const n = 3
	bin, ports := buildNATS(t), freePorts(t, 2*n)
	routes := make([]string, n)
	for i := range n {
		routes[i] = "nats://" + loopback(ports[n+i])
	}
	nodes := make([]*NATSServer, n)
	for i := range n {
		nodes[i] = newNATS(t, bin, ports[i], []string{
			"--name", "n" + strconv.Itoa(i), "--cluster_name", "test", "--cluster", routes[i], "--routes", strings.Join(routes, ","),
		})
		nodes[i].Start()
	}
	return nodes
}

// Start runs the server again on the same port and with the same streams after Stop.
func (s *NATSServer) Start() {
	s.p.t.Helper()
	s.p.start()
}

// Stop ends the server; clients see their connections closed.
func (s *NATSServer) Stop() { s.p.stop() }

// buildNATS builds the server into the user's cache folder, where later runs find it; the go command builds again only
// what has changed.
func buildNATS(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("a cache folder for the NATS server is needed: %v", err)
	}
	dir := filepath.Join(cache, "mrt-wasm-test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// Test binaries of several packages run at once.
	lock := flock.New(filepath.Join(dir, "lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	bin := filepath.Join(dir, "natsserver")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/mrt-wasm/mrt-wasm/components/internal/testserver/natsserver").CombinedOutput()
	if err != nil {
		t.Fatalf("building the NATS server: %v\n%s", err, out)
	}
	return bin
}
