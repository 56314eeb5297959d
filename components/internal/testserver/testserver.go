// Package testserver runs real servers for the tests of drivers: on loopback, on free ports, with their files in the
// test's temporary folder, stopped when the test ends. A server that is not installed fails the test.
package testserver

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// startTimeout is how long a server may take to accept connections; generous for a loaded machine.
const startTimeout = 60 * time.Second

// process is a server that can be stopped and started again with the same arguments.
type process struct {
	t       testing.TB
	path    string
	args    []string
	addr    string
	install string
	// patience is how long the server may take to accept connections; 0 is startTimeout.
	patience time.Duration

	cmd   *exec.Cmd
	stdin io.Closer
	out   *output
}

// watchdog runs a server until standard input closes, so that a test binary that dies takes its servers along.
const watchdog = `"$0" "$@" & pid=$!; read -r _; kill "$pid" 2>/dev/null; wait "$pid"`

// start runs the server and waits until it accepts connections.
func (p *process) start() {
	p.t.Helper()
	if p.cmd != nil {
		p.t.Fatalf("%s on %s runs already", p.path, p.addr)
	}
	bin, err := exec.LookPath(p.path)
	if err != nil {
		p.t.Fatalf("%s is not installed: run `make test-setup`, or `apt-get install %s`", p.path, p.install)
	}
	p.out = &output{}
	cmd := exec.Command("sh", append([]string{"-c", watchdog, bin}, p.args...)...)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatalf("%s: %v", p.path, err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("%s: %v", p.path, err)
	}
	p.cmd, p.stdin = cmd, stdin
	patience := p.patience
	if patience == 0 {
		patience = startTimeout
	}
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.DialTimeout("tcp", p.addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s did not accept connections on %s within %s: %v\n%s", p.path, p.addr, patience, err, p.out)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// stop ends the server and waits until it is gone; it does nothing to one that is stopped.
func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.stdin.Close()
	_ = p.cmd.Wait() // the exit status is that of a killed server
	p.cmd = nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// output keeps what a server wrote, for the message of a test that fails.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
