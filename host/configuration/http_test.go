package configuration_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
)

func (f *fixture) mux() *http.ServeMux {
	mux := http.NewServeMux()
	f.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	return mux
}

// request is "METHOD path [body]"; app is who calls.
func request(t *testing.T, mux http.Handler, app, text string) (int, string) {
	t.Helper()
	method, rest, _ := strings.Cut(text, " ")
	path, body, _ := strings.Cut(rest, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("App", app)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestHTTP(t *testing.T) {
	one := configurationtest.NewApp("one")
	f := prepare(t, types[0], one).start()
	mux := f.mux()
	const id = `{"id":"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"}`
	for _, tc := range []struct {
		app, request string
		status       int
		body         string
	}{
		{"", "GET /v1.0/configuration/configstore?key=a", 204, ``},
		{"", "GET /v1.0/configuration/configstore", 204, ``},
		{"", `PUT /v1.0-alpha1/configuration/configstore [{"key":"a","value":"1"},{"key":"b c","value":""}]`, 204, ``},
		{"", "GET /v1.0/configuration/configstore?key=a&key=none", 200, `{"a":{"value":"1","version":"1","metadata":{}}}`},
		{"one", "GET /v1.0-alpha1/configuration/configstore?metadata.x=y", 200, `{"a":{"value":"1","version":"1","metadata":{}},"b c":{"value":"","version":"2","metadata":{}}}`},
		{"", `POST /v1.0-alpha1/configuration/configstore [{"key":"a","value":"2"}]`, 204, ``},
		{"", "GET /v1.0/configuration/configstore?key=a", 200, `{"a":{"value":"2","version":"3","metadata":{}}}`},
		{"", "DELETE /v1.0-alpha1/configuration/configstore?key=a&key=b%20c", 204, ``},
		{"", "GET /v1.0/configuration/configstore", 204, ``},
		{"one", "GET /v1.0/configuration/configstore/subscribe?key=a", 200, id},
		{"one", "GET /v1.0-alpha1/configuration/configstore/subscribe", 200, id},
		{"", "GET /v1.0/configuration/nope?key=a", 400, `{"errorCode":"ERR_CONFIGURATION_STORE_NOT_FOUND".*it sees configstore.*`},
		{"one", "GET /v1.0/configuration/nope/subscribe", 400, `{"errorCode":"ERR_CONFIGURATION_STORE_NOT_FOUND".*`},
		{"one", "GET /v1.0/configuration/nope/x/unsubscribe", 400, `{"errorCode":"ERR_CONFIGURATION_STORE_NOT_FOUND".*`},
		{"", "GET /v1.0/configuration/configstore?key=", 400, `{"errorCode":"ERR_CONFIGURATION_GET".*key 1 of 1 is empty.*`},
		{"", "GET /v1.0/configuration/configstore?key=%zz", 400, `{"errorCode":"ERR_CONFIGURATION_GET".*the query .* cannot be read.*`},
		{"one", "GET /v1.0/configuration/configstore/subscribe?key=%zz", 500, `{"errorCode":"ERR_CONFIGURATION_SUBSCRIBE".*`},
		{"", "DELETE /v1.0-alpha1/configuration/configstore?key=%zz", 400, `{"errorCode":"ERR_CONFIGURATION_SET".*`},
		{"", "GET /v1.0/configuration/configstore/subscribe?key=a", 500, `{"errorCode":"ERR_APP_CHANNEL_NIL".*`},
		{"ghost", "GET /v1.0/configuration/configstore/subscribe?key=a", 500, `{"errorCode":"ERR_APP_CHANNEL_NIL".*ghost.*`},
		{"one", "GET /v1.0/configuration/configstore/subscribe?key=", 500, `{"errorCode":"ERR_CONFIGURATION_SUBSCRIBE".*`},
		{"one", "GET /v1.0/configuration/configstore/nope/unsubscribe", 500, `{"message":".*nope.*"}`},
		{"", "PUT /v1.0-alpha1/configuration/configstore {}", 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*`},
		{"", `PUT /v1.0-alpha1/configuration/configstore [{"key":"a"},{"key":7}]`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*`},
		{"", `PUT /v1.0-alpha1/configuration/configstore [{"key":"a"}]`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*item 0 \(\\"a\\"\) has no value.*`},
		{"", `PUT /v1.0-alpha1/configuration/configstore [{"key":"","value":"x"}]`, 400, `{"errorCode":"ERR_CONFIGURATION_SET".*`},
		{"", `PUT /v1.0-alpha1/configuration/nope [{"key":"a","value":"x"}]`, 400, `{"errorCode":"ERR_CONFIGURATION_STORE_NOT_FOUND".*`},
		{"", "DELETE /v1.0-alpha1/configuration/configstore", 400, `{"errorCode":"ERR_CONFIGURATION_SET".*want the keys to delete.*`},
	} {
		status, body := request(t, mux, tc.app, tc.request)
		if status != tc.status || !regexp.MustCompile("^(?:"+tc.body+")$").MatchString(body) {
			t.Errorf("%s: got %d %s, want %d %s", tc.request, status, body, tc.status, tc.body)
		}
	}
	f.faulty.fail(errDown)
	if status, body := request(t, mux, "", "GET /v1.0/configuration/configstore"); status != 500 || !strings.Contains(body, "ERR_CONFIGURATION_GET") {
		t.Errorf("get without a store: got %d %s", status, body)
	}
}

// TestHTTPSubscribe: changes go to the handler of the app that asked, until it or anybody ends it.
func TestHTTPSubscribe(t *testing.T) {
	one := configurationtest.NewApp("one")
	f := prepare(t, types[0], one).start()
	mux := f.mux()
	_, body := request(t, mux, "one", "GET /v1.0/configuration/configstore/subscribe?key=a")
	id := strings.Split(body, `"`)[3]
	f.set("a", "1")
	if got := one.Next(t); got.String() != "a=1" || got.ID != id {
		t.Errorf("got %+v, want a=1 with id %s", got, id)
	}
	if status, body := request(t, mux, "two", "GET /v1.0/configuration/configstore/"+id+"/unsubscribe"); status != 500 {
		t.Errorf("unsubscribe by another app: got %d %s", status, body)
	}
	if status, body := request(t, mux, "", "GET /v1.0/configuration/configstore/"+id+"/unsubscribe"); status != 200 || body != `{"ok":true}` {
		t.Errorf("unsubscribe: got %d %s", status, body)
	}
}

func TestHTTPNotConfigured(t *testing.T) {
	f := prepare(t, types[0])
	f.cfg.Decls = nil
	mux := f.start().mux()
	for _, path := range []string{"GET /v1.0/configuration/configstore", "GET /v1.0/configuration/configstore/subscribe", "PUT /v1.0-alpha1/configuration/configstore []"} {
		if status, body := request(t, mux, "", path); status != 500 || !strings.Contains(body, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED") {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
}

// TestHTTPReadOnly: a store that cannot be written to says so.
func TestHTTPReadOnly(t *testing.T) {
	f := prepare(t, types[1]).start()
	status, body := request(t, f.mux(), "", `PUT /v1.0-alpha1/configuration/configstore [{"key":"a","value":"1"}]`)
	if status != 501 || !strings.Contains(body, "ERR_CONFIGURATION_STORE_NOT_SUPPORTED") {
		t.Errorf("set: got %d %s, want 501", status, body)
	}
}
