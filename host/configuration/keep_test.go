package configuration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
)

// TestDeclared: subscriptions of the manifest, and what becomes of them when they are taken out.
func TestDeclared(t *testing.T) {
	one := configurationtest.NewApp("one")
	f := prepare(t, types[0], one)
	f.cfg.Declared = []configuration.Declaration{{App: "one", Keys: []string{"b", "a"}, Where: "manifest.yaml:9"}}
	f.start()
	f.set("a", "1")
	one.Until(t, "a=1")
	f.stop()
	f.set("a", "2")
	f.start()
	if got := one.Next(t).String(); got != "a=2" {
		t.Errorf("after a restart: got %s, want a=2", got)
	}
	f.stop()
	f.cfg.Declared = nil
	f.set("a", "3")
	f.start()
	f.subscribe("one", "c")
	f.set("c", "1")
	if got := one.Next(t).String(); got != "c=1" {
		t.Errorf("without the declaration: got %s, want nothing of it", got)
	}
	f.stop()
	// What the app has asked for itself stays when the manifest does not say it any more.
	f.cfg.Declared = []configuration.Declaration{{App: "one", Keys: []string{"c"}}}
	f.start()
	f.stop()
	f.cfg.Declared = nil
	f.set("c", "2")
	f.start()
	one.Until(t, "c=2")
}

func TestDeclaredWrong(t *testing.T) {
	deaf := configurationtest.NewApp("deaf")
	deaf.Deaf = true
	f := prepare(t, types[0])
	f.cfg.Apps = []string{"one", "deaf"}
	f.cfg.Declared = []configuration.Declaration{
		{App: "one", Store: "nope", Where: "manifest.yaml:9"}, {App: "deaf", Where: "manifest.yaml:19"},
	}
	b, err := configuration.New(t.Context(), f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close(t.Context()) }()
	for _, tc := range []struct {
		app  *configurationtest.App
		want string
	}{
		{configurationtest.NewApp("one"), `manifest.yaml:9: app one: configuration: configuration component "nope" is not found`},
		{deaf, "manifest.yaml:19: app deaf: configuration: invalid request: app deaf does not export mrt:configuration/handler"},
	} {
		if _, err := b.Open(t.Context(), tc.app); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("open of %s: got error %v, want %q", tc.app.Name(), err, tc.want)
		}
	}
	f.cfg.Declared = []configuration.Declaration{{App: "one", Keys: []string{""}, Where: "manifest.yaml:9"}}
	f.cfg.Decls = append(f.cfg.Decls, component.Decl{
		Name: "x", Type: types[0], Where: "manifest.yaml:30", Metadata: component.Metadata{"pollInterval": "5"},
	})
	_, err = configuration.New(t.Context(), f.cfg)
	for _, want := range []string{"manifest.yaml:9: app one: configuration: invalid request: key 1 of 1 is empty", `manifest.yaml:30: component x: metadata field pollInterval: want a duration`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("new: got error %v, want %q", err, want)
		}
	}
}

// TestBrokenFile: a file that is no subscription is set aside; the others go on.
func TestBrokenFile(t *testing.T) {
	one := configurationtest.NewApp("one")
	f := prepare(t, types[0], one).start()
	f.set("a", "1")
	f.subscribe("one", "a")
	one.Until(t, "a=1")
	f.stop()
	dir := filepath.Join(f.dir, "data", "configuration")
	for name, text := range map[string]string{"torn.json": `{"id":"to`, "swapped.json": `{"id":"other","app":"one"}`, "left.tmp": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.set("a", "2")
	f.start()
	one.Until(t, "a=2")
	for _, name := range []string{"torn.json.bad", "swapped.json.bad"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if !f.logs.contains("torn.json is not a subscription and is set aside") {
		t.Error("the log does not say what was lost")
	}
}

// TestAppGone: a subscription rests while its app does not run, or handles nothing, and goes on later.
func TestAppGone(t *testing.T) {
	one := configurationtest.NewApp("one")
	f := prepare(t, types[0], one).start()
	f.set("a", "1")
	f.subscribe("one", "a")
	one.Until(t, "a=1")
	f.stop()
	apps := f.apps
	f.apps = nil
	f.start()
	f.stop()
	f.apps = apps
	one.Deaf = true
	f.start()
	f.stop()
	one.Deaf = false
	f.set("a", "2")
	f.start()
	one.Until(t, "a=2")
}

// TestMost: an app cannot make any number of subscriptions.
func TestMost(t *testing.T) {
	one := configurationtest.NewApp("one")
	f := prepare(t, types[1], one)
	f.cfg.Env.DataDir = "" // kept in memory only, which is faster
	f.cfg.Decls[0].Metadata = component.Metadata{"pollInterval": "1h"}
	f.start()
	for i := range 1000 {
		f.subscribe("one", fmt.Sprint(i))
	}
	_, err := f.host["one"].Subscribe(t.Context(), "", []string{"x"}, nil)
	if err == nil || err.Tag != abiconfiguration.ErrorInvalidRequest || !strings.Contains(err.Value, "has 1000 subscriptions, which is the most") {
		t.Errorf("subscription 1001: got %v", err)
	}
}
