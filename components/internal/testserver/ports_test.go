package testserver

import (
	"net"
	"testing"

	"github.com/gofrs/flock"
)

// TestPortsAreClaimed: nobody gets a port twice, nor one that another process has claimed or listens on.
func TestPortsAreClaimed(t *testing.T) {
	seen := map[int]bool{}
	for _, port := range append(freePorts(t, 50), freePorts(t, 50)...) {
		if seen[port] || port < firstPort || port > lastPort {
			t.Errorf("port %d: given twice, or out of range", port)
		}
		seen[port] = true
	}
	mine := FreePort(t)
	other := flock.New(claims.files[mine].Path()) // a file of its own, as another process has it
	if ok, err := other.TryLock(); ok || err != nil {
		t.Errorf("claim of another process: got %t, error %v, want false", ok, err)
	}
	l, err := net.Listen("tcp", loopback(mine))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := claims.files[mine].Unlock(); err != nil {
		t.Fatal(err)
	}
	delete(claims.files, mine)
	if ok, err := claim(mine); ok || err != nil {
		t.Errorf("port that is listened on: got %t, error %v, want false", ok, err)
	}
}
