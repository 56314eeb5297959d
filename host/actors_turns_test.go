package host_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// history is what one actor's turns say of themselves.
type history struct {
	mu    sync.Mutex
	turns []reply
}

func (h *history) add(r reply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turns = append(h.turns, r)
}

// check wants n turns, of one life, none of which overlaps another.
func (h *history) check(t *testing.T, actor string, n int) {
	t.Helper()
	slices.SortFunc(h.turns, func(a, b reply) int { return a.Turns - b.Turns })
	if len(h.turns) != n {
		t.Errorf("%s: %d turns; want %d", actor, len(h.turns), n)
	}
	for i, r := range h.turns {
		if r.Turns != i+1 || r.Count != i+1 {
			t.Fatalf("%s: turn %d of the history is turn %d of the actor, which has counted %d: a second instance, or a turn that is lost", actor, i+1, r.Turns, r.Count)
		}
		if r.End < r.Begin || i > 0 && (r.Begin < h.turns[i-1].End || r.Born != h.turns[i-1].Born) {
			t.Fatalf("%s: turn %d from %d to %d of the actor born %d; the one before ended %d and was of the actor born %d",
				actor, i+1, r.Begin, r.End, r.Born, h.turns[i-1].End, h.turns[i-1].Born)
		}
	}
}

// Many callers, from outside and from an app, have one instance at a time of each actor, and one turn at a time.
func TestActorTurnsUnderLoad(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	const ids, callers, calls = 5, 8, 20
	histories := make([]history, ids)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := range calls {
				for i := range ids {
					op := fmt.Sprintf("%d-%d", c, n)
					steps := []step{{"Op": "count", "Key": op}}
					if n%7 == i {
						steps = append(steps, step{"Op": "sleep", "N": 1})
					}
					if c%2 == 0 {
						if status, text := s.try(fmt.Sprintf("Plain/%d", i), steps...); status != 200 {
							t.Errorf("got %d %s", status, text)
						} else {
							histories[i].add(parse[reply](t, text))
						}
						continue
					}
					body := asJSON(step{"Type": "Plain", "ID": strconv.Itoa(i), "Steps": steps})
					if status, _, text, err := s.send("POST", s.front+"/caller/x", body); status != 200 {
						t.Errorf("got %d %s %v", status, text, err)
					} else {
						histories[i].add(parse[[]reply](t, text)[0])
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range ids {
		histories[i].check(t, fmt.Sprintf("Plain/%d", i), callers*calls)
	}
	if waits := s.metric("waits_total", "Plain"); waits == 0 {
		t.Error("no call has waited: this was no load")
	}
}

// Calls that wait have their turns in the order in which they came.
func TestActorTurnOrder(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	s.run("Gate/g")
	const n = 50
	var wg sync.WaitGroup
	wg.Go(func() { s.try("Plain/a", step{"Op": "wait", "Type": "Gate", "ID": "g"}) })
	s.until("the first turn runs", func() bool { return s.list("Gate")["g"].Turns > 3 })
	for i := range n {
		wg.Go(func() {
			if status, text := s.try("Plain/a", step{"Op": "mem", "Value": strconv.Itoa(i)}); status != 200 {
				t.Errorf("got %d %s", status, text)
			}
		})
		s.until("the call waits", func() bool { return s.list("Plain")["a"].Waiting == i+1 })
	}
	s.run("Gate/g", step{"Op": "open"})
	wg.Wait()
	want := make([]string, n)
	for i := range want {
		want[i] = strconv.Itoa(i)
	}
	if got := s.run("Plain/a").Mem; !slices.Equal(got, want) {
		t.Errorf("got %v; want them in order", got)
	}
}

// A mailbox that is full refuses, and what waits in it is served.
func TestActorMailboxFull(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	s.run("Gate/g")
	var wg sync.WaitGroup
	var served history
	put := func(steps ...step) {
		wg.Go(func() {
			if status, text := s.try("Small/a", steps...); status != 200 {
				t.Errorf("got %d %s", status, text)
			} else {
				served.add(parse[reply](t, text))
			}
		})
	}
	put(step{"Op": "wait", "Type": "Gate", "ID": "g"})
	s.until("the first turn runs", func() bool { return s.list("Gate")["g"].Turns > 3 })
	for i := range 3 {
		put()
		s.until("the call waits", func() bool { return s.list("Small")["a"].Waiting == i+1 })
	}
	for range 4 {
		status, h, text := s.call("PUT", methodPath("Small/a"), "[]")
		if status != http.StatusServiceUnavailable || h.Get("Retry-After") == "" || !containsAll(text, []string{"ERR_ACTOR_OVERLOADED", "3 calls wait"}) {
			t.Errorf("got %d %s, Retry-After %q; want 503 ERR_ACTOR_OVERLOADED", status, text, h.Get("Retry-After"))
		}
	}
	if r := s.run("Plain/x", step{"Op": "call", "Type": "Small", "ID": "a"}); len(r.Errs) != 1 || !strings.HasPrefix(r.Errs[0], "overloaded") {
		t.Errorf("an actor that calls it: got %q; want overloaded", r.Errs)
	}
	s.run("Gate/g", step{"Op": "open"})
	wg.Wait()
	if len(served.turns) != 4 {
		t.Errorf("%d calls were served; want 4", len(served.turns))
	}
	if got := s.metric("overloads_total", "Small"); got != 5 {
		t.Errorf("overloads: got %v, want 5", got)
	}
}

// A stop lets running turns finish, refuses what waits, and loses nothing that was acknowledged.
func TestActorDrain(t *testing.T) {
	t.Parallel()
	s := actors(t, "")
	s.run("Gate/g")
	var wg sync.WaitGroup
	type answer struct {
		status int
		text   string
	}
	running, waiting := make(chan answer, 1), make(chan answer, 8)
	wg.Go(func() {
		status, text := s.try("Plain/a", step{"Op": "mem", "Value": "kept"}, step{"Op": "count", "Key": "first"},
			step{"Op": "wait", "Type": "Gate", "ID": "g"}, step{"Op": "sleep", "N": 300})
		running <- answer{status, text}
	})
	s.until("the turn runs", func() bool { return s.list("Gate")["g"].Turns > 3 })
	for i := range cap(waiting) {
		wg.Go(func() {
			status, text := s.try("Plain/a", step{"Op": "count", "Key": strconv.Itoa(i)})
			waiting <- answer{status, text}
		})
	}
	s.until("they wait", func() bool { return s.list("Plain")["a"].Waiting == cap(waiting) })
	s.run("Gate/g", step{"Op": "open"})
	s.stop()
	wg.Wait()
	close(waiting)
	if a := <-running; a.status != 200 {
		t.Errorf("the running turn: got %d %s; want 200", a.status, a.text)
	}
	done := 1
	for a := range waiting {
		switch {
		case a.status == 200:
			done++
		case a.status != 503 || !containsAll(a.text, []string{"ERR_ACTOR_RUNTIME_CLOSED", "stopping"}):
			t.Errorf("a waiting call: got %d %s; want 503 ERR_ACTOR_RUNTIME_CLOSED", a.status, a.text)
		}
	}
	s.start()
	if r := s.run("Plain/a"); r.Count != done || !slices.Equal(r.Mem, []string{"kept"}) {
		t.Errorf("after the restart: got %d counted, memory %q; want %d and kept", r.Count, r.Mem, done)
	}
}

// nested is a step in which an actor calls the next, and so on.
func nested(path []string, last ...step) step {
	typ, id, _ := strings.Cut(path[0], "/")
	if len(path) == 1 {
		return step{"Op": "call", "Type": typ, "ID": id, "Steps": last}
	}
	return step{"Op": "call", "Type": typ, "ID": id, "Steps": []step{nested(path[1:], last...)}}
}

// A chain of calls comes back to where it is: an error at once without reentrancy, a nested turn with it.
func TestActorReentrancy(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	for _, tt := range []struct{ typ, want string }{{"Plain", "deadlock"}, {"Open", ""}} {
		t.Run(tt.typ, func(t *testing.T) {
			a := tt.typ + "/a"
			r := s.run(a, step{"Op": "set", "Key": "k", "Value": "outer"},
				nested([]string{tt.typ + "/b", tt.typ + "/c", a}, step{"Op": "get", "Key": "k"}, step{"Op": "mem", "Value": "inner"}, step{"Op": "set", "Key": "k2", "Value": "inner"}))
			if tt.want != "" {
				if len(r.Errs) != 1 || !strings.HasPrefix(r.Errs[0], tt.want) || !containsAll(r.Errs[0], []string{"Plain/a -> Plain/b -> Plain/c -> Plain/a", "reentrancy"}) {
					t.Errorf("got %q; want %s with the chain", r.Errs, tt.want)
				}
				return
			}
			if len(r.Errs) > 0 || r.Got["b/c/a/k"] != "outer" || !slices.Equal(r.Mem, []string{"inner"}) || s.state(a)["k2"] != "inner" {
				t.Errorf("got %+v; want the inner turn in the outer one", r)
			}
		})
	}
	r := s.run("Open/d", step{"Op": "set", "Key": "k", "Value": "outer"},
		nested([]string{"Open/e", "Open/d"}, step{"Op": "set", "Key": "k", "Value": "inner"}, step{"Op": "fail", "Value": "inner fails"}))
	if len(r.Errs) != 1 || !strings.Contains(r.Errs[0], "inner fails") || s.state("Open/d")["k"] != "outer" {
		t.Errorf("a nested turn that fails: got %+v, state %v; want the outer turn's state only", r, s.state("Open/d"))
	}
	// A caller from outside who names a chain waits for its turn like all others.
	status, _, text := s.call("PUT", methodPath("Open/a"), "[]", "Dapr-Reentrancy-Id", "mine")
	if status != 200 {
		t.Errorf("with an id of a chain: got %d %s", status, text)
	}
}

// A chain that is too deep ends with an error that names it.
func TestActorStackDepth(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	path := []string{}
	for i := range 3 {
		path = append(path, fmt.Sprintf("Flat/%d", i))
	}
	if r := s.run("Flat/start", nested(path)); len(r.Errs) > 0 {
		t.Errorf("4 deep: got %q; want no error", r.Errs)
	}
	path = append(path, "Flat/last")
	if r := s.run("Flat/start", nested(path)); len(r.Errs) != 1 || !strings.HasPrefix(r.Errs[0], "stack-depth") || !strings.Contains(r.Errs[0], "Flat/start -> Flat/0") {
		t.Errorf("5 deep: got %q; want stack-depth with the chain", r.Errs)
	}
	deep := []step{}
	for i := range 40 {
		inner := step{"Op": "call", "Type": "Open", "ID": strconv.Itoa(40 - i), "Steps": slices.Clone(deep), "Must": true}
		deep = []step{inner}
	}
	if r := s.run("Open/x", step{"Op": "call", "Type": "Open", "ID": "y", "Steps": deep}); len(r.Errs) != 1 || !strings.Contains(r.Errs[0], "maxStackDepth") {
		t.Errorf("40 deep of at most 32: got %q", r.Errs)
	}
	// Who passes the error on fails with its text.
	text := strings.Replace(actorApps, "{type: Flat, maxStackDepth: 4}", "{type: Flat, reentrancy: true, maxStackDepth: 1}", 1) + actorMemory
	s2 := actors(t, text)
	s2.fails(500, []string{"maxStackDepth"}, "Flat/a", step{"Op": "call", "Type": "Flat", "ID": "b", "Must": true})
}

// Two actors that call each other in two chains wait for each other until the time is up, and the error names both.
func TestActorDeadlock(t *testing.T) {
	t.Parallel()
	s := actors(t, strings.Replace(actorApps, "timeout: 20s", "timeout: 3s", 1)+actorMemory)
	s.run("Gate/g")
	var wg sync.WaitGroup
	texts := make(chan string, 2)
	for _, pair := range [][2]string{{"x", "y"}, {"y", "x"}} {
		wg.Go(func() {
			status, text := s.try("Plain/"+pair[0], step{"Op": "wait", "Type": "Gate", "ID": "g"},
				step{"Op": "call", "Type": "Plain", "ID": pair[1], "Must": true})
			texts <- fmt.Sprint(status, text)
		})
	}
	s.until("both turns run", func() bool { l := s.list("Plain"); return len(l) == 2 && s.list("Gate")["g"].Turns > 6 })
	s.run("Gate/g", step{"Op": "open"})
	wg.Wait()
	close(texts)
	all := <-texts + "\n" + <-texts
	if !containsAll(all, []string{"500", "ERR_ACTOR_INVOKE_METHOD", "timeout", "Plain/x", "Plain/y", "wait for each other"}) {
		t.Errorf("got %s\nwant a timeout that names both", all)
	}
	for _, id := range []string{"x", "y"} {
		if r := s.run("Plain/" + id); r.Turns == 0 {
			t.Errorf("%s is of no use afterwards: %+v", id, r)
		}
	}
}

// A trap, an endless loop and a caller that goes away harm no other actor, nor the actor's next turn.
func TestActorHarm(t *testing.T) {
	t.Parallel()
	s := actors(t, strings.Replace(actorApps, "timeout: 20s", "timeout: 3s", 1)+actorMemory)
	for _, actor := range []string{"Plain/other", "Atomic/other"} {
		s.run(actor, step{"Op": "mem", "Value": "mine"})
	}
	for _, typ := range []string{"Plain", "Atomic"} {
		for _, how := range []step{{"Op": "panic", "Value": "x"}, {"Op": "exit", "N": 1}, {"Op": "loop"}} {
			s.fails(500, []string{"ERR_ACTOR_INVOKE_METHOD"}, typ+"/a", step{"Op": "set", "Key": "k", "Value": "lost"}, step{"Op": "mem", "Value": "lost"}, how)
			if r := s.run(typ+"/a", step{"Op": "get", "Key": "k"}); len(r.Mem) != 0 || r.Got["k"] != "" {
				t.Errorf("%s after %v: memory %q, state %q; want none", typ, how["Op"], r.Mem, r.Got)
			}
			if r := s.run(typ + "/other"); !slices.Equal(r.Mem, []string{"mine"}) {
				t.Errorf("after %v of %s/a the other actor has %q", how["Op"], typ, r.Mem)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "PUT", s.api+methodPath("Plain/slow"), strings.NewReader(asJSON([]step{{"Op": "count", "Key": "x"}, {"Op": "sleep", "N": 200}})))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if resp, err := client.Do(req); err == nil {
		_ = resp.Body.Close() // it was quick
	}
	if r := s.run("Plain/slow", step{"Op": "count", "Key": "y"}); r.Count == 0 {
		t.Errorf("after a caller that went away: %+v", r)
	}
}

// Ten thousand actors at a time.
func TestTenThousandActors(t *testing.T) {
	text := strings.Replace(actorApps, "timeout: 20s", "timeout: 5m, memory: 64Mi", 1)
	s := actors(t, text+actorMemory)
	const n, callers = 10_000, 16
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := c; i < n; i += callers {
				if status, text := s.try(fmt.Sprintf("Plain/%05d", i), step{"Op": "count", "Key": "a"}, step{"Op": "mem", "Value": strconv.Itoa(i)}); status != 200 {
					t.Errorf("actor %d: got %d %s", i, status, text)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := s.list("Plain"); len(got) != n {
		t.Errorf("the list has %d; want %d", len(got), n)
	}
	for i := 0; i < n; i += 97 {
		if r := s.run(fmt.Sprintf("Plain/%05d", i)); !slices.Equal(r.Mem, []string{strconv.Itoa(i)}) || r.Count != 1 {
			t.Errorf("actor %d: got %+v", i, r)
		}
	}
}
