package testserver

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// moto is the folder that setup.d/moto.sh makes in the user's cache folder.
const moto = "moto-5.2.5"

// MotoServer answers for AWS at one address. It keeps everything in memory and takes any credentials.
type MotoServer struct {
	// URL is the endpoint of all services, http://host:port.
	URL string
	p   *process
}

// Moto runs a server for AWS's services.
func Moto(t testing.TB) *MotoServer {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("a cache folder for moto is needed: %v", err)
	}
	python := filepath.Join(cache, "mrt-wasm-test", moto, "bin", "python3")
	port := freePorts(t, 1)[0]
	s := &MotoServer{URL: "http://" + loopback(port)}
	s.p = &process{
		t: t, path: python, install: "python3-venv", addr: loopback(port),
		args: []string{"-m", "moto.server", "-H", "127.0.0.1", "-p", strconv.Itoa(port)},
	}
	t.Cleanup(s.p.stop)
	s.p.start()
	return s
}
