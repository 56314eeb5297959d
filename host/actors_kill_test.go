package host_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// victimDir says to a test binary that it is the process to be killed, and where its data is.
const victimDir = "MRT_TEST_VICTIM"

// victim runs a host until it is killed, or its standard input ends.
func victim(t *testing.T, dir string) {
	wasm, err := os.ReadFile(filepath.Join(dir, "acts.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := actorHost(t.Context(), t, dir, actorApps, guests{"acts": wasm, "caller": wasm}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, api := h.Addrs()
	fmt.Println("api", api)
	_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end too
}

// killed is a host in a process of its own.
type killed struct {
	cmd *exec.Cmd
	in  io.Closer
}

// spawn starts the process and waits for its API.
func (s *system) spawn() *killed {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestActorKilled$", "-test.v")
	cmd.Env = append(os.Environ(), victimDir+"="+s.dir)
	cmd.Stderr = &s.log
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	k := &killed{cmd, in}
	s.t.Cleanup(k.kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if api, ok := strings.CutPrefix(lines.Text(), "api "); ok {
			s.api = api
			return k
		}
		fmt.Fprintln(&s.log, lines.Text())
	}
	s.t.Fatalf("the process ended before its API was there:\n%s", s.log.String())
	return nil
}

func (k *killed) kill() {
	_ = k.cmd.Process.Kill() // an error means that it is dead
	_ = k.cmd.Wait()         // "signal: killed"
	_ = k.in.Close()
}

// books are what callers know of what they have asked for.
type books struct {
	mu            sync.Mutex
	acked, unsure map[string][]string // ops of an actor
	reminders     map[string][]string // that were acknowledged
	bad           []string
}

// load calls actors until the process is gone.
func (b *books) load(s *system, round, caller int, stop *atomic.Bool) {
	random := rand.New(rand.NewPCG(uint64(round), uint64(caller)))
	for n := 0; n < 300 && !stop.Load(); n++ { // a list of state has 1000 keys at most
		actor := []string{"Quick/", "Atomic/", "Small/"}[random.IntN(3)] + strconv.Itoa(random.IntN(5))
		op := fmt.Sprintf("%d-%d-%d", round, caller, n)
		if random.IntN(8) == 0 {
			due := fmt.Sprintf("%dms", random.IntN(2000))
			status, _, _, _ := s.send(http.MethodPost, "/v1.0/actors/"+actor+"/reminders/"+op, asJSON(step{"dueTime": due}))
			if status == http.StatusNoContent {
				b.note(b.reminders, actor, op)
			}
			continue
		}
		status, text := s.try(actor, step{"Op": "count", "Key": op})
		switch {
		case status == http.StatusOK:
			b.note(b.acked, actor, op)
		case status == 0: // the process is dead
			b.note(b.unsure, actor, op)
			return
		case status != http.StatusServiceUnavailable: // too many of type Small
			b.mu.Lock()
			b.bad = append(b.bad, fmt.Sprint(actor, " ", op, ": ", status, " ", text))
			b.mu.Unlock()
		}
	}
}

func (b *books) note(in map[string][]string, actor, op string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in[actor] = append(in[actor], op)
}

// check compares the books with the state of an actor.
func (b *books) check(t *testing.T, actor string, state map[string]string) {
	t.Helper()
	ops := map[string]bool{}
	for key := range state {
		if op, ok := strings.CutPrefix(key, "op/"); ok {
			ops[op] = true
		}
	}
	if got := state["count"]; got != strconv.Itoa(len(ops)) && len(ops) > 0 {
		t.Errorf("%s has counted %s in %d turns: a turn counted in part, or twice", actor, got, len(ops))
	}
	known := map[string]bool{}
	for _, op := range b.acked[actor] {
		known[op] = true
		if !ops[op] {
			t.Errorf("%s: %s was acknowledged and is lost", actor, op)
		}
	}
	for _, op := range b.unsure[actor] {
		known[op] = true
	}
	for op := range ops {
		if !known[op] {
			t.Errorf("%s: %s was refused and has counted", actor, op)
		}
	}
}

// The process is killed at random moments under load: no effect of a turn is lost or doubled.
func TestActorKilled(t *testing.T) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(t, dir)
		return
	}
	t.Parallel()
	s := &system{t: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.dir, "acts.wasm"), enginetest.Build(t, "testdata/actors"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &books{acked: map[string][]string{}, unsure: map[string][]string{}, reminders: map[string][]string{}}
	for round := range 6 {
		k := s.spawn()
		var stop atomic.Bool
		var wg sync.WaitGroup
		for c := range 6 {
			wg.Go(func() { b.load(s, round, c, &stop) })
		}
		time.Sleep(time.Duration(100+rand.IntN(600)) * time.Millisecond)
		k.kill()
		stop.Store(true)
		wg.Wait()
	}
	if len(b.bad) > 0 {
		t.Errorf("%d calls failed without a kill, the first: %s", len(b.bad), b.bad[0])
	}
	s.spawn()
	acked := 0
	for _, typ := range []string{"Quick", "Atomic", "Small"} {
		for i := range 5 {
			actor := typ + "/" + strconv.Itoa(i)
			b.check(t, actor, s.state(actor))
			acked += len(b.acked[actor])
			for _, name := range b.reminders[actor] {
				s.until("reminder "+name+" of "+actor+" comes", func() bool { return s.state(actor)["fired/"+name] != "" })
			}
			if r := s.run(actor, step{"Op": "count", "Key": "last"}); r.Count == 0 {
				t.Errorf("%s is of no use: %+v", actor, r)
			}
		}
	}
	t.Logf("%d calls were acknowledged", acked)
	if acked == 0 {
		t.Error("no call was acknowledged")
	}
}
