package componenttests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// jco installs the other implementation into the user's cache folder if it is not there, as testdata/jco/package.json
// says, and gives the folder. It needs node, as the set-up of the tests does.
func jco(t *testing.T) (folder string) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("this test compares answers with jco, which runs on node: install node 20 or newer with npm")
	}
	var pkg struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	decode(t, filepath.Join("testdata", "jco", "package.json"), &pkg)
	folder = filepath.Join(enginetest.CacheDir(t), "jco-"+pkg.Dependencies["@bytecodealliance/jco"])
	if _, err := os.Stat(folder); err == nil {
		return folder
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	// Moved when whole, so that no test meets half of it.
	fresh := fmt.Sprintf("%s.new.%d", folder, os.Getpid())
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join("testdata", "jco", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(fresh, name), content, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = fresh
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in %s, which installs jco: %v; it needs npm and its registry\n%s", fresh, err, msg)
	}
	if err := os.Rename(fresh, folder); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return folder
}

func decode(t *testing.T, file string, v any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// jcoCalls is what the driver reads.
type jcoCalls struct {
	// Interface is the one that is called. Provider tells that the component defines the things, else the host does.
	Interface string      `json:"interface"`
	Provider  bool        `json:"provider"`
	Types     []*jsonType `json:"types"`
	Calls     []jcoCall   `json:"calls"`
}

type jcoCall struct {
	Type  int       `json:"type"`
	Value jsonValue `json:"value"`
}

// The same components under jco give back the same values, through their exports and through their imports: that they do
// so here is TestEcho, which passes the values of the same seeds.
func TestEchoLikeJCO(t *testing.T) {
	installed := jco(t)
	bin := tools(t)
	for k, encoding := range []string{"utf8", "utf16"} {
		w := newEchoWorld(t, bin, uint64(100+k), encoding, encoding)
		t.Run(encoding+" export", func(t *testing.T) { w.runUnderJCO(t, installed, w.provider, true) })
		t.Run(encoding+" import", func(t *testing.T) { w.runUnderJCO(t, installed, w.caller, false) })
	}
}

func (w *echoWorld) runUnderJCO(t *testing.T, installed string, wasm []byte, provider bool) {
	t.Helper()
	calls := jcoCalls{Interface: callIface, Provider: provider}
	if provider {
		calls.Interface = echoIface
	}
	for _, typ := range w.types {
		calls.Types = append(calls.Types, jsonTypeOf(typ))
	}
	for _, c := range w.calls {
		calls.Calls = append(calls.Calls, jcoCall{c.typ, jsonOf(w.types[c.typ], c.value)})
	}
	spec, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	driver, err := filepath.Abs(filepath.Join("testdata", "jco", "echo.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"calls.json": spec, "echo.wasm": wasm, "package.json": []byte(`{"type": "module"}`)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	output(t, dir, "node", filepath.Join(installed, "node_modules", "@bytecodealliance", "jco", "src", "jco.js"),
		"transpile", "echo.wasm", "-o", "js", "--instantiation", "async", "--quiet", "--no-typescript")
	lines := bufio.NewScanner(bytes.NewReader(output(t, dir, "node", driver, dir)))
	lines.Buffer(nil, 16<<20)
	n := 0
	for ; lines.Scan(); n++ {
		if n < len(w.calls) {
			w.checkAnswer(t, w.calls[n], lines.Bytes())
		}
	}
	if n != len(w.calls) {
		t.Errorf("want %d answers, got %d", len(w.calls), n)
	}
}

// checkAnswer checks what the driver says of a call.
func (w *echoWorld) checkAnswer(t *testing.T, c echoCall, line []byte) {
	t.Helper()
	typ := w.types[c.typ]
	var answer struct {
		Value jsonValue `json:"value"`
		Error string    `json:"error"`
	}
	err := json.Unmarshal(line, &answer)
	if err == nil && answer.Error != "" {
		err = errors.New(answer.Error)
	}
	if err != nil {
		t.Errorf("%s: %v", show(typ, c.value), err)
		return
	}
	if got, err := valueOf(typ, answer.Value); err != nil || !same(typ, c.value, got) {
		t.Errorf("type %d: got\n%s, %v; want\n%s", c.typ, show(typ, got), err, show(typ, c.value))
	}
}
