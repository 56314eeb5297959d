package notes

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// startTime bounds the start, which compiles a whole JavaScript or Python engine.
	startTime = 5 * time.Minute
	// patience bounds everything else.
	patience = time.Minute
)

// process is a running mrt-wasm.
type process struct {
	// url is that of the front door.
	url string

	ready chan struct{}
	done  chan error
	mu    sync.Mutex
	lines []line
	text  strings.Builder
}

// line is what is read of a line of the log.
type line struct{ Msg, HTTP, Note string }

// start runs the manifest of a folder, until the test ends.
func start(t *testing.T, mrt, dir, cache string) *process {
	t.Helper()
	p := &process{ready: make(chan struct{}), done: make(chan error, 1)}
	// Ended by a signal below, and not with the test's context, which ends before the cleanup.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), mrt, "run", "manifest.yaml", "--http", "127.0.0.1:0",
		"--api", "127.0.0.1:0", "--data", t.TempDir(), "--cache", cache, "--watch=false", "--log-format", "json")
	cmd.Dir = dir
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.read(stderr)
		p.done <- cmd.Wait()
	}()
	t.Cleanup(func() { p.stop(t, cmd) })
	select {
	case <-p.ready:
	case err := <-p.done:
		p.done <- err
		t.Fatalf("mrt-wasm ended before it was ready: %v\n%s", err, p.output())
	case <-time.After(startTime):
		t.Fatalf("mrt-wasm is not ready within %s\n%s", startTime, p.output())
	}
	return p
}

// stop ends the process, which must end well.
func (p *process) stop(t *testing.T, cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		if err != nil {
			t.Errorf("mrt-wasm ended with %v, want exit code 0\n%s", err, p.output())
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Errorf("mrt-wasm does not end within %s after SIGTERM\n%s", patience, p.output())
	}
}

// read keeps what the process prints, and closes ready when it says that it is, and where.
func (p *process) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		known := json.Unmarshal(lines.Bytes(), &l) == nil
		p.mu.Lock()
		p.text.WriteString(lines.Text() + "\n")
		p.lines = append(p.lines, l)
		p.mu.Unlock()
		if known && l.Msg == "ready" && p.url == "" {
			p.url = l.HTTP
			close(p.ready)
		}
	}
}

// output gives what the process printed last.
func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.text.String()
	return text[max(0, len(text)-8<<10):]
}

// logged waits until the app wrote a line about a note.
func (a app) logged(message, note string) {
	a.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if a.has(line{Msg: message, Note: note}) {
			return
		}
		if time.Now().After(end) {
			a.t.Fatalf("no line %q about the note %q in the log within %s\n%s", message, note, patience, a.output())
		}
	}
}

func (p *process) has(want line) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.lines, want)
}

func do(req *http.Request) (status int, answer string, err error) {
	resp, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}
