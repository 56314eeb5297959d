package lock_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// request is "METHOD path [body]"; app is who calls.
func (f *fixture) request(t *testing.T, app, text string) (status int, body string) {
	t.Helper()
	mux := http.NewServeMux()
	f.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	method, rest, _ := strings.Cut(text, " ")
	path, content, _ := strings.Cut(rest, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(content))
	r.Header.Set("App", app)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestHTTP(t *testing.T) {
	f := started(t, nil, declared("lockstore", nil), declared("second", nil, "two"))
	const (
		take = "POST /v1.0-alpha1/lock/lockstore "
		give = "POST /v1.0-alpha1/unlock/lockstore "
	)
	for _, tc := range []struct {
		app, request string
		status       int
		body         string
	}{
		{"one", take + `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":60}`, 200, `{"success":true}`},
		{"one", take + `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":60}`, 200, `{"success":false}`},
		{"one", take + `{"resourceId":"r","lockOwner":"bob","expiryInSeconds":60,"metadata":{"a":"b"}}`, 200, `{"success":false}`},
		{"two", take + `{"resourceId":"r","lockOwner":"bob","expiryInSeconds":"60"}`, 200, `{"success":true}`},
		{"", take + `{"resource_id":"r","lock_owner":"bob","expiry_in_seconds":6e1}`, 200, `{"success":true}`},
		{"two", "POST /v1.0-alpha1/lock/second " + `{"resourceId":"r","lockOwner":"bob","expiryInSeconds":2147483647}`, 200, `{"success":true}`},
		{"one", give + `{"resourceId":"r","lockOwner":"bob"}`, 200, `{"status":2}`},
		{"one", give + `{"resourceId":"s","lockOwner":"ann"}`, 200, `{"status":1}`},
		{"one", give + `{"resourceId":"r","lockOwner":"ann"}`, 200, `{"status":0}`},
		{"one", give + `{"resourceId":"r","lockOwner":"ann"}`, 200, `{"status":1}`},

		{"one", take, 400, `{"errorCode":"ERR_MALFORMED_REQUEST","message":"invalid request: ExpiryInSeconds is not positive in lock store lockstore"}`},
		{"one", take + `{}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*ExpiryInSeconds is not positive.*`},
		{"one", take + `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":-1}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*ExpiryInSeconds is not positive.*`},
		{"one", take + `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":null}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*ExpiryInSeconds is not positive.*`},
		{"one", take + `{"lockOwner":"ann","expiryInSeconds":1}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST","message":"invalid request: ResourceId is empty in lock store lockstore"}`},
		{"one", take + `{"resourceId":"r","expiryInSeconds":1}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST","message":"invalid request: LockOwner is empty in lock store lockstore"}`},
		{"one", give + `{"resourceId":"r"}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*LockOwner is empty.*`},
		{"one", give, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*ResourceId is empty.*`},
		{"one", take + `{`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST","message":"failed deserializing HTTP body: .*`},
		{"one", give + `[]`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST","message":"failed deserializing HTTP body: .*`},
		{"one", take + `{"resourceId":7,"lockOwner":"ann","expiryInSeconds":1}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*`},
		{"one", take + `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":1.5}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*want an integer of 32 bits, found 1.5.*`},
		{"one", take + `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":2147483648}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*want an integer of 32 bits.*`},
		{"one", take + `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":"soon"}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*`},
		{"one", take + "{\"resourceId\":\"\xff\",\"lockOwner\":\"ann\",\"expiryInSeconds\":1}", 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*not valid UTF-8.*`},

		{"one", "POST /v1.0-alpha1/lock/second " + `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":1}`, 400, `{"errorCode":"ERR_LOCK_STORE_NOT_FOUND","message":"lock store second not found: .*it sees lockstore.*`},
		{"one", "POST /v1.0-alpha1/unlock/nope " + `{"resourceId":"r","lockOwner":"ann"}`, 400, `{"errorCode":"ERR_LOCK_STORE_NOT_FOUND".*`},
		{"one", "POST /v1.0-alpha1/unlock/nope " + `{"lockOwner":"ann"}`, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*`},
		{"one", take + `{"resourceId":"a||b","lockOwner":"ann","expiryInSeconds":1}`, 500, `{"errorCode":"ERR_TRY_LOCK","message":"failed to try acquiring lock: .*input key/keyPrefix 'a\|\|b' can't contain '\|\|'"}`},
		{"one", give + `{"resourceId":"a||b","lockOwner":"ann"}`, 500, `{"errorCode":"ERR_UNLOCK","message":"failed to release lock: .*can't contain.*`},
		{"one", "GET /v1.0-alpha1/lock/lockstore", 405, `.*`},
	} {
		status, body := f.request(t, tc.app, tc.request)
		if status != tc.status || !regexp.MustCompile("^(?:"+tc.body+")$").MatchString(body) {
			t.Errorf("%s: %s: got %d %s, want %d %s", tc.app, tc.request, status, body, tc.status, tc.body)
		}
	}
	f.stores["lockstore"].failing(errDown, false)
	for _, tc := range [][2]string{
		{take + `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":1}`, `{"errorCode":"ERR_TRY_LOCK","message":"failed to try acquiring lock: lock store lockstore: unavailable: the cable is out"}`},
		{give + `{"resourceId":"r","lockOwner":"ann"}`, `{"errorCode":"ERR_UNLOCK","message":"failed to release lock: lock store lockstore: unavailable: the cable is out"}`},
	} {
		if status, body := f.request(t, "one", tc[0]); status != 500 || body != tc[1] {
			t.Errorf("%s: got %d %s, want 500 %s", tc[0], status, body, tc[1])
		}
	}
}

// TestHTTPNotConfigured: for an app that sees no store there is none, and what else is wrong does not matter but the time.
func TestHTTPNotConfigured(t *testing.T) {
	f := started(t, nil, declared("second", nil, "two"))
	for _, text := range []string{
		`POST /v1.0-alpha1/lock/lockstore {"resourceId":"r","lockOwner":"ann","expiryInSeconds":1}`,
		`POST /v1.0-alpha1/lock/second {"expiryInSeconds":1}`,
		`POST /v1.0-alpha1/unlock/lockstore {}`,
	} {
		if status, body := f.request(t, "one", text); status != 500 || !strings.Contains(body, `"errorCode":"ERR_LOCK_STORE_NOT_CONFIGURED","message":"lock store is not configured`) {
			t.Errorf("%s: got %d %s", text, status, body)
		}
	}
	if status, body := f.request(t, "one", "POST /v1.0-alpha1/lock/lockstore {}"); status != 400 || !strings.Contains(body, "ERR_MALFORMED_REQUEST") {
		t.Errorf("without a time: got %d %s", status, body)
	}
}
