package cli

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is only for a script that would hang otherwise.
const patience = 90 * time.Second

// lastPort is the one that freeport has tried last. It begins below the ports that systems give to connections, any of which
// could take one before the host listens on it.
var lastPort atomic.Int32

const firstPort = 30_000

// freeport NAME... sets environment variables to addresses on free ports.
func freeport(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: freeport NAME...")
	}
	lastPort.CompareAndSwap(0, firstPort+rand.Int32N(1000))
	for _, name := range args {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", lastPort.Add(1)))
		for try := 0; err != nil && try < 1000; try++ {
			l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", lastPort.Add(1)))
		}
		ts.Check(err)
		ts.Setenv(name, l.Addr().String())
		ts.Check(l.Close())
	}
}

// request sends one request; args are VERB URL [BODY]. It gives the status and the body as "200 text".
func request(args []string) (string, error) {
	if len(args) < 2 || len(args) > 3 {
		return "", fmt.Errorf("want VERB URL [BODY], got %q", args)
	}
	body := ""
	if len(args) == 3 {
		body = args[2]
	}
	req, err := http.NewRequest(args[0], args[1], strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, text), err
}

// httpCall is http VERB URL [BODY]: sends one request; the command stdout sees "STATUS BODY".
func httpCall(ts *testscript.TestScript, neg bool, args []string) {
	answer, err := request(args)
	if neg != (err != nil) {
		ts.Fatalf("http %q: %v", args, err)
	}
	_, _ = fmt.Fprintln(ts.Stdout(), answer)
}

// until WANT VERB URL [BODY] sends the request again and again until the answer contains WANT.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: until WANT VERB URL [BODY]")
	}
	var last string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		answer, err := request(args[1:])
		if err == nil && strings.Contains(answer, args[0]) {
			return
		}
		last = fmt.Sprint(answer, err)
	}
	ts.Fatalf("until %q: the last of %s was %s", args[0], patience, last)
}

// replace FILE OLD NEW changes a text in a file, as an editor does: into a new file that takes the old one's place.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	name := ts.MkAbs(args[0])
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(name+".tmp", []byte(strings.ReplaceAll(text, args[1], args[2])), 0o644))
	ts.Check(os.Rename(name+".tmp", name))
}

// logged FILE TEXT waits until a file contains a text.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: logged FILE TEXT")
	}
	var text []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, _ = os.ReadFile(ts.MkAbs(args[0]))
		if strings.Contains(string(text), args[1]) {
			return
		}
	}
	ts.Fatalf("no %q in %s within %s; it has:\n%s", args[1], args[0], patience, text)
}

// sendSignal is signal TERM|INT: sends the signal to all background commands.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": os.Interrupt}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal TERM|INT")
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(signals[args[0]]))
	}
}

type hammerKey struct{}

// hammer sends requests from several goroutines until it is stopped.
type hammer struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu    sync.Mutex
	sent  int
	wrong []string
}

// hammerCmd is hammer start VERB URL, and hammer stop, which fails if any request was not answered with 200.
func hammerCmd(ts *testscript.TestScript, neg bool, args []string) {
	h := ts.Value(hammerKey{}).(*hammer)
	switch {
	case !neg && len(args) == 3 && args[0] == "start":
		h.stop = make(chan struct{})
		for range 4 {
			h.wg.Go(func() { h.loop(args[1:]) })
		}
		ts.Defer(func() { h.end() })
	case !neg && len(args) == 1 && args[0] == "stop":
		h.end()
		if h.sent == 0 || len(h.wrong) > 0 {
			ts.Fatalf("%d requests, of which %d went wrong: %q", h.sent, len(h.wrong), h.wrong[:min(3, len(h.wrong))])
		}
		ts.Logf("%d requests, all answered with 200", h.sent)
	default:
		ts.Fatalf("usage: hammer start VERB URL, hammer stop")
	}
}

func (h *hammer) end() {
	if h.stop != nil {
		close(h.stop)
		h.wg.Wait()
		h.stop = nil
	}
}

func (h *hammer) loop(args []string) {
	for {
		select {
		case <-h.stop:
			return
		case <-time.After(5 * time.Millisecond): // leaves the machine to what is tested
		}
		answer, err := request(args)
		h.mu.Lock()
		h.sent++
		if err != nil || !strings.HasPrefix(answer, "200 ") {
			h.wrong = append(h.wrong, fmt.Sprint(answer, err))
		}
		h.mu.Unlock()
	}
}

// exits CODE COMMAND... runs a command that must end with this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if status, ok := errors.AsType[*exec.ExitError](err); ok {
		got = status.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("%q ended with exit code %d, want %s", args[1:], got, args[0])
	}
}

type laterKey struct{}

// later VERB URL [BODY] sends a request and does not wait for its answer.
func later(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: later VERB URL [BODY]")
	}
	answers := ts.Value(laterKey{}).(chan string)
	go func() {
		got, err := request(args)
		if err != nil {
			got = err.Error()
		}
		answers <- got
	}()
}

// answered WANT waits for the answer of later, which must contain WANT.
func answered(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answered WANT")
	}
	select {
	case got := <-ts.Value(laterKey{}).(chan string):
		if !strings.Contains(got, args[0]) {
			ts.Fatalf("got %q, want it to contain %q", got, args[0])
		}
	case <-time.After(patience):
		ts.Fatalf("no answer within %s", patience)
	}
}
