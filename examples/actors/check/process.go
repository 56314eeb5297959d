package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTime bounds the start of the bank, which builds and compiles it the first time.
const startTime = 4 * time.Minute

// process is the bank's process, which comes and goes.
type process struct {
	cfg config
	out tail

	mu       sync.Mutex
	addr     addresses
	up       chan struct{} // closed while the process is ready
	cmd      *exec.Cmd
	finished chan struct{}
	exit     error // of a finished process
}

func newProcess(cfg config) *process { return &process{cfg: cfg, up: make(chan struct{})} }

// addresses are where a process listens.
type addresses struct {
	HTTP string `json:"http"`
	API  string `json:"api"`
}

// at waits until the process is up and gives its addresses. Nobody calls where it was before: another process may be
// there by then.
func (p *process) at(ctx context.Context) (addresses, error) {
	for {
		p.mu.Lock()
		addr, up := p.addr, p.up
		p.mu.Unlock()
		if addr.HTTP != "" {
			return addr, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return addr, ctx.Err()
		}
	}
}

// set says where the process is; nowhere when it is about to end.
func (p *process) set(addr addresses) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch was := p.addr.HTTP; {
	case was == "" && addr.HTTP != "":
		close(p.up)
	case was != "" && addr.HTTP == "":
		p.up = make(chan struct{})
	}
	p.addr = addr
}

// start runs the bank and waits until it is ready.
func (p *process) start(ctx context.Context) error {
	cmd := exec.Command(p.cfg.bin, "run", p.cfg.manifest, "--data", p.cfg.data, "--http", p.cfg.http, "--api", p.cfg.api,
		"--watch=false", "--log-format", "json")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	finished, ready := make(chan struct{}), make(chan addresses, 1)
	p.mu.Lock()
	p.cmd, p.finished, p.exit = cmd, finished, nil
	p.mu.Unlock()
	go func() {
		p.read(stderr, ready)
		err := cmd.Wait()
		p.mu.Lock()
		p.exit = err
		p.mu.Unlock()
		close(finished)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case addr := <-ready:
		p.set(addr)
		return nil
	case <-finished:
		return fmt.Errorf("mrt-wasm ended before it was ready: %w\n%s", p.exit, p.out.String())
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("mrt-wasm is not ready: %w\n%s", ctx.Err(), p.out.String())
	}
}

// read keeps what the process prints, and finds its addresses in it.
func (p *process) read(r io.Reader, ready chan<- addresses) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.out.add(lines.Text())
		var line struct {
			Msg string `json:"msg"`
			addresses
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			ready <- line.addresses
		}
	}
}

// kill ends the process as a crash does, and waits until it is gone.
func (p *process) kill() {
	p.mu.Lock()
	cmd, finished := p.cmd, p.finished
	p.mu.Unlock()
	p.set(addresses{})
	_ = cmd.Process.Kill() // it may have ended
	<-finished
}

// stop asks the process to end, which puts its actors to sleep.
func (p *process) stop(ctx context.Context) error {
	p.mu.Lock()
	cmd, finished := p.cmd, p.finished
	p.mu.Unlock()
	p.set(addresses{})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("SIGTERM: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case <-finished:
	case <-ctx.Done():
		return fmt.Errorf("the process does not end after SIGTERM: %w", ctx.Err())
	}
	if p.exit != nil {
		return fmt.Errorf("after SIGTERM: got %w; want exit code 0", p.exit)
	}
	return nil
}

// tail keeps the last lines of an output.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const tailLines = 40

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
