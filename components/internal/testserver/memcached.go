package testserver

import (
	"os"
	"strconv"
	"testing"
)

// MemcachedServer is a running memcached, which keeps all it has in memory: nothing of it is left after Stop.
type MemcachedServer struct {
	// Addr is host:port.
	Addr string
	p    *process
}

// Memcached runs a memcached that takes items of up to 8 MiB. extra are further arguments, for example "-I", "1m".
func Memcached(t testing.TB, extra ...string) *MemcachedServer {
	t.Helper()
	port := freePorts(t, 1)[0]
	args := []string{"-l", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "0", "-m", "64", "-I", "8m"}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root")
	}
	s := &MemcachedServer{Addr: loopback(port)}
	s.p = &process{t: t, path: "memcached", install: "memcached", addr: s.Addr, args: append(args, extra...)}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// Start runs the server again on the same port after Stop, empty.
func (s *MemcachedServer) Start() {
	s.p.t.Helper()
	s.p.start()
}

// Stop ends the server; clients see their connections closed.
func (s *MemcachedServer) Stop() { s.p.stop() }
