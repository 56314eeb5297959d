package pubsub_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// server mounts the block's part of the HTTP API.
func server(f *fixture) http.Handler {
	mux := http.NewServeMux()
	f.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	return http.MaxBytesHandler(mux, 1000)
}

func TestHTTP(t *testing.T) {
	app := newApp("shop", nil)
	cfg := config(component.Metadata{"publishingScopes": "shop=orders/new,t"}, pubsub.SubscriptionDecl{Topic: "orders/new"})
	cfg.CallerApp = func(r *http.Request) string { return r.Header.Get("app") }
	f := start(t, cfg, app)
	h := server(f)
	for _, test := range []struct {
		name, method, path, contentType, body string
		status                                int
		code                                  string
	}{
		{"json", "POST", "/v1.0/publish/bus/orders/new", "application/json", `{"a":1}`, 204, ""},
		{"put and metadata", "PUT", "/v1.0/publish/bus/orders/new?metadata.cloudevent.type=own", "", `x`, 204, ""},
		{"slash at the end", "POST", "/v1.0/publish/bus/orders/new/", "", `x`, 204, ""},
		{"unknown pubsub", "POST", "/v1.0/publish/nope/t", "", ``, 404, "ERR_PUBSUB_NOT_FOUND"},
		{"no topic", "POST", "/v1.0/publish/bus/", "", ``, 404, "ERR_DIRECT_INVOKE"},
		{"forbidden", "POST", "/v1.0/publish/bus/other", "", ``, 403, "ERR_PUBSUB_FORBIDDEN"},
		{"metadata", "POST", "/v1.0/publish/bus/t?metadata.ttlInSeconds=x", "", ``, 400, "ERR_PUBSUB_REQUEST_METADATA"},
		{"no event", "POST", "/v1.0/publish/bus/t", "application/cloudevents+json", `x`, 500, "ERR_PUBSUB_CLOUD_EVENTS_SER"},
		{"too large", "POST", "/v1.0/publish/bus/t", "", strings.Repeat("x", 2000), 413, "ERR_PUBSUB_PUBLISH_MESSAGE"},
		{"bulk", "POST", "/v1.0/publish/bulk/bus/orders/new", "application/json", `[{"entryId":"1","event":{"b":1},"contentType":"application/json"},{"entryId":"2","event":"AAE=","contentType":"application/octet-stream","metadata":{"cloudevent.type":"own"}},{"entryId":"3","event":"txt","contentType":"text/plain"},{"entryId":"4","event":{"c":1}}]`, 204, ""},
		{"bulk alpha", "PUT", "/v1.0-alpha1/publish/bulk/bus/orders/new", "", `[{"entryId":"1","event":"y"}]`, 204, ""},
		{"bulk empty", "POST", "/v1.0/publish/bulk/bus/t", "", `[]`, 204, ""},
		{"bulk no json", "POST", "/v1.0/publish/bulk/bus/t", "", `{`, 400, "ERR_PUBSUB_EVENTS_SER"},
		{"bulk twice", "POST", "/v1.0/publish/bulk/bus/t", "", `[{"entryId":"1","event":"a"},{"entryId":"1","event":"b"}]`, 400, "ERR_PUBSUB_EVENTS_SER"},
		{"bulk no id", "POST", "/v1.0/publish/bulk/bus/t", "", `[{"event":"a"}]`, 400, "ERR_PUBSUB_EVENTS_SER"},
		{"bulk no base64", "POST", "/v1.0/publish/bulk/bus/t", "", `[{"entryId":"1","event":"%","contentType":"application/octet-stream"}]`, 400, "ERR_PUBSUB_EVENTS_SER"},
		{"bulk no string", "POST", "/v1.0/publish/bulk/bus/t", "", `[{"entryId":"1","event":1,"contentType":"text/plain"}]`, 400, "ERR_PUBSUB_EVENTS_SER"},
		{"bulk unknown pubsub", "POST", "/v1.0/publish/bulk/nope/t", "", `[]`, 404, "ERR_PUBSUB_NOT_FOUND"},
		{"bulk forbidden", "POST", "/v1.0/publish/bulk/bus/other", "", `[]`, 403, "ERR_PUBSUB_FORBIDDEN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			r.Header.Set("app", "shop")
			r.Header.Set("Content-Type", test.contentType)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var answer struct {
				ErrorCode, Message string
				Details            []map[string]any
			}
			if w.Body.Len() > 0 {
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
					t.Fatalf("%v: %s", err, w.Body)
				}
			}
			if w.Code != test.status || answer.ErrorCode != test.code {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, test.status, test.code)
			}
		})
	}
	got := map[string]string{}
	for range 8 {
		e := app.next(t)
		got[string(e.Data)] += e.EventType + " " + e.ContentType + " " + e.Source + ";"
	}
	const kind = "com.dapr.event.sent"
	for data, want := range map[string]string{
		`{"a":1}`: kind + " application/json shop;", `{"b":1}`: kind + " application/json shop;", "\x00\x01": "own application/octet-stream shop;",
		"txt": kind + " text/plain shop;", `{"c":1}`: kind + " application/json shop;", "y": kind + " text/plain shop;",
	} {
		if got[data] != want {
			t.Errorf("message %q: got %q, want %q", data, got[data], want)
		}
	}
}

func TestHTTPBulkFailure(t *testing.T) {
	f := start(t, config(nil))
	w := httptest.NewRecorder()
	server(f).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1.0/publish/bulk/bus/t",
		strings.NewReader(`[{"entryId":"good","event":"a"},{"entryId":"bad","event":1,"contentType":"application/cloudevents+json"}]`)))
	var answer struct {
		FailedEntries []struct{ EntryID, Error string }
		ErrorCode     string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 500 || len(answer.FailedEntries) != 1 ||
		answer.FailedEntries[0].EntryID != "bad" || answer.ErrorCode != "ERR_PUBSUB_PUBLISH_MESSAGE" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestHTTPWithoutComponents(t *testing.T) {
	cfg := config(nil)
	cfg.Decls = nil
	f := start(t, cfg)
	w := httptest.NewRecorder()
	server(f).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1.0/publish/bus/t", nil))
	if w.Code != 400 || !strings.Contains(w.Body.String(), "ERR_PUBSUB_NOT_CONFIGURED") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
