package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// history runs a plan with a clock that only it moves. Times are seconds after the registration. Each step of the
// script is one try: "ok" or "fail", with how late it began (+n) and how long it took (/n).
func history(t *testing.T, plan Plan, script ...string) string {
	t.Helper()
	zero := at(t, "2024-01-01T00:00:00Z")
	r, err := NewRecurrence(plan, zero)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	show := func(due time.Time, more bool) {
		if more {
			out = append(out, fmt.Sprint(due.Sub(zero).Seconds()))
		} else {
			out = append(out, "done")
		}
	}
	due, more := r.First(zero)
	show(due, more)
	for _, step := range script {
		if !more {
			t.Fatalf("%v: it is done, and there is still %q", out, step)
		}
		var late, took float64
		outcome, rest, _ := strings.Cut(step, "+")
		if rest == "" {
			outcome, _, _ = strings.Cut(step, "/")
		}
		if _, err := fmt.Sscanf(rest, "%g", &late); rest != "" && err != nil {
			t.Fatal(err)
		}
		if _, dur, ok := strings.Cut(step, "/"); ok {
			if _, err := fmt.Sscanf(dur, "%g", &took); err != nil {
				t.Fatal(err)
			}
		}
		began := due.Add(time.Duration(late * float64(time.Second)))
		ended := began.Add(time.Duration(took * float64(time.Second)))
		r = stored(t, r)
		due, more = r.After(outcome == "ok", began, ended)
		show(due, more)
	}
	return strings.Join(out, " ")
}

// stored is what a restart makes of it.
func stored(t *testing.T, r Recurrence) Recurrence {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Recurrence
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return back
}

func TestRecurrence(t *testing.T) {
	two, none := uint32(2), uint32(0)
	drop := Policy{Kind: PolicyDrop}
	for _, tc := range []struct {
		name   string
		plan   Plan
		script []string
		want   string
	}{
		{"once, at once", Plan{}, []string{"ok"}, "0 done"},
		{"once, later", Plan{DueTime: "5s"}, []string{"ok"}, "5 done"},
		{"past due time", Plan{DueTime: "2023-01-01T00:00:00Z"}, []string{"ok"}, "0 done"},
		{"period", Plan{DueTime: "3s", Period: "10s"}, []string{"ok", "ok", "ok"}, "3 13 23 33"},
		{"period, first at once", Plan{Period: "10s"}, []string{"ok", "ok"}, "0 10 20"},
		{"R3", Plan{DueTime: "1s", Period: "R3/PT1S"}, []string{"ok", "ok", "ok"}, "1 2 3 done"},
		{"R1", Plan{DueTime: "1s", Period: "R1/PT1S"}, []string{"ok"}, "1 done"},
		{"repeats", Plan{Period: "PT1S", Repeats: 2}, []string{"ok", "ok"}, "0 1 done"},
		{"repeats, said twice", Plan{Period: "R2/PT1S", Repeats: 2}, []string{"ok", "ok"}, "0 1 done"},
		{"repeats without period", Plan{Repeats: 5}, []string{"ok"}, "0 done"},
		{"ttl counts from due", Plan{DueTime: "10s", Period: "2s", TTL: "5s"}, []string{"ok", "ok", "ok"}, "10 12 14 done"},
		{"not due at the end itself", Plan{Period: "5s", TTL: "10s"}, []string{"ok", "ok"}, "0 5 done"},
		{"ttl at a time", Plan{Period: "4s", TTL: "2024-01-01T00:00:05Z"}, []string{"ok", "ok"}, "0 4 done"},

		{"late keeps the phase", Plan{Period: "10s"}, []string{"ok+3", "ok"}, "0 10 20"},
		{"downtime of many periods is one", Plan{Period: "10s"}, []string{"ok", "ok+995", "ok"}, "0 10 1010 1020"},
		{"downtime costs one repetition", Plan{Period: "R3/10s"}, []string{"ok", "ok+995", "ok"}, "0 10 1010 done"},
		{"downtime, then the ttl", Plan{Period: "10s", TTL: "15m"}, []string{"ok", "ok+995"}, "0 10 done"},
		{"slow: what came meanwhile is one, at once", Plan{Period: "10s"}, []string{"ok/35", "ok+25", "ok"}, "0 10 40 50"},
		{"the clock went back", Plan{Period: "10s"}, []string{"ok", "ok+-8", "ok"}, "0 10 20 30"},

		{"standard: three more", Plan{DueTime: "1s"}, []string{"fail", "fail", "fail", "fail"}, "1 2 3 4 done"},
		{"standard: then success", Plan{DueTime: "1s"}, []string{"fail", "ok"}, "1 2 done"},
		{"standard: then the next period", Plan{Period: "10s"}, []string{"fail", "fail", "fail", "fail", "ok"}, "0 1 2 3 10 20"},
		{"tries are counted anew each time", Plan{Period: "10s"}, []string{"fail", "ok", "fail", "fail", "fail", "fail"}, "0 1 10 11 12 13 20"},
		{"tries are one repetition", Plan{Period: "R2/10s"}, []string{"fail", "fail", "ok", "ok"}, "0 1 2 10 done"},
		{"given up is one repetition", Plan{Period: "R2/10s", OnFailure: drop}, []string{"fail", "fail"}, "0 10 done"},
		{"tries over the next times", Plan{Period: "1s"}, []string{"fail/0.5", "fail/0.5", "fail/0.5", "fail/0.5", "ok+0.5"}, "0 1.5 3 4.5 5 6"},
		{"no tries after the end", Plan{DueTime: "1s", TTL: "1500ms"}, []string{"fail", "fail"}, "1 2 done"},

		{"drop, once", Plan{OnFailure: drop}, []string{"fail"}, "0 done"},
		{"constant, two", Plan{OnFailure: Policy{Kind: PolicyConstant, Interval: 5 * time.Second, MaxRetries: &two}}, []string{"fail", "fail", "fail"}, "0 5 10 done"},
		{"constant, none", Plan{OnFailure: Policy{Kind: PolicyConstant, Interval: 5 * time.Second, MaxRetries: &none}}, []string{"fail"}, "0 done"},
		{"constant, for ever", Plan{OnFailure: Policy{Kind: PolicyConstant, Interval: time.Second}}, slices.Repeat([]string{"fail"}, 6), "0 1 2 3 4 5 6"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := history(t, tc.plan, tc.script...); got != tc.want {
				t.Errorf("due at %s; want %s", got, tc.want)
			}
		})
	}
}

func TestRecurrenceRefuses(t *testing.T) {
	for _, plan := range []Plan{
		{DueTime: "x"},
		{Period: "R0/PT1S"},
		{TTL: "-1s"},
		{DueTime: "10s", TTL: "2024-01-01T00:00:05Z"},
		{DueTime: "2023-01-01T00:00:00Z", TTL: "1h"},
		{Period: "R3/PT1S", Repeats: 2},
		{OnFailure: Policy{Kind: 7}},
		{OnFailure: Policy{Kind: PolicyConstant, Interval: -1}},
	} {
		if r, err := NewRecurrence(plan, at(t, "2024-01-01T00:00:00Z")); !errors.Is(err, ErrInvalid) {
			t.Errorf("NewRecurrence(%+v) = %+v, %v; want ErrInvalid", plan, r, err)
		}
	}
}

func TestRecurrenceExpires(t *testing.T) {
	zero := at(t, "2024-01-01T00:00:00Z")
	r, err := NewRecurrence(Plan{DueTime: "10s", TTL: "5s"}, zero)
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]bool{0: false, 14 * time.Second: false, 15 * time.Second: true} {
		if got := r.Expired(zero.Add(after)); got != want {
			t.Errorf("expired after %s: got %t, want %t", after, got, want)
		}
	}
	if due, ok := r.First(zero.Add(time.Hour)); ok {
		t.Errorf("first due after the end: got %s, want none", due)
	}
}

func TestRecurrenceOfAnotherVersion(t *testing.T) {
	var r Recurrence
	for _, text := range []string{`{}`, `{"v":2,"s":1}`, `{"v":1,"p":"x"}`, `[]`} {
		if err := json.Unmarshal([]byte(text), &r); err == nil {
			t.Errorf("%s is read as %+v; want an error", text, r)
		}
	}
}
