package host_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// exchange is a request to the API and what is to come of it.
type exchange struct {
	name, method, path, body string
	status                   int
	want                     []string
}

func (s *system) exchanges(t *testing.T, list []exchange) {
	for _, tt := range list {
		t.Run(tt.name, func(t *testing.T) {
			status, _, text := s.call(tt.method, tt.path, tt.body)
			if status != tt.status || !containsAll(text, tt.want) {
				t.Errorf("%s %s: got %d %s\nwant %d with %q", tt.method, tt.path, status, text, tt.status, tt.want)
			}
		})
	}
}

// Every path of actors answers as Dapr's does.
func TestActorPaths(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	const a = "/v1.0/actors/Plain/a/"
	list := []exchange{
		{"state before a call", "GET", a + "state/k", "", 400, []string{"ERR_ACTOR_INSTANCE_MISSING"}},
		{"transaction before a call", "POST", a + "state", `[]`, 400, []string{"ERR_ACTOR_INSTANCE_MISSING"}},
		{"timer before a call", "POST", a + "timers/t", `{"dueTime":"1h"}`, 400, []string{"ERR_ACTOR_INSTANCE_MISSING"}},
	}
	for _, m := range []string{"GET", "POST", "PUT", "DELETE"} {
		list = append(list, exchange{"method by " + m, m, a + "method/run", `[{"Op":"self"}]`, 200, []string{`"self":"Plain/a true true"`}})
	}
	list = append(list, []exchange{
		{"write state", "POST", a + "state", `[{"operation":"upsert","request":{"key":"k","value":{"x":1}}},{"operation":"upsert","request":{"key":"gone","value":1}}]`, 204, nil},
		{"write state by PUT", "PUT", a + "state", `[{"operation":"delete","request":{"key":"gone"}},{"operation":"upsert","request":{"key":"t","value":"v","metadata":{"ttlInSeconds":"100"}}}]`, 204, nil},
		{"read state", "GET", a + "state/k", "", 200, []string{`{"x":1}`}},
		{"read what was deleted", "GET", a + "state/gone", "", 204, nil},
		{"read what never was", "GET", a + "state/never", "", 204, nil},
		{"state of any actor", "GET", "/v1.0-alpha1/actors/Plain/a/state", "", 200, []string{`{"key":"k","value":{"x":1}}`, `"key":"t"`, `"expires":"`}},
		{"one value of any actor", "GET", "/v1.0-alpha1/actors/Plain/a/state?key=k", "", 200, []string{`[{"key":"k","value":{"x":1}}]`}},
		{"a missing value of any actor", "GET", "/v1.0-alpha1/actors/Plain/b/state?key=k", "", 200, []string{`[]`}},
		{"list of actors", "GET", "/v1.0-alpha1/actors", "", 200, []string{`"type":"Plain","id":"a","status":"active"`, `"turns":`, `"fuel":`, `"lastUsed":`}},
		{"list of a type", "GET", "/v1.0-alpha1/actors?type=Atomic", "", 200, []string{`{"actors":[],"next":""}`}},
		{"register a reminder", "POST", a + "reminders/r", `{"data":{"x":1},"dueTime":"1h","period":"R3/PT30S","ttl":"2h"}`, 204, nil},
		{"overwrite it by PUT", "PUT", a + "reminders/r", `{"dueTime":"2h","period":"","data":"text"}`, 204, nil},
		{"a reminder that is there", "POST", a + "reminders/r", `{"dueTime":"1h","overwrite":false}`, 409, []string{"ERR_ACTOR_REMINDER_ALREADY_EXISTS"}},
		{"with a policy", "POST", a + "reminders/p", `{"dueTime":"1h","failurePolicy":{"constant":{"interval":"5s","maxRetries":2}}}`, 204, nil},
		{"with a policy in snake case", "POST", a + "reminders/q", `{"dueTime":"1h","failure_policy":{"drop":{}}}`, 204, nil},
		{"read a reminder", "GET", a + "reminders/r", "", 200, []string{`"dueTime":"2h"`, `"data":"text"`}},
		{"list reminders of a type", "GET", "/v1.0-alpha1/actors/Plain/reminders", "", 200, []string{`"name":"r"`, `"name":"p"`, `"id":"a"`, `"due":"`}},
		{"list reminders of an actor", "GET", "/v1.0-alpha1/actors/Plain/reminders?id=b", "", 200, []string{`"reminders":[]`}},
		{"delete a reminder", "DELETE", a + "reminders/r", "", 204, nil},
		{"delete it again", "DELETE", a + "reminders/r", "", 204, nil},
		{"read what was deleted", "GET", a + "reminders/r", "", 404, []string{"ERR_ACTOR_REMINDER_NOT_FOUND"}},
		{"a reminder of an actor that sleeps", "PUT", "/v1.0/actors/Plain/never/reminders/r", `{"dueTime":"1h"}`, 204, nil},
		{"register a timer", "POST", a + "timers/t", `{"dueTime":"1h","period":"1h","callback":"run","data":[]}`, 204, nil},
		{"overwrite it by PUT", "PUT", a + "timers/t", `{"dueTime":"2h"}`, 204, nil},
		{"delete a timer", "DELETE", a + "timers/t", "", 204, nil},
		{"delete it again", "DELETE", a + "timers/t", "", 204, nil},
	}...)
	s.exchanges(t, list)
	_, h, _ := s.call("GET", a+"state/t", "")
	if _, err := time.Parse(time.RFC3339, h.Get("metadata.ttlExpireTime")); err != nil {
		t.Errorf("metadata.ttlExpireTime: %v", err)
	}
	_, h, text := s.call("POST", a+"method/echo", "\x00raw", "Content-Type", "image/x-test")
	if text != "\x00raw" || h.Get("Content-Type") != "image/x-test" {
		t.Errorf("echo: got %q of %s", text, h.Get("Content-Type"))
	}
	_, _, meta := s.call("GET", "/v1.0/metadata", "")
	if !containsAll(meta, []string{`"runtimeStatus":"RUNNING"`, `{"count":1,"type":"Plain"}`}) {
		t.Errorf("metadata lacks the actors: %s", meta)
	}
}

// Every error has Dapr's status and code.
func TestActorErrors(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	s.run("Plain/a")
	const a, long = "/v1.0/actors/Plain/a/", "0123456789012345678901234567890123456789"
	nobody := []string{"ERR_ACTOR_NO_ADDRESS", "Nobody", "Plain"}
	malformed := []string{"ERR_MALFORMED_REQUEST"}
	s.exchanges(t, []exchange{
		{"unknown type", "POST", "/v1.0/actors/Nobody/a/method/run", "", 404, nobody},
		{"state of an unknown type", "GET", "/v1.0/actors/Nobody/a/state/k", "", 404, nobody},
		{"list of an unknown type", "GET", "/v1.0-alpha1/actors?type=Nobody", "", 404, nobody},
		{"timer of an unknown type", "POST", "/v1.0/actors/Nobody/a/timers/t", "{}", 404, nobody},
		{"reminder of an unknown type", "POST", "/v1.0/actors/Nobody/a/reminders/r", `{"dueTime":"1h"}`, 403, []string{"ERR_ACTOR_REMINDER_NON_HOSTED"}},
		{"read a reminder of an unknown type", "GET", "/v1.0/actors/Nobody/a/reminders/r", "", 403, []string{"ERR_ACTOR_REMINDER_NON_HOSTED"}},
		{"reserved type", "POST", "/v1.0/actors/dapr.internal.x/a/method/run", "", 403, []string{"ERR_ACTOR_TYPE_RESERVED"}},
		{"reserved type of a reminder", "POST", "/v1.0/actors/dapr.internal.x/a/reminders/r", `{"dueTime":"1h"}`, 403, []string{"ERR_ACTOR_TYPE_RESERVED"}},
		{"unknown method", "POST", a + "method/nope", "", 404, []string{"ERR_ACTOR_INVOKE_METHOD", "nope", "echo, opened, run"}},
		{"bad id", "POST", "/v1.0/actors/Plain/a%7C%7Cb/method/run", "", 400, malformed},
		{"long id", "POST", "/v1.0/actors/Plain/" + strings.Repeat(long, 30) + "/method/run", "", 400, malformed},
		{"long type", "POST", "/v1.0/actors/" + strings.Repeat(long, 10) + "/a/method/run", "", 400, malformed},
		{"id that is no UTF-8", "POST", "/v1.0/actors/Plain/%ff%fe/method/run", "", 400, malformed},
		{"long method", "POST", a + "method/" + strings.Repeat(long, 10), "", 400, malformed},
		{"long key", "GET", a + "state/" + strings.Repeat(long, 30), "", 400, malformed},
		{"input that is no JSON", "POST", a + "method/run", "{", 500, []string{"ERR_ACTOR_INVOKE_METHOD", "input of method run"}},
		{"transaction that is no JSON", "POST", a + "state", `{`, 400, malformed},
		{"unknown operation", "POST", a + "state", `[{"operation":"inc","request":{"key":"k"}}]`, 400, append(malformed, "upsert or delete")},
		{"empty key", "POST", a + "state", `[{"operation":"upsert","request":{"value":1}}]`, 400, malformed},
		{"bad ttl", "POST", a + "state", `[{"operation":"upsert","request":{"key":"k","metadata":{"ttlInSeconds":"soon"}}}]`, 400, malformed},
		{"negative ttl", "POST", a + "state", `[{"operation":"upsert","request":{"key":"k","value":1,"metadata":{"ttlInSeconds":"-1"}}}]`, 400, malformed},
		{"reminder that is no JSON", "POST", a + "reminders/r", `nope`, 400, malformed},
		{"bad due time", "POST", a + "reminders/r", `{"dueTime":"soon"}`, 400, append(malformed, "soon")},
		{"bad period", "POST", a + "reminders/r", `{"dueTime":"1s","period":"R/P"}`, 400, malformed},
		{"bad ttl of a reminder", "POST", a + "reminders/r", `{"dueTime":"1s","ttl":"2001-01-01T00:00:00Z"}`, 400, malformed},
		{"two policies", "POST", a + "reminders/r", `{"dueTime":"1s","failurePolicy":{"drop":{},"constant":{}}}`, 400, malformed},
		{"bad interval", "POST", a + "reminders/r", `{"dueTime":"1s","failurePolicy":{"constant":{"interval":"x"}}}`, 400, malformed},
		{"timer that is no JSON", "POST", a + "timers/t", `nope`, 400, malformed},
		{"bad timer", "POST", a + "timers/t", `{"dueTime":"-5s"}`, 400, malformed},
		{"no reminder", "GET", a + "reminders/none", "", 404, []string{"ERR_ACTOR_REMINDER_NOT_FOUND"}},
		{"bad limit", "GET", "/v1.0-alpha1/actors?limit=0", "", 400, malformed},
		{"bad token", "GET", "/v1.0-alpha1/actors?type=Plain&token=Plain%20x", "", 400, malformed},
		{"too many bytes", "POST", a + "method/run", strings.Repeat(" ", 5<<20), 413, []string{"ERR_REQUEST_TOO_LARGE"}},
		{"too many bytes of state", "POST", a + "state", strings.Repeat(" ", 5<<20), 413, []string{"ERR_REQUEST_TOO_LARGE"}},
		{"own error", "PUT", a + "method/run", `[{"Op":"fail","Value":"my own words"}]`, 500, []string{"ERR_ACTOR_INVOKE_METHOD", "my own words"}},
		{"panic", "PUT", a + "method/run", `[{"Op":"panic","Value":"ouch"}]`, 500, []string{"ERR_ACTOR_INVOKE_METHOD", "Plain/a"}},
		{"exit", "PUT", a + "method/run", `[{"Op":"exit","N":3}]`, 500, []string{"ERR_ACTOR_INVOKE_METHOD", "code 3"}},
		{"refuses to live", "PUT", "/v1.0/actors/Plain/refuse1/method/run", `[]`, 500, []string{"ERR_ACTOR_INVOKE_METHOD", "does not want to live"}},
		{"stillborn", "PUT", "/v1.0/actors/Plain/stillborn1/method/run", `[]`, 500, []string{"ERR_ACTOR_INVOKE_METHOD"}},
	})
	if !strings.Contains(s.log.String(), "ouch") {
		t.Errorf("the log has no word of the panic")
	}
	for _, id := range []string{"refuse1", "stillborn1"} {
		if got, ok := s.list("Plain")[id]; ok {
			t.Errorf("%s, which was never activated, is in the list as %+v", id, got)
		}
	}
}

// What an app gets of calls that fail has the contract's cases.
func TestActorErrorsOfCallers(t *testing.T) {
	t.Parallel()
	s := actors(t, actorMemory)
	tests := []struct{ typ, id, want string }{
		{"Nobody", "a", "unknown-type: "},
		{"dapr.internal.x", "a", "invalid: "},
		{"Plain", "a||b", "invalid: "},
		{"Plain", "", "invalid: "},
		{"Plain", "refuse", "failed: "},
		{"Plain", "stillborn", "other: "},
		{"Plain", "me", "deadlock: "},
	}
	for _, tt := range tests {
		t.Run(tt.typ+"/"+tt.id, func(t *testing.T) {
			r := s.run("Plain/me", step{"Op": "call", "Type": tt.typ, "ID": tt.id})
			if len(r.Errs) != 1 || !strings.HasPrefix(r.Errs[0], tt.want) {
				t.Errorf("got %q; want %s", r.Errs, tt.want)
			}
		})
	}
	r := s.run("Plain/me", step{"Op": "set", "Key": "", "Value": "x"}, step{"Op": "set", "Key": "k", "N": -1}, step{"Op": "reminder?", "Key": "none"},
		step{"Op": "reminder", "Reminder": step{"Name": "r", "Text": step{"DueTime": "soon"}}}, step{"Op": "timer", "Timer": step{"Name": ""}},
		step{"Op": "reminder", "Reminder": step{"Name": "r", "Due": time.Hour}}, step{"Op": "reminder", "Reminder": step{"Name": "r", "Due": time.Hour, "IfAbsent": true}})
	for i, want := range []string{"invalid", "invalid", "not-found", "invalid", "invalid", "exists"} {
		if i >= len(r.Errs) || !strings.HasPrefix(r.Errs[i], want) {
			t.Errorf("error %d: got %q; want %s", i, r.Errs, want)
		}
	}
	if status, _, text := s.call(http.MethodPost, s.front+"/caller/x", asJSON(step{"Type": "Nobody", "ID": "a"})); status != 500 || !strings.Contains(text, "Nobody") {
		t.Errorf("the app's call of an unknown type: got %d %s", status, text)
	}
}
