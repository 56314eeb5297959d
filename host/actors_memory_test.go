package host_test

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// fields puts something into an actor's memory.
func fields(text string) []step {
	return []step{{"Op": "mem", "Value": text}, {"Op": "ballast", "N": 300_000}, {"Op": "count", "Key": text}}
}

// Fields survive from turn to turn, hibernation for idleness and for lack of room, a stop, and a kill loses only them.
func TestActorMemory(t *testing.T) {
	t.Parallel()
	s := actors(t, "") // the embedded SQLite
	for _, actor := range []string{"Plain/a", "Quick/a", "Small/a", "Atomic/a"} {
		s.run(actor, fields("one")...)
		if r := s.run(actor, fields("two")...); !slices.Equal(r.Mem, []string{"one", "two"}) || r.Count != 2 || r.Turns != 2 {
			t.Errorf("%s, next turn: got %+v", actor, r)
		}
	}
	t.Run("idle", func(t *testing.T) {
		s.asleep("Quick/a")
		if r := s.run("Quick/a"); !slices.Equal(r.Mem, []string{"one", "two"}) || r.Turns != 3 {
			t.Errorf("got %+v", r)
		}
		if s.metric("woken_total", "Quick") == 0 || s.metric("hibernated_bytes_total", "Quick") == 0 {
			t.Error("/metrics knows nothing of it")
		}
	})
	t.Run("maxActive", func(t *testing.T) {
		for i := range 20 {
			id := "Small/" + strconv.Itoa(i)
			s.run(id, step{"Op": "mem", "Value": id})
		}
		if got := s.metric("active", "Small"); got > 2 {
			t.Errorf("%v are active; want at most 2", got)
		}
		for i := range 20 {
			id := "Small/" + strconv.Itoa(i)
			if r := s.run(id); !slices.Equal(r.Mem, []string{id}) || r.Turns != 2 {
				t.Errorf("%s: got %+v", id, r)
			}
		}
		if r := s.run("Small/a"); r.Turns != 3 {
			t.Errorf("Small/a: got %+v", r)
		}
	})
	t.Run("restart", func(t *testing.T) {
		s.restart()
		for _, actor := range []string{"Plain/a", "Quick/a", "Small/a", "Atomic/a"} {
			if r := s.run(actor, fields("three")...); !slices.Equal(r.Mem, []string{"one", "two", "three"}) || r.Count != 3 {
				t.Errorf("%s: got %+v", actor, r)
			}
			if n := s.state(actor)["activations"]; n != "1" {
				t.Errorf("%s was activated %s times; want once", actor, n)
			}
		}
		s.restart()
		if r := s.run("Plain/a"); len(r.Mem) != 3 {
			t.Errorf("a second restart: got %+v", r)
		}
	})
}

// Without hibernation an idle actor is deactivated: its state stays, its memory does not.
func TestActorHibernateNever(t *testing.T) {
	t.Parallel()
	s := actors(t, "")
	s.run("Never/a", fields("one")...)
	s.until("it is deactivated", func() bool { return s.state("Never/a")["deactivated"] == "one" })
	if got := s.list("Never"); len(got) != 0 {
		t.Errorf("the list has %v; want none", got)
	}
	if r := s.run("Never/a"); len(r.Mem) != 0 || r.Count != 1 || r.Turns != 1 {
		t.Errorf("it came back as %+v; want the count only", r)
	}
	s.run("Never/b", step{"Op": "mem", "Value": "last"})
	s.stop()
	s.start()
	if got := s.state("Never/b")["deactivated"]; got != "last" {
		t.Errorf("at the stop it was not deactivated: %q", got)
	}
	if got := s.state("Never/a")["activations"]; got != "2" {
		t.Errorf("activations: got %s, want 2", got)
	}
}

// Memory of other code is of no use: the actor is activated on its state.
func TestActorNewCode(t *testing.T) {
	t.Parallel()
	s := actors(t, "")
	one := s.wasm["acts"]
	two := bytes.ReplaceAll(one, []byte("build-one"), []byte("build-two"))
	if bytes.Equal(one, two) {
		t.Fatal("the guest does not have its version in its data")
	}
	tests := []struct {
		name, version string
		change        func()
	}{
		{"at a restart", "build-two", func() { s.stop(); s.wasm["acts"] = two; s.start() }},
		{"at a reload", "build-one", func() {
			s.wasm["acts"] = one
			if err := s.h.Reload(t.Context(), "acts"); err != nil {
				t.Fatal(err)
			}
		}},
	}
	s.run("Plain/a", fields("one")...)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.change()
			r := s.run("Plain/a", step{"Op": "mem", "Value": "new"})
			if r.Version != tt.version || !slices.Equal(r.Mem, []string{"new"}) || r.Count != 1 || r.Turns != 1 {
				t.Errorf("got %+v; want %s without its memory", r, tt.version)
			}
			if got := s.state("Plain/a")["activations"]; got != strconv.Itoa(i+2) {
				t.Errorf("activations: got %s, want %d", got, i+2)
			}
		})
	}
	if got := s.state("Plain/a")["deactivated"]; got != "new" {
		t.Errorf("the reload has not deactivated the old actor: %q", got)
	}
}

// A reload under load: each turn runs in one code, none is lost, and state goes on.
func TestActorReloadUnderLoad(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	done := make(chan int)
	go func() {
		n := 0
		for ; n < 300; n++ {
			if status, text := s.try("Plain/a", step{"Op": "count", "Key": strconv.Itoa(n)}); status != 200 {
				t.Errorf("call %d: got %d %s", n, status, text)
				break
			}
		}
		done <- n
	}()
	for range 3 {
		if err := s.h.Reload(t.Context(), "acts"); err != nil {
			t.Error(err)
		}
	}
	n := <-done
	if r := s.run("Plain/a"); r.Count != n {
		t.Errorf("got %d counted; want %d", r.Count, n)
	}
}

// A turn that fails leaves nothing in an atomic actor; in others it leaves memory, as the actor left it, after its own
// error, and a new instance after a trap. State, timers and the answer go together.
func TestActorFailedTurns(t *testing.T) {
	t.Parallel()
	s := actors(t, strings.Replace(actorApps, "timeout: 20s", "timeout: 3s", 1))
	tests := []struct {
		name   string
		how    step
		status int
	}{
		{"error", step{"Op": "fail", "Value": "no"}, 500},
		{"panic", step{"Op": "panic", "Value": "no"}, 500},
		{"timeout", step{"Op": "loop"}, 500},
	}
	for _, typ := range []string{"Atomic", "Plain"} {
		for _, tt := range tests {
			t.Run(typ+" "+tt.name, func(t *testing.T) {
				a := typ + "/" + tt.name
				s.run(a, append(fields("before"), step{"Op": "set", "Key": "k", "Value": "old"}, step{"Op": "set", "Key": "gone", "Value": "is here"},
					step{"Op": "timer", "Timer": step{"Name": "kept", "Due": 500 * time.Millisecond}})...)
				s.fails(tt.status, []string{"ERR_ACTOR_INVOKE_METHOD"}, a,
					step{"Op": "mem", "Value": "after"}, step{"Op": "ballast", "N": 2_000_000}, step{"Op": "set", "Key": "k", "Value": "new"},
					step{"Op": "remove", "Key": "gone"}, step{"Op": "timer", "Timer": step{"Name": "wild", "Due": time.Millisecond}},
					step{"Op": "stop-timer", "Key": "kept"}, tt.how)
				r := s.run(a, step{"Op": "get", "Key": "k"}, step{"Op": "get", "Key": "gone"})
				mem := map[bool][]string{true: {"before"}, false: nil}[typ == "Atomic"]
				if typ == "Plain" && tt.name == "error" {
					mem = []string{"before", "after"}
				}
				if !slices.Equal(r.Mem, mem) || r.Got["k"] != "old" || r.Got["gone"] != "is here" || r.Count != 1 {
					t.Errorf("got memory %q, state %q, count %d; want memory %q and the state of before", r.Mem, r.Got, r.Count, mem)
				}
				if typ == "Atomic" || tt.name == "error" {
					s.until("the timer that was there before comes", func() bool { return s.state(a)["fired/kept"] == "1" })
				}
				if s.state(a)["fired/wild"] != "" {
					t.Error("a timer of the failed turn came")
				}
			})
		}
	}
	if got := s.metric("rollbacks_total", "Atomic"); got < 3 {
		t.Errorf("rollbacks: got %v, want 3", got)
	}
}

// A nested turn of an atomic actor that fails takes the outer turn with it.
func TestActorAtomicReentrancy(t *testing.T) {
	t.Parallel()
	text := strings.Replace(actorApps, "{type: Atomic, atomic: true}", "{type: Atomic, atomic: true, reentrancy: true}", 1)
	s := actors(t, text+actorMemory)
	s.run("Atomic/a", fields("before")...)
	s.fails(500, []string{"nested turn"}, "Atomic/a", step{"Op": "mem", "Value": "outer"},
		nested([]string{"Plain/b", "Atomic/a"}, step{"Op": "mem", "Value": "inner"}, step{"Op": "fail", "Value": "no"}))
	if r := s.run("Atomic/a"); !slices.Equal(r.Mem, []string{"before"}) {
		t.Errorf("got %q; want what was before", r.Mem)
	}
}

// State expires, is seen by the turn that writes it, and is the same from outside.
func TestActorState(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"", actorMemory} {
		t.Run(map[bool]string{true: "sqlite", false: "in-memory"}[store == ""], func(t *testing.T) {
			s := actors(t, store)
			get := step{"Op": "get", "Key": "k"}
			r := s.run("Plain/a", step{"Op": "set", "Key": "k", "Value": "1"}, get)
			if r.Got["k"] != "1" {
				t.Errorf("the turn's own write: got %q", r.Got)
			}
			if r := s.run("Plain/a", step{"Op": "remove", "Key": "k"}, get); r.Got["k"] != "" {
				t.Errorf("the turn's own removal: got %q", r.Got)
			}
			s.call("POST", "/v1.0/actors/Plain/a/state", `[{"operation":"upsert","request":{"key":"k","value":"from outside"}}]`)
			if r := s.run("Plain/a", get); r.Got["k"] != `"from outside"` {
				t.Errorf("a write from outside: got %q", r.Got)
			}
			s.run("Plain/a", step{"Op": "set", "Key": "brief", "Value": "x", "N": 1}, step{"Op": "set", "Key": "k", "Value": "y", "N": 1})
			s.run("Plain/a", step{"Op": "set", "Key": "k", "Value": "stays"})
			s.until("it expires", func() bool { return s.run("Plain/a", step{"Op": "get", "Key": "brief"}).Got["brief"] == "" })
			if r := s.run("Plain/a", get); r.Got["k"] != "stays" {
				t.Errorf("a write without a time after one with: got %q", r.Got)
			}
			if got := s.state("Plain/a"); got["brief"] != "" || got["k"] != "stays" {
				t.Errorf("from outside: got %v", got)
			}
			if status, _, text := s.call("GET", "/v1.0/actors/Plain/a/state/k", ""); status != 200 || text != "stays" {
				t.Errorf("by Dapr's path: got %d %s", status, text)
			}
		})
	}
}

// An app is declared with types that it lacks.
func TestActorManifests(t *testing.T) {
	t.Parallel()
	text := strings.Replace(app("acts", ""), "spec: {", "spec: {actors: [{type: Plain}], ", 1)
	_, err := newHost(t, text, guests{"acts": enginetest.Build(t, "testdata/faulty")}, io.Discard)
	if want := "mrt:actor/actor@0.1.0"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("an app without actors: got %v; want an error with %s", err, want)
	}
	s := actors(t, strings.Replace(actorApps, "{type: Plain}", "{type: Plain}\n    - {type: Ghost}", 1)+actorMemory)
	s.fails(500, []string{"Ghost", "has registered no actor type", "Atomic, Flat, Gate"}, "Ghost/a")
}
