package host_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// standardGuest gives a component of testdata/standards; its README says how they are built.
func standardGuest(t *testing.T, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", "standards", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// eventually waits until the text has what is wanted.
func eventually(t *testing.T, what string, text func() string, want ...string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got := text()
		missing := ""
		for _, w := range want {
			if !strings.Contains(got, w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: want %q, found\n%s", what, missing, got)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

const hiddenComponents = `
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: hidden}
spec: {type: state.in-memory, version: v1}
scopes: [somebody]
`

// TestKeyValueDialects runs a component of each dialect of wasi:keyvalue in one host: the three are told apart by their
// types, since two of them have the same names.
func TestKeyValueDialects(t *testing.T) {
	tests := []struct{ app, want string }{
		{"kvdraft", `get Some("two")
increment Ok(42)
increment Ok(18446744073709551615)
increment true
get-many [Some(("a", "42")), None, Some(("b", "two"))]
exists Ok(false)
keys ["a", "b"] None
open Some(Error::NoSuchStore)
open Some(Error::AccessDenied)`},
		{"kvdraft2", `increment Ok(-3)
get-many [Some(("n", "-3")), None, Some(("b", "two"))]
current None
swap true
failed Some("first")
swap true
keys ["b", "c", "n", "x", "y"] None
open Some(Error::NoSuchStore)`},
		{"kvspin", `increment Ok(-3)
get-many [("n", Some("-3")), ("none", None), ("b", Some("two"))]`},
	}
	wasm, text := guests{}, memoryComponents+hiddenComponents
	for _, tt := range tests {
		wasm[tt.app] = standardGuest(t, tt.app)
		text += app(tt.app, "memory: 32Mi")
	}
	_, front, api := start(t, text, wasm, &lines{})
	for _, tt := range tests {
		t.Run(tt.app, func(t *testing.T) {
			status, _, got := fetch(t, "GET", front+"/"+tt.app+"/", "")
			if status != 200 || got != tt.want {
				t.Errorf("status %d, got\n%s\nwant\n%s", status, got, tt.want)
			}
		})
	}
	t.Run("the same entries by Dapr's API", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", api+"/v1.0/state/statestore/c", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("dapr-caller-app-id", "kvdraft2")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || string(got) != "third" {
			t.Errorf("got %s, %v; want third", got, err)
		}
	})
}

// TestKeyValueWatcher tells apps of what is written by whomever, in both dialects.
func TestKeyValueWatcher(t *testing.T) {
	var log lines
	text := strings.ReplaceAll(memoryComponents, "{type: state.in-memory, version: v1}",
		"{type: state.in-memory, version: v1, metadata: [{name: keyPrefix, value: none}]}") + app("kvdraft", "memory: 32Mi") + app("kvwatch", "memory: 32Mi")
	_, front, api := start(t, text, guests{"kvdraft": standardGuest(t, "kvdraft"), "kvwatch": standardGuest(t, "kvwatch")}, &log)

	if status, _, got := fetch(t, "GET", front+"/kvdraft/", ""); status != 200 {
		t.Fatalf("status %d: %s", status, got)
	}
	// The app's own writes, by mrt's name for the same store, and those of the HTTP API.
	if status, _, got := fetch(t, "POST", api+"/v1.0/state/statestore", `[{"key": "ordered", "value": 1}]`); status != 204 {
		t.Fatalf("status %d: %s", status, got)
	}
	if status, _, got := fetch(t, "DELETE", api+"/v1.0/state/statestore/ordered", ""); status != 204 {
		t.Fatalf("status %d: %s", status, got)
	}
	eventually(t, "log", log.String, "set a=1 true", "set a=42 true", "set b=two true", "deleted new", "set ordered=1 true", "deleted ordered",
		// The other dialect's watcher writes what it sees.
		"set seen a=1", "set seen a=42", "set seen ordered=deleted")
	inOrder(t, log.String(), "set a=1 ", "set a=42 ")
	inOrder(t, log.String(), "set ordered=1 ", "deleted ordered")
	inOrder(t, log.String(), "set seen ordered=1 ", "set seen ordered=deleted ")
}

func inOrder(t *testing.T, text, first, second string) {
	t.Helper()
	if i, k := strings.Index(text, first), strings.Index(text, second); i < 0 || k < i {
		t.Errorf("want %q before %q in\n%s", first, second, text)
	}
}

// TestConfigAndLogging reads values under all versions of wasi:config, and writes lines with and without version.
func TestConfigAndLogging(t *testing.T) {
	var log lines
	text := `
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: misc}
spec: {source: {wasm: guest.wasm}, env: {LEVEL: high, colour: shadowed}}
`
	_, front, api := start(t, text, guests{"misc": standardGuest(t, "misc")}, &log)
	if status, _, got := fetch(t, "PUT", api+"/v1.0-alpha1/configuration/configstore", `[{"key": "colour", "value": "blue"}]`); status != 204 {
		t.Fatalf("status %d: %s", status, got)
	}
	want := `draft Ok(Some("blue")) Ok(None)
dated Ok(Some("high"))
rc Ok(Some("blue"))
all Ok([("LEVEL", "high"), ("colour", "blue")])`
	if _, _, got := fetch(t, "GET", front+"/misc/", ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	eventually(t, "log", log.String, `"level":"ERROR","msg":"with version"`, `"context":"tests"`, `"severity":"critical"`, `"level":"WARN","msg":"without version"`)
}

// TestMessaging sends, takes, refuses and answers messages.
func TestMessaging(t *testing.T) {
	for _, kind := range []string{"pubsub.in-memory", "pubsub.jetstream"} {
		t.Run(kind, func(t *testing.T) { testMessaging(t, kind) })
	}
}

func testMessaging(t *testing.T, kind string) {
	var log lines
	text := `
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: ` + kind + `, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: hidden}
spec: {type: pubsub.in-memory, version: v1}
scopes: [somebody]
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: asker}
spec: {source: {wasm: guest.wasm}}
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: answerer}
spec: {source: {wasm: guest.wasm}, instances: reuse, limits: {maxInstances: 1}}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: questions}
spec: {pubsubname: pubsub, topic: questions, routes: {default: /}}
scopes: [answerer]
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: news}
spec: {pubsubname: pubsub, topic: news, routes: {default: /}}
scopes: [answerer]
`
	wasm := standardGuest(t, "messaging")
	_, front, _ := start(t, text, guests{"asker": wasm, "answerer": wasm}, &log)
	tests := []struct{ name, path, body, want string }{
		{"a request", "/ask", "why", "answer 1 to why\nanswer 2 to why\ntrue\nSome(true)"},
		{"nobody answers", "/nobody", "why", "Some(Error::Timeout)"},
		{"one is sent", "/send", "hello", "send true"},
		{"one is refused once", "/send", "again", "send true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, got := fetch(t, "POST", front+"/asker"+tt.path, tt.body); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	eventually(t, "log", log.String, `Some(\"news\") Some(\"text/plain\") hello [(\"X-Upper\", \"kept\"), (\"cloudevent.source\", \"asker\"), (\"colour\", \"blue\")]`,
		"other: not now")
	eventually(t, "log", func() string { return strings.Repeat("|", strings.Count(log.String(), "\\\") again [")) }, "||")
}

// TestBlobstore writes and reads objects.
func TestBlobstore(t *testing.T) {
	_, front, _ := start(t, app("blobstore", "memory: 32Mi"), guests{"blobstore": standardGuest(t, "blobstore")}, &lines{})
	want := `exists Ok(true) Ok(false)
again true
all Ok("hello world")
part Ok("wor")
beyond true
big 1048576 7340032
lost Ok(false)
names ["../a b.txt"] ["copy", "moved"]
info 11 true
cleared [] ["moved"]
deleted true true`
	if _, _, got := fetch(t, "GET", front+"/blobstore/", ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
