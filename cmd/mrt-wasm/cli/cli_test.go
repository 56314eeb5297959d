package cli

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScript runs the command lines of testdata/script against the real binary, built for the test. Go works there as
// on a machine without a network: nothing can be downloaded.
func TestScript(t *testing.T) {
	keep := goEnv(t, "GOCACHE", "GOMODCACHE", "GOROOT")
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	wasm := wasmFiles(t)
	// What is compiled once serves all scripts.
	keep[cacheEnv] = t.TempDir()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for name, value := range keep {
				env.Setenv(name, value)
			}
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("GOPROXY", "off")
			env.Setenv("GOFLAGS", "-mod=mod")
			env.Setenv("GOTOOLCHAIN", "local")
			env.Values[hammerKey{}] = &hammer{}
			env.Values[laterKey{}] = make(chan string, 1)
			env.Setenv("WASM", wasm)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"freeport": freeport,
			"http":     httpCall,
			"until":    until,
			"hammer":   hammerCmd,
			"later":    later,
			"answered": answered,
			"appears":  appears,
			"logged":   logged,
			"signal":   sendSignal,
			"replace":  replace,
		},
	})
}

func goEnv(t *testing.T, names ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range names {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatalf("go env %s: %v; these tests need the go command in PATH", name, err)
		}
		out[name] = strings.TrimSpace(string(value))
	}
	return out
}

func TestSDKGoIsTheModulesOwn(t *testing.T) {
	text, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "\ngo " + sdkGo + "\n"; !strings.Contains(string(text), want) {
		t.Errorf("go.mod has no line %q: set sdkGo to what it says", strings.TrimSpace(want))
	}
}

func TestEscapeMethod(t *testing.T) {
	for method, want := range map[string]string{
		"reserve":          "reserve",
		"/orders/1":        "orders/1",
		"orders?item=a b":  "orders?item=a%20b",
		"a b/c":            "a%20b/c",
		"a%2Fb":            "a%2Fb",
		"50%":              "50%25",
		"x:y":              "x:y",
		"grüße":            "gr%C3%BC%C3%9Fe",
		"q?a=1#b":          "q?a=1%23b",
		"":                 "",
		"do#it":            "do%23it",
		"orders?item=a&b=": "orders?item=a&b=",
	} {
		if got := escapeMethod(method); got != want {
			t.Errorf("escapeMethod(%q) = %q, want %q", method, got, want)
		}
	}
}

func TestParseHeaders(t *testing.T) {
	got, err := parseHeaders([]string{"X-A: 1", "x-a:2", "Empty:"})
	if err != nil || fmt.Sprint(got) != fmt.Sprint(http.Header{"X-A": {"1", "2"}, "Empty": {""}}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "novalue", ": x", "a b: c", "a: b\r\nc: d"} {
		if _, err := parseHeaders([]string{bad}); err == nil {
			t.Errorf("header %q: got no error", bad)
		}
	}
}

func TestExitCodes(t *testing.T) {
	plain := errors.New("x")
	if got := asFailure(plain); !errors.Is(got, plain) {
		t.Errorf("got %v, want a failure with %v", got, plain)
	}
	if _, ok := errors.AsType[*failure](asFailure(usagef("x"))); ok {
		t.Error("a usage error became a failure, want it left alone")
	}
	if got := asFailure(nil); got != nil {
		t.Errorf("got %v, want nil", got)
	}
}
