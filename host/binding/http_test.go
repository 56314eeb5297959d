package binding_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func trapped() error { return &abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable"} }

func overloaded() *block.ErrOverloaded {
	return &block.ErrOverloaded{App: "orders", RetryAfter: 3 * time.Second}
}

func TestHTTPAPI(t *testing.T) {
	f := &fixture{}
	cfg := f.config(t,
		component.Decl{Name: "out", Type: "bindings.sink"},
		component.Decl{Name: "mine", Type: "bindings.sink", Scopes: []string{"orders"}})
	cfg.CallerApp = func(r *http.Request) string { return r.Header.Get("App") }
	f.start(t, cfg, newApp("orders", nil))
	mux := http.NewServeMux()
	f.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	for _, test := range []struct {
		name, method, path, app, body string
		status                        int
		code, want                    string
	}{
		{"data is JSON as it stands", "POST", "out", "", `{"operation":"echo","data":{ "b" : 1, "a":"<ü>" }}`, 200, "", `{"b":1,"a":"<ü>"}`},
		{"a text keeps its quotes", "PUT", "out", "", `{"operation":"echo","data":"hi"}`, 200, "", `"hi"`},
		{"no data", "POST", "out", "", `{"operation":"create"}`, 204, "", ""},
		{"nil reply", "POST", "out", "", `{"operation":"nothing","metadata":{"k":"v"}}`, 204, "", ""},
		{"scoped", "POST", "mine", "orders", `{"operation":"nothing"}`, 204, "", ""},
		{"scoped away", "POST", "mine", "other", `{"operation":"nothing"}`, 500, "ERR_INVOKE_OUTPUT_BINDING", "error invoking output binding mine: bindings component \"mine\" is not found for app other"},
		{"unknown binding", "POST", "nope", "orders", `{"operation":"create"}`, 500, "ERR_INVOKE_OUTPUT_BINDING", "it sees out, mine"},
		{"unknown operation", "POST", "out", "", `{"operation":"explode"}`, 500, "ERR_INVOKE_OUTPUT_BINDING", "it has create, echo, nothing, fail"},
		{"no operation", "POST", "out", "", `{}`, 500, "ERR_INVOKE_OUTPUT_BINDING", "no operation \"\""},
		{"failure", "POST", "out", "", `{"operation":"fail"}`, 500, "ERR_INVOKE_OUTPUT_BINDING", "it failed"},
		{"no JSON", "POST", "out", "", `{"operation`, 400, "ERR_MALFORMED_REQUEST", "failed deserializing HTTP body"},
		{"no body", "POST", "out", "", ``, 400, "ERR_MALFORMED_REQUEST", "failed deserializing HTTP body"},
		{"metadata of numbers", "POST", "out", "", `{"operation":"echo","metadata":{"k":1}}`, 400, "ERR_MALFORMED_REQUEST", "want"},
		{"too large", "POST", "out", "", `{"operation":"echo","data":"` + strings.Repeat("x", 2000) + `"}`, 413, "ERR_MALFORMED_REQUEST", "larger than 1000 bytes"},
		{"wrong method", "GET", "out", "", ``, 405, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), test.method, "/v1.0/bindings/"+test.path, strings.NewReader(test.body))
			r.Header.Set("App", test.app)
			r.Body = http.MaxBytesReader(w, r.Body, 1000)
			mux.ServeHTTP(w, r)
			if w.Code != test.status {
				t.Fatalf("status: got %d %s, want %d", w.Code, w.Body, test.status)
			}
			if test.status == 200 && (w.Body.String() != test.want || w.Header().Get("metadata.json") != "true" || w.Header().Get("Content-Type") != "text/plain") {
				t.Errorf("got %q, %v; want %q", w.Body, w.Header(), test.want)
			}
			if test.name == "no data" && w.Header().Get("metadata.made") != "yes" {
				t.Errorf("headers: got %v", w.Header())
			}
			if test.code == "" {
				return
			}
			var got struct{ ErrorCode, Message string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.ErrorCode != test.code || !strings.Contains(got.Message, test.want) {
				t.Errorf("got %s, %v; want %s with %q", w.Body, err, test.code, test.want)
			}
		})
	}
}

func FuzzHTTPAPI(f *testing.F) {
	for _, body := range []string{`{"operation":"echo","data":1}`, `{"data":[[[`, `null`, `{"metadata":null,"operation":"nothing"}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fix := &fixture{}
		if err := fix.open(t, fix.config(t)); err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		fix.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1.0/bindings/out", strings.NewReader(body)))
		if w.Code >= 300 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: got %d with %q", body, w.Code, w.Body)
		}
	})
}

func TestUnknownOperationError(t *testing.T) {
	if got := fmt.Sprint(&binding.UnknownOperationError{Operation: "x"}); got != `the binding has no operation "x"; it has none` {
		t.Errorf("got %s", got)
	}
}
