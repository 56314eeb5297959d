package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
	port := freePorts(t, 1)[0]
	s := &NATSServer{URL: "nats://" + loopback(port)}
	s.p = &process{
		t: t, path: buildNATS(t), addr: loopback(port),
		args: append([]string{"-a", "127.0.0.1", "-p", strconv.Itoa(port), "-js", "-sd", t.TempDir()}, extra...),
	}
	t.Cleanup(s.Stop)
	s.Start()
	return s
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
