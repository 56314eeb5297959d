package host_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// remind registers a reminder, or a timer, through the API.
func (s *system) remind(kind, actor, name string, body step) {
	s.t.Helper()
	path := "/v1.0/actors/" + actor + "/" + kind + "s/" + name
	if status, _, text := s.call(http.MethodPost, path, asJSON(body)); status != http.StatusNoContent {
		s.t.Fatalf("%s %v: got %d %s; want 204", path, body, status, text)
	}
}

// fired gives how often an actor's turns of a timer or reminder were stored.
func (s *system) fired(actor, name string) int {
	s.t.Helper()
	n, _ := strconv.Atoi(s.state(actor)["fired/"+name]) // nothing is 0
	return n
}

// tries gives how often an actor remembers a timer or reminder, failed ones included.
func (s *system) tries(actor, name string) (at []int64) {
	s.t.Helper()
	for _, f := range s.run(actor).Fired {
		if f.Name == name {
			at = append(at, f.At)
		}
	}
	return at
}

// ended waits until a reminder is gone.
func (s *system) ended(actor, name string) {
	s.t.Helper()
	s.until("reminder "+name+" of "+actor+" ends", func() bool {
		status, _, _ := s.call(http.MethodGet, "/v1.0/actors/"+actor+"/reminders/"+name, "")
		return status == http.StatusNotFound
	})
}

// Reminders come as often as their plan says.
func TestActorReminders(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	no := []step{{"Op": "fail", "Value": "no"}}
	tests := []struct {
		name     string
		body     step
		min, max int
	}{
		{"once", step{"dueTime": "10ms"}, 1, 1},
		{"at-once", step{"dueTime": ""}, 1, 1},
		{"at-a-time", step{"dueTime": time.Now().Add(time.Second).Format(time.RFC3339Nano)}, 1, 1},
		{"iso", step{"dueTime": "PT0.05S", "period": "R3/PT0.05S"}, 3, 3},
		{"repeats", step{"dueTime": "10ms", "period": "30ms", "repeats": 4}, 4, 4},
		{"ttl", step{"dueTime": "10ms", "period": "50ms", "ttl": "320ms"}, 1, 7},
		{"drop", step{"dueTime": "10ms", "data": no, "failurePolicy": step{"drop": step{}}}, 1, 1},
		{"drop-period", step{"dueTime": "10ms", "period": "R3/PT0.05S", "data": no, "failurePolicy": step{"drop": step{}}}, 3, 3},
		{"constant", step{"dueTime": "10ms", "data": no, "failurePolicy": step{"constant": step{"interval": "30ms", "maxRetries": 2}}}, 3, 3},
		{"constant-period", step{"dueTime": "10ms", "period": "R2/PT0.2S", "data": no, "failurePolicy": step{"constant": step{"interval": "5ms", "maxRetries": 1}}}, 4, 4},
		{"standard", step{"dueTime": "10ms", "data": no}, 4, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := "Plain/" + tt.name
			s.remind("reminder", a, "r", tt.body)
			s.ended(a, "r")
			at := s.tries(a, "r")
			if len(at) < tt.min || len(at) > tt.max {
				t.Errorf("got %d tries; want %d to %d", len(at), tt.min, tt.max)
			}
			if got := s.fired(a, "r"); tt.body["data"] == nil && got != len(at) {
				t.Errorf("%d were stored of %d", got, len(at))
			}
			for i := range at[min(1, len(at)):] {
				if d := time.Duration(at[i+1] - at[i]); tt.name == "standard" && d < time.Second {
					t.Errorf("try %d came after %v; want a second", i+2, d)
				}
			}
		})
	}
}

// A reminder can be replaced, deleted and listed; a failed turn takes none back; it wakes who sleeps.
func TestActorRemindersOfTurns(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	s.remind("reminder", "Plain/a", "over", step{"dueTime": "1h", "data": []step{{"Op": "mem", "Value": "old"}}})
	s.remind("reminder", "Plain/a", "over", step{"dueTime": "1ms", "data": []step{{"Op": "mem", "Value": "new"}}})
	s.ended("Plain/a", "over")
	if r := s.run("Plain/a"); !slices.Equal(r.Mem, []string{"new"}) {
		t.Errorf("overwritten: got %q; want new", r.Mem)
	}
	r := s.run("Plain/a",
		step{"Op": "reminder", "Reminder": step{"Name": "x", "Due": time.Hour, "Every": time.Minute, "TTL": 2 * time.Hour, "Repeats": 7, "Policy": step{"Mode": 2, "Interval": time.Second, "MaxRetries": 3}}},
		step{"Op": "reminder?", "Key": "x"}, step{"Op": "reminder", "Reminder": step{"Name": "y", "Due": time.Hour}}, step{"Op": "reminders"},
		step{"Op": "delete-reminder", "Key": "y"}, step{"Op": "delete-reminder", "Key": "never"}, step{"Op": "reminder?", "Key": "y"})
	if want := "1h0m0s 1m0s 2h0m0s 7 {2 1s 3}"; r.Got["x"] != want || r.Got["reminders"] != "x y" || len(r.Errs) != 1 {
		t.Errorf("got %v %q; want %s, two names and one error", r.Got, r.Errs, want)
	}
	s.fails(500, nil, "Plain/a", step{"Op": "reminder", "Reminder": step{"Name": "z", "Due": 10 * time.Millisecond}}, step{"Op": "fail", "Value": "no"})
	s.until("the reminder of the failed turn comes", func() bool { return s.fired("Plain/a", "z") == 1 })

	s.run("Quick/a", fields("slept")...)
	s.remind("reminder", "Quick/a", "gone", step{"dueTime": "2s"})
	s.remind("reminder", "Quick/a", "wake", step{"dueTime": "2100ms"})
	s.call(http.MethodDelete, "/v1.0/actors/Quick/a/reminders/gone", "")
	s.asleep("Quick/a")
	s.until("it wakes", func() bool { return s.fired("Quick/a", "wake") == 1 })
	if r := s.run("Quick/a"); !slices.Equal(r.Mem, []string{"slept"}) || len(r.Fired) != 1 {
		t.Errorf("it came back as %+v; want what it was, and one reminder", r)
	}
}

// What was missed while the host was down counts as one.
func TestActorRemindersOverRestart(t *testing.T) {
	t.Parallel()
	s := actors(t, "")
	const period, more = 100 * time.Millisecond, 12
	s.remind("reminder", "Plain/a", "often", step{"dueTime": "0s", "period": "100ms"})
	s.remind("reminder", "Plain/a", "once", step{"dueTime": "2s"})
	s.until("it comes", func() bool { return s.fired("Plain/a", "often") > 1 })
	s.stop()
	before := time.Now()
	time.Sleep(3 * time.Second) // what is missed
	s.start()
	var after []int64
	s.until("it goes on", func() bool {
		after = slices.DeleteFunc(s.tries("Plain/a", "often"), func(at int64) bool { return at < before.UnixNano() })
		return len(after) >= more
	})
	if took := time.Duration(after[len(after)-1] - after[0]); len(after) > int(took/period)+3 {
		t.Errorf("it came %d times in %v: too often, since what was missed counts as one", len(after), took)
	}
	if once := s.tries("Plain/a", "once"); len(once) != 1 || once[0] < before.UnixNano() {
		t.Errorf("the other came at %v; want once, after the restart", once)
	}
}

// Thousands are due at a time.
func TestActorReminderStorm(t *testing.T) {
	t.Parallel()
	s := actors(t, "")
	const ids, each = 200, 15
	due := time.Now().Add(3 * time.Second).Format(time.RFC3339Nano)
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for i := c; i < ids*each; i += 8 {
				path := fmt.Sprintf("/v1.0/actors/Plain/%d/reminders/r%d", i%ids, i/ids)
				if status, _, text, err := s.send("POST", path, asJSON(step{"dueTime": due})); status != 204 {
					t.Errorf("%s: got %d %s %v", path, status, text, err)
				}
			}
		})
	}
	wg.Wait()
	s.until("all came", func() bool { return s.metric("reminders_fired_total", "Plain") >= ids*each })
	for i := range ids {
		a := fmt.Sprintf("Plain/%d", i)
		if got := len(s.run(a).Fired); got != each {
			t.Errorf("%s: %d came; want %d", a, got, each)
		}
	}
	if _, _, text := s.call("GET", "/v1.0-alpha1/actors/Plain/reminders", ""); text != `{"next":"","reminders":[]}` {
		t.Errorf("some are left: %s", text)
	}
}

// A timer keeps to its times over many periods.
func TestActorTimerDrift(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	const period, times = 20 * time.Millisecond, 500
	r := s.run("Plain/a", step{"Op": "timer", "Timer": step{"Name": "t", "Due": period, "Every": period, "Repeats": times}})
	var at []int64
	s.until("it has come", func() bool { at = s.tries("Plain/a", "t"); return len(at) > times*9/10 })
	// Most come soon after a time of the period. If each was counted from the one before, they would wander over it.
	late := 0
	for _, x := range at {
		if time.Duration(x-r.End)%period > period/2 {
			late++
		}
	}
	if late > len(at)*35/100 {
		t.Errorf("%d of %d came nearer to the next time than to their own: it drifts", late, len(at))
	}
	if took := time.Duration(at[len(at)-1] - r.End); took < period*time.Duration(len(at)) {
		t.Errorf("it came %d times in %v: too often", len(at), took)
	}
}

// Timers end with a deactivation, and sleep with their actor.
func TestActorTimers(t *testing.T) {
	t.Parallel()
	s := actors(t, "")
	timer := func(name string, due time.Duration) step {
		return step{"Op": "timer", "Timer": step{"Name": name, "Due": due}}
	}
	t.Run("replaced and stopped", func(t *testing.T) {
		s.run("Plain/a", timer("x", time.Second), timer("y", time.Hour), timer("gone", time.Second))
		s.run("Plain/a", timer("x", time.Hour), timer("y", 1200*time.Millisecond), step{"Op": "stop-timer", "Key": "gone"}, step{"Op": "stop-timer", "Key": "never"})
		s.until("y comes", func() bool { return s.fired("Plain/a", "y") == 1 })
		if s.fired("Plain/a", "x")+s.fired("Plain/a", "gone") > 0 {
			t.Errorf("what was replaced or stopped came: %v", s.state("Plain/a"))
		}
	})
	t.Run("callback", func(t *testing.T) {
		s.remind("timer", "Plain/a", "m", step{"dueTime": "1ms", "callback": "run", "data": []step{{"Op": "mem", "Value": "called"}}})
		s.until("the method is called", func() bool { return slices.Contains(s.run("Plain/a").Mem, "called") })
	})
	t.Run("deactivation", func(t *testing.T) {
		began := time.Now()
		s.run("Plain/b", timer("old", 3*time.Second))
		if err := s.h.Reload(t.Context(), "acts"); err != nil {
			t.Fatal(err)
		}
		before := s.fired("Plain/b", "old") // 0, if the reload was quick
		s.run("Plain/b", timer("new", max(0, time.Until(began.Add(3100*time.Millisecond)))))
		s.until("the new one comes", func() bool { return s.fired("Plain/b", "new") == 1 })
		if s.fired("Plain/b", "old") > before {
			t.Error("a timer came after the actor's deactivation")
		}
	})
	t.Run("hibernation", func(t *testing.T) {
		s.run("Quick/a", timer("t", 500*time.Millisecond), timer("later", time.Hour))
		s.asleep("Quick/a")
		s.run("Quick/a") // which wakes it with its timers
		s.until("it comes", func() bool { s.run("Quick/a"); return s.fired("Quick/a", "t") == 1 })
	})
	t.Run("restart", func(t *testing.T) {
		s.run("Plain/c", timer("t", 300*time.Millisecond))
		s.restart()
		s.run("Plain/c")
		s.until("it comes", func() bool { return s.fired("Plain/c", "t") == 1 })
	})
}
