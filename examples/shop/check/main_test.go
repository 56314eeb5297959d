package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestShop runs the real binary on the example's manifest, drives it, stops it, and drives it again on the same data
// folder: the second run must find what the first one stored. The last stop is a kill, which must lose nothing.
func TestShop(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "mrt-wasm")
	if out, err := exec.Command("go", "build", "-o", bin, "../../../cmd/mrt-wasm").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	data, memory := t.TempDir(), filepath.Join(t.TempDir(), "orders.json")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGINT} {
		s := start(t, bin, data)
		if err := run(&client{s.front, http.Client{Timeout: time.Minute}}, memory); err != nil {
			s.fail(t, err)
		}
		s.stop(t, signal)
	}
}

type shop struct {
	front string
	cmd   *exec.Cmd
	out   *output
	done  chan error
}

// output collects what the process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func start(t *testing.T, bin, data string) *shop {
	t.Helper()
	front, api := freeAddr(t), freeAddr(t)
	s := &shop{front: "http://" + front, out: &output{}, done: make(chan error, 1)}
	s.cmd = exec.Command(bin, "run", "..", "--data", data, "--http", front, "--api", api, "--watch=false")
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // gone already, unless the test failed
	for deadline := time.Now().Add(3 * time.Minute); ; {
		resp, err := http.Get("http://" + api + "/readyz")
		if err == nil {
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == http.StatusOK {
				return s
			}
			err = fmt.Errorf("readyz answers %s", resp.Status)
		}
		select {
		case exit := <-s.done:
			t.Fatalf("mrt-wasm ended: %v\n%s", exit, s.out)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.fail(t, fmt.Errorf("the shop is not ready: %w", err))
		}
	}
}

func (s *shop) fail(t *testing.T, err error) {
	t.Helper()
	t.Fatalf("%v\noutput of the process:\n%s", err, s.out)
}

func (s *shop) stop(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.fail(t, err)
	}
	select {
	case err := <-s.done:
		if err != nil && signal != syscall.SIGKILL {
			s.fail(t, fmt.Errorf("after %s: %w; want exit code 0", signal, err))
		}
	case <-time.After(time.Minute):
		s.fail(t, fmt.Errorf("the process does not end after %s", signal))
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil && !os.IsTimeout(err) {
			t.Error(err)
		}
	}()
	return l.Addr().String()
}
