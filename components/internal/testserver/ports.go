package testserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/gofrs/flock"
)

// Servers are stopped and started again at the same port. So their ports are not those that systems give to connections
// (from 32768 on Linux): any connection could take one meanwhile. And a port is claimed for as long as the process lives,
// by the lock of a file, so that no other test takes it for free.
const firstPort, lastPort = 10_000, 29_999

var claims struct {
	sync.Mutex
	// files keeps what is locked from being collected, which would unlock it.
	files map[int]*flock.Flock
}

// FreePort gives a port of 127.0.0.1 that nothing listens on and no other test takes.
func FreePort(t testing.TB) int {
	t.Helper()
	return freePorts(t, 1)[0]
}

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, 0, n)
	const attempts = 10_000
	for range attempts {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		ok, err := claim(port)
		if err != nil {
			t.Fatalf("no free port on 127.0.0.1: %v", err)
		}
		if ok {
			if ports = append(ports, port); len(ports) == n {
				return ports
			}
		}
	}
	t.Fatalf("no %d free ports on 127.0.0.1 from %d to %d", n, firstPort, lastPort)
	return nil
}

// claim takes a port if nobody has it.
func claim(port int) (bool, error) {
	claims.Lock()
	defer claims.Unlock()
	if claims.files[port] != nil {
		return false, nil
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("mrt-wasm-ports-%d", os.Getuid()))
	const onlyOwner = 0o700
	if err := os.MkdirAll(dir, onlyOwner); err != nil {
		return false, err
	}
	file := flock.New(filepath.Join(dir, strconv.Itoa(port)))
	if ok, err := file.TryLock(); !ok || err != nil {
		return false, err
	}
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false, file.Close() // something else listens there
	}
	if claims.files == nil {
		claims.files = map[int]*flock.Flock{}
	}
	claims.files[port] = file
	return true, l.Close()
}
