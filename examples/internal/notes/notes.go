// Package notes checks the examples that are not in Go: one small app, the same in every language. Each is built by its own
// recipe, run by the real mrt-wasm, and asked everything that it can. It is for their tests only.
package notes

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/examples/internal/toolchain"
)

// Example is one of the apps.
type Example struct {
	// Name is the app's name and that of its folder; Lang is the language as mrt-wasm new has it.
	Name, Lang string
	// Build is the command of the recipe that makes app.wasm.
	Build []string
	// Own are the files of the folder that a new project has not, such as locked versions.
	Own []string
	// New asks for a check of a new project with a dash in its name too. It is for languages that build in no time.
	New bool
}

// Check builds the example in the current folder and checks its answers. It checks too that the folder is what mrt-wasm new
// makes, so that whoever makes a project has what was checked here.
func Check(t *testing.T, e Example) {
	mrt := toolchain.MrtWasm(t)
	sameAsNew(t, mrt, e)
	dir := filepath.Join(t.TempDir(), e.Name)
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	toolchain.Run(t, dir, mrt, "new", "wit", filepath.Join("wit", "deps"))
	toolchain.Build(t, dir, e.Build...)
	checkApp(t, mrt, dir, e.Name)
	if !e.New {
		return
	}
	t.Run("new", func(t *testing.T) {
		name := "my-" + e.Name
		dir := filepath.Join(t.TempDir(), name)
		toolchain.Run(t, ".", mrt, "new", "app", name, "--lang", e.Lang, "--dir", dir)
		toolchain.Build(t, dir, e.Build...)
		checkApp(t, mrt, dir, name)
	})
}

// checkApp runs a built app twice: as its manifest has it, and where it may not publish.
func checkApp(t *testing.T, mrt, dir, name string) {
	cache := t.TempDir()
	t.Run("answers", func(t *testing.T) {
		a := app{t: t, process: start(t, mrt, dir, cache), root: "/" + name}
		a.answers()
	})
	t.Run("refused", func(t *testing.T) {
		forbid(t, filepath.Join(dir, "manifest.yaml"), name)
		a := app{t: t, process: start(t, mrt, dir, cache), root: "/" + name}
		a.want("PUT", "/notes/a", "text", 500, "forbidden: publishingScopes does not let app "+name+" publish to topic notes")
	})
}

// forbid adds a pubsub to a manifest to which the app may not publish.
func forbid(t *testing.T, manifest, name string) {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, `---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec:
  type: pubsub.in-memory
  version: v1
  metadata:
    - {name: publishingScopes, value: "%s="}
`, name)
	if err := os.WriteFile(manifest, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// app is a running app.
type app struct {
	*process

	t    *testing.T
	root string
}

// answers asks for everything that the app does.
func (a app) answers() {
	a.want("GET", "/last", "", 404, "no such note\n")
	a.want("GET", "/notes/a", "", 404, "no such note\n")
	notes := map[string]string{
		"a":       "the first note",
		"b/c%20d": "grüße, 世界",
		"empty":   "",
		"bytes":   "\x00\xff\xfe",
		"long":    strings.Repeat("0123456789abcdef", 16<<10),
	}
	for key, note := range notes {
		a.want("PUT", "/notes/"+key, note, 204, "")
		a.logged("note kept", key)
	}
	for key, note := range notes {
		a.want("GET", "/notes/"+key, "", 200, note)
	}
	for _, note := range []string{"grüße, 世界", "the last"} {
		a.want("PUT", "/notes/a", note, 204, "")
		a.until("/last", note)
		a.want("GET", "/notes/a", "", 200, note)
	}
	a.want("DELETE", "/notes/a", "", 204, "")
	a.want("DELETE", "/notes/a", "", 204, "")
	a.want("GET", "/notes/a", "", 404, "no such note\n")
	a.want("GET", "/notes/empty", "", 200, "")
	a.want("PUT", "/notes/", "text", 400, "found no key")
	a.want("POST", "/notes/a", "text", 405, "want GET, PUT or DELETE")
	a.want("GET", "/other", "", 404, "want "+a.root+"/notes/KEY or "+a.root+"/last")
	a.want("PUT", "/notes/"+strings.Repeat("k", 64<<10), "text", 500, "invalid key: the key has 65541 bytes, more than 65536")
}

// want sends one request and checks status and answer: all of it if the status is 200, else a part.
func (a app) want(method, path, body string, status int, text string) {
	a.t.Helper()
	got, answer := a.send(method, path, body)
	if got != status || status == 200 && answer != text || !strings.Contains(answer, text) {
		a.t.Fatalf("%s %.80s: got %d %.200q, want %d %.200q", method, a.root+path, got, answer, status, text)
	}
}

// until repeats a GET until the app answers with a text: what is published comes in its own time.
func (a app) until(path, text string) {
	a.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got, answer := a.send("GET", path, "")
		if got == 200 && answer == text {
			return
		}
		if time.Now().After(end) {
			a.t.Fatalf("GET %s: got %d %.200q within %s, want %.200q", a.root+path, got, answer, patience, text)
		}
	}
}

func (a app) send(method, path, body string) (status int, answer string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+a.root+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	status, answer, err = do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	return status, answer
}
