package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// restarts runs the shop three times on the same data and checks it each time. The kill must lose nothing.
func restarts(manifest, mrt, secrets string) (err error) {
	for _, path := range []*string{&manifest, &mrt, &secrets} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "shop-check")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &shop{mrt: mrt, receipts: filepath.Join(dir, ".mrt", "receipts"), secrets: secrets, http: http.Client{Timeout: time.Minute}}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGINT} {
		p, err := start(mrt, manifest, dir)
		if err != nil {
			return err
		}
		s.front, s.api = p.HTTP, p.API
		fmt.Printf("the shop is at %s; it will be ended with %s\n", p.HTTP, signal)
		err = s.check(filepath.Join(dir, "memory.json"))
		if err = errors.Join(err, p.stop(signal)); err != nil {
			return fmt.Errorf("the run that ends with %s: %w\nlast output of mrt-wasm:\n%s", signal, err, &p.out)
		}
	}
	return nil
}

// process is a running shop.
type process struct {
	// HTTP is the URL of the front door, API that of Dapr's API.
	HTTP string
	API  string

	cmd  *exec.Cmd
	out  tail
	done chan error
}

// startTime bounds the start, which builds and compiles the apps the first time.
const startTime = 5 * time.Minute

// start runs a manifest in a folder and waits until it is ready.
func start(mrt, manifest, dir string) (*process, error) {
	p := &process{done: make(chan error, 1)}
	p.cmd = exec.Command(mrt, "run", manifest, "--http", "127.0.0.1:0", "--api", "127.0.0.1:0", "--watch=false", "--log-format", "json")
	p.cmd.Dir = dir
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go func() {
		p.read(stderr, ready)
		p.done <- p.cmd.Wait()
	}()
	select {
	case <-ready:
		return p, nil
	case err := <-p.done:
		return nil, fmt.Errorf("mrt-wasm ended before it was ready: %w\n%s", err, &p.out)
	case <-time.After(startTime):
		return nil, errors.Join(fmt.Errorf("mrt-wasm is not ready within %s", startTime), p.stop(syscall.SIGKILL), errors.New(p.out.String()))
	}
}

// read keeps what the process prints, and closes ready when it says that it is, and where.
func (p *process) read(r io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.out.add(lines.Text())
		var line struct{ Msg, HTTP, API string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" && p.HTTP == "" {
			p.HTTP, p.API = line.HTTP, line.API
			close(ready)
		}
	}
}

// stop ends the process by a signal and waits until it is gone. Only a kill may end it with an error.
func (p *process) stop(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.done:
		if err != nil && signal != syscall.SIGKILL {
			return fmt.Errorf("after %s: got %w; want exit code 0", signal, err)
		}
		return nil
	case <-time.After(time.Minute):
		return errors.Join(fmt.Errorf("the process does not end after %s", signal), p.cmd.Process.Kill())
	}
}

// tail keeps the last lines of an output.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const tailLines = 60

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == tailLines {
		t.lines = t.lines[1:]
	}
	t.lines = append(t.lines, line)
}

// String gives the lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
