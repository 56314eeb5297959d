package host_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rustActors is an app with actors in Rust: a component whose standard library keeps handles of what it prints to.
const rustActors = `
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: acts}
spec:
  source: {wasm: guest.wasm}
  limits: {timeout: 20s, maxInstances: 8}
  dirs: [{host: data-of-actors, guest: /data}]
  actors:
    - {type: Plain}
    - {type: Quick, idleTimeout: 50ms}
    - {type: Atomic, atomic: true}
    - {type: Room, maxActive: 2}
`

// rustSystem starts a host with those actors on the data in dir.
func rustSystem(t *testing.T, dir string) *system {
	t.Helper()
	wasm, err := os.ReadFile("testdata/actor-rust/actor.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "data-of-actors"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := &system{t: t, dir: dir, text: rustActors, wasm: guests{"acts": wasm}}
	t.Cleanup(s.stop)
	s.start()
	return s
}

// turn calls a method of an actor and gives the status and the answer.
func (s *system) turn(actor, method, input string) (int, string) {
	s.t.Helper()
	status, _, text := s.call(http.MethodPut, "/v1.0/actors/"+actor+"/method/"+method, input)
	return status, text
}

// turns calls methods of an actor, "name input = answer" each.
func (s *system) turns(actor string, calls ...string) {
	s.t.Helper()
	for _, c := range calls {
		call, want, _ := strings.Cut(c, " = ")
		method, input, _ := strings.Cut(call, " ")
		if status, text := s.turn(actor, method, input); status != http.StatusOK || text != want {
			s.t.Errorf("%s: %s(%q): got %d %q, want %q", actor, method, input, status, text, want)
		}
	}
}

// turnFails calls a method of an actor that fails with a text.
func (s *system) turnFails(actor, method, input, want string) {
	s.t.Helper()
	if status, text := s.turn(actor, method, input); status == http.StatusOK || !strings.Contains(text, want) {
		s.t.Errorf("%s: %s(%q): got %d %q, want a failure with %q", actor, method, input, status, text, want)
	}
}

func TestComponentActors(t *testing.T) {
	t.Parallel()
	s := rustSystem(t, t.TempDir())
	t.Run("turns", func(t *testing.T) {
		s.turns("Plain/a", "self = Plain/a", "add 3 = 3", "add 4 = 7", "get = 7", "state count = 7", "state activations = 1")
		s.turns("Plain/b", "get = 0")
		s.turnFails("Plain/a", "nothing", "", "no method")
		s.turnFails("Plain/a", "fail", "1", "on purpose")
		s.turns("Plain/a", "get = 8", "state count = 7")
		s.turnFails("Plain/a", "back", "", "reentrancy")
		// After a trap a new instance starts on what is stored.
		s.turnFails("Plain/a", "trap", "1", "unreachable")
		s.turns("Plain/a", "get = 7", "state activations = 2")
	})
	t.Run("hibernation", func(t *testing.T) {
		s.turns("Quick/a", "add 5 = 5")
		for range 3 {
			s.asleep("Quick/a")
			s.turns("Quick/a", "get = 5", "state activations = 1", "state deactivated = ")
		}
		for _, id := range []string{"1", "2", "3", "4"} {
			s.turns("Room/"+id, "add "+id+" = "+id)
		}
		for _, id := range []string{"1", "2", "3", "4"} {
			s.turns("Room/"+id, "get = "+id, "state activations = 1")
		}
		if s.metric("woken_total", "Room") == 0 {
			t.Error("want actors woken")
		}
	})
	t.Run("reminders and timers", func(t *testing.T) {
		s.turns("Quick/r", "remind 300ms = 0")
		s.asleep("Quick/r")
		s.until("the reminder has come", func() bool { _, text := s.turn("Quick/r", "fired", ""); return text == "reminder later hello" })
		s.turns("Plain/t", "timer 10ms = 0")
		s.until("the timer has come", func() bool { _, text := s.turn("Plain/t", "fired", ""); return text == "timer tick ticked" })
	})
	t.Run("atomic", func(t *testing.T) {
		s.turns("Atomic/a", "add 2 = 2")
		s.turnFails("Atomic/a", "fail", "10", "on purpose")
		s.turns("Atomic/a", "get = 2", "state count = 2")
		s.turnFails("Atomic/a", "trap", "10", "unreachable")
		s.turns("Atomic/a", "get = 2", "add 1 = 3", "state count = 3", "state activations = 1")
		s.turnFails("Atomic/a", "open", "/data/atomic", "1 of wasi:filesystem/types@0.2/descriptor")
		s.turns("Atomic/a", "get = 3", "read /data/atomic = ")
	})
	t.Run("restart", func(t *testing.T) {
		s.restart()
		s.turns("Plain/a", "get = 7", "state activations = 2", "add 1 = 8")
		s.turns("Atomic/a", "get = 3", "state activations = 1")
	})
}

// An actor with an open file cannot be hibernated: it stays, its type is warned of once, and it goes on.
func TestComponentActorsWithFiles(t *testing.T) {
	t.Parallel()
	s := rustSystem(t, t.TempDir())
	const warning = "idle actor cannot be hibernated and stays in memory"
	for _, id := range []string{"a", "b", "c"} {
		s.turns("Quick/"+id, "add 1 = 1", "open /data/"+id+" = 1")
	}
	s.until("a warning", func() bool { return strings.Contains(s.log.String(), warning) })
	s.turns("Quick/other", "add 1 = 1")
	s.asleep("Quick/other")
	log := s.log.String()
	if n := strings.Count(log, warning); n != 1 || !strings.Contains(log, "1 of wasi:filesystem/types@0.2/descriptor; have the guest drop them") {
		t.Errorf("want one warning that names what is held, got %d:\n%s", n, log)
	}
	for _, id := range []string{"a", "b", "c"} {
		s.turns("Quick/"+id, "add 1 = 2", "state activations = 1", "close = 2")
		s.asleep("Quick/" + id)
		s.turns("Quick/"+id, "get = 2", "state activations = 1", "state deactivated = ")
	}
	s.turns("Plain/a", "add 1 = 1", "open /data/x = 1")
	s.restart()
	s.turns("Plain/a", "state deactivated = yes", "get = 1", "state activations = 2")
	if !strings.Contains(s.log.String(), "actor cannot be hibernated; it is deactivated") {
		t.Errorf("want it said that an actor lost its memory, got:\n%s", s.log.String())
	}
}

// rustDir says to a test binary that it is another process than that which has put the actors there to sleep.
const rustDir = "MRT_TEST_RUST_ACTORS"

// An actor goes on in another process, with what it had printed to and its folders.
func TestComponentActorsInAnotherProcess(t *testing.T) {
	if dir := os.Getenv(rustDir); dir != "" {
		s := rustSystem(t, dir)
		s.turns("Plain/a", "get = 6", "add 1 = 7", "state activations = 1", "read /data/file = text")
		s.turns("Atomic/a", "get = 5", "state activations = 1")
		return
	}
	t.Parallel()
	dir := t.TempDir()
	s := rustSystem(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "data-of-actors", "file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.turns("Plain/a", "add 6 = 6", "read /data/file = text")
	s.turns("Atomic/a", "add 5 = 5")
	s.stop()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestComponentActorsInAnotherProcess$", "-test.count=1")
	cmd.Env = append(os.Environ(), rustDir+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("in the other process: %v\n%s", err, out)
	}
	s.start()
	s.turns("Plain/a", "get = 7", "state activations = 1")
}

func TestComponentActorsAreNotReentrant(t *testing.T) {
	wasm, err := os.ReadFile("testdata/actor-rust/actor.wasm")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data-of-actors"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(rustActors, "{type: Plain}", "{type: Plain, reentrancy: true}", 1)
	h, err := actorHost(t.Context(), t, dir, text, guests{"acts": wasm}, &lines{})
	if err == nil {
		if h != nil {
			err = h.Start(t.Context())
			(&system{t: t, h: h}).stop()
		}
	}
	const want = "manifest.yaml:10:14: actor type Plain: reentrancy is true, and app acts is a component"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
}
