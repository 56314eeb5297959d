package state_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// newAPI serves the routes of a block with one app; "other" is what a call without a name acts for.
func newAPI(t *testing.T, decls ...component.Decl) (string, opener) {
	t.Helper()
	b, stores := newBlock(t, state.Config{
		Decls: decls, Apps: []string{"orders"}, CallerApp: func(r *http.Request) string {
			return cmp.Or(r.Header.Get("dapr-app-id"), "orders")
		},
	})
	mux := http.NewServeMux()
	b.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, stores
}

// answer is what a call gave.
type answer struct {
	status int
	header http.Header
	body   string
}

// request makes a call; headers are "Name: value".
func request(t *testing.T, base, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// step is one call of a conversation and what it is to give.
type step struct {
	name, call, body string
	header           string
	status           int
	want             string // the whole body; for an error its code, and its message after a space
}

func (s step) run(t *testing.T, base string) answer {
	t.Helper()
	method, path, _ := strings.Cut(s.call, " ")
	var headers []string
	if s.header != "" {
		headers = append(headers, s.header)
	}
	got := request(t, base, method, path, s.body, headers...)
	text := got.body
	if got.status >= http.StatusBadRequest {
		var e struct{ ErrorCode, Message string }
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Errorf("%s: the error %q is no JSON: %v", s.name, text, err)
		}
		text = e.ErrorCode + " " + e.Message
	}
	if got.status != s.status || text != s.want {
		t.Errorf("%s: %s: got %d %s, want %d %s", s.name, s.call, got.status, text, s.status, s.want)
	}
	return got
}

func TestAPI(t *testing.T) {
	base, _ := newAPI(t, decl("s", nil))
	for _, s := range []step{
		{name: "missing", call: "GET /v1.0/state/s/a", status: 204},
		{name: "save nothing", call: "POST /v1.0/state/s", body: `[]`, status: 204},
		{name: "save", call: "POST /v1.0/state/s", body: `[{"key":"a","value":{"x":  1}},{"key":"b","value":"text"},{"key":"c","value":null},{"key":"d"}]`, status: 204},
		{name: "object", call: "GET /v1.0/state/s/a", status: 200, want: `{"x":1}`},
		{name: "string keeps its quotes", call: "GET /v1.0/state/s/b", status: 200, want: `"text"`},
		{name: "null", call: "GET /v1.0/state/s/c", status: 200, want: `null`},
		{name: "no value", call: "GET /v1.0/state/s/d", status: 200, want: `null`},
		{name: "strong", call: "GET /v1.0/state/s/a?consistency=strong", status: 200, want: `{"x":1}`},
		{name: "PUT is POST", call: "PUT /v1.0/state/s", body: `[{"key":"with/slash ä","value":1}]`, status: 204},
		{name: "key with a slash", call: "GET /v1.0/state/s/with%2Fslash%20%C3%A4", status: 200, want: `1`},
		{name: "delete", call: "DELETE /v1.0/state/s/a", status: 204},
		{name: "delete again", call: "DELETE /v1.0/state/s/a", status: 204},
		{name: "gone", call: "GET /v1.0/state/s/a", status: 204},

		{name: "first", call: "POST /v1.0/state/s", body: `[{"key":"f","value":1,"options":{"concurrency":"first-write"}}]`, status: 204},
		{
			name: "first again", call: "POST /v1.0/state/s", body: `[{"key":"f","value":2,"options":{"concurrency":"first-write","consistency":"strong"}}]`, status: 409,
			want: `ERR_STATE_SAVE failed saving state in state store s: state store s: key "orders||f": etag mismatch: it exists and the write is first-write without an etag`,
		},
		{
			name: "stale etag", call: "POST /v1.0/state/s", body: `[{"key":"f","value":2,"etag":"999"}]`, status: 409,
			want: `ERR_STATE_SAVE failed saving state in state store s: state store s: key "orders||f": etag mismatch`,
		},
		{
			name: "stale etag of one of two", call: "POST /v1.0/state/s", body: `[{"key":"f","value":2,"etag":"999"},{"key":"g","value":2}]`, status: 409,
			want: `ERR_STATE_SAVE failed saving state in state store s: state store s: key "orders||f": etag mismatch`,
		},
		{name: "the other one is written", call: "GET /v1.0/state/s/g", status: 200, want: `2`},
		{
			name: "delete with stale etag", call: "DELETE /v1.0/state/s/f", header: "If-Match: 999", status: 409,
			want: `ERR_STATE_DELETE failed deleting state with key f: state store s: key "orders||f": etag mismatch`,
		},
		{name: "last write wins", call: "DELETE /v1.0/state/s/f?concurrency=last-write&consistency=eventual", header: "If-Match: 999", status: 204},

		{name: "no JSON", call: "POST /v1.0/state/s", body: `[{`, status: 400, want: "ERR_MALFORMED_REQUEST failed deserializing HTTP body: unexpected end of JSON input"},
		{name: "no body", call: "POST /v1.0/state/s", status: 400, want: "ERR_MALFORMED_REQUEST failed deserializing HTTP body: unexpected end of JSON input"},
		{name: "an object", call: "POST /v1.0/state/s", body: `{"key":"a"}`, status: 400, want: "ERR_MALFORMED_REQUEST failed deserializing HTTP body: want an array, found object before byte 1"},
		{name: "key is a number", call: "POST /v1.0/state/s", body: `[{"key":1}]`, status: 400, want: "ERR_MALFORMED_REQUEST failed deserializing HTTP body: key: want a string, found number before byte 9"},
		{name: "no key", call: "POST /v1.0/state/s", body: `[{"value":1}]`, status: 400, want: `ERR_MALFORMED_REQUEST "key" is a required field`},
		{name: "separator in key", call: "POST /v1.0/state/s", body: `[{"key":"ke||y1","value":1}]`, status: 400, want: `ERR_MALFORMED_REQUEST invalid key: input key/keyPrefix 'ke||y1' can't contain '||'`},
		{name: "get of it", call: "GET /v1.0/state/s/ke%7C%7Cy1", status: 400, want: `ERR_MALFORMED_REQUEST invalid key: input key/keyPrefix 'ke||y1' can't contain '||'`},
		{name: "delete of it", call: "DELETE /v1.0/state/s/ke%7C%7Cy1", status: 400, want: `ERR_MALFORMED_REQUEST invalid key: input key/keyPrefix 'ke||y1' can't contain '||'`},
		{name: "concurrency", call: "POST /v1.0/state/s", body: `[{"key":"a","options":{"concurrency":"third"}}]`, status: 400, want: `ERR_MALFORMED_REQUEST concurrency: want first-write or last-write, found "third"`},
		{name: "consistency", call: "GET /v1.0/state/s/a?consistency=weak", status: 400, want: `ERR_MALFORMED_REQUEST consistency: want strong or eventual, found "weak"`},
		{
			name: "bad TTL", call: "POST /v1.0/state/s", body: `[{"key":"a","metadata":{"ttlInSeconds":"soon"}}]`, status: 500,
			want: `ERR_STATE_SAVE failed saving state in state store s: invalid request: metadata ttlInSeconds: want seconds from 1 to 2147483647, or -1 to remove the time to live, found "soon"`,
		},

		{name: "unknown store", call: "GET /v1.0/state/none/a", status: 400, want: "ERR_STATE_STORE_NOT_FOUND state store none is not found"},
		{name: "unknown store of save", call: "POST /v1.0/state/none", status: 400, want: "ERR_STATE_STORE_NOT_FOUND state store none is not found"},
		{name: "unknown store of query", call: "POST /v1.0-alpha1/state/none/query", status: 400, want: "ERR_STATE_STORE_NOT_FOUND state store none is not found"},
	} {
		s.run(t, base)
	}
}

func TestAPIHeaders(t *testing.T) {
	base, _ := newAPI(t, decl("s", nil))
	step{name: "save", call: "POST /v1.0/state/s?metadata.ttlInSeconds=3600", body: `[{"key":"a","value":1,"metadata":{"ttlInSeconds":"1"}}]`, status: 204}.run(t, base)
	got := step{name: "get", call: "GET /v1.0/state/s/a", status: 200, want: "1"}.run(t, base)
	if got.header.Get("ETag") == "" || got.header.Get("metadata.ttlExpireTime") == "" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers: got %v, want ETag, metadata.ttlExpireTime and application/json", got.header)
	}
	etag := got.header.Get("ETag")
	step{name: "save with the etag", call: "POST /v1.0/state/s", body: fmt.Sprintf(`[{"key":"a","value":2,"etag":%q}]`, etag), status: 204}.run(t, base)
	got = step{name: "get", call: "GET /v1.0/state/s/a", status: 200, want: "2"}.run(t, base)
	if got.header.Get("metadata.ttlExpireTime") != "" || got.header.Get("ETag") == etag {
		t.Errorf("headers: got %v, want no ttlExpireTime and another ETag than %s", got.header, etag)
	}
	step{name: "delete", call: "DELETE /v1.0/state/s/a", header: "If-Match: " + got.header.Get("ETag"), status: 204}.run(t, base)
}

func TestAPIBulk(t *testing.T) {
	base, stores := newAPI(t, decl("s", nil))
	for key, value := range map[string]string{"text": "plain text", "bytes": "\xff\x00"} {
		if err := stores["s"].Set(t.Context(), state.SetRequest{Key: "orders||" + key, Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	step{name: "save", call: "POST /v1.0/state/s", body: `[{"key":"a","value":{"x":1}}]`, status: 204}.run(t, base)
	for _, s := range []step{
		{name: "nothing", call: "POST /v1.0/state/s/bulk", body: `{"keys":[]}`, status: 200, want: `[]`},
		{name: "bad JSON", call: "POST /v1.0/state/s/bulk", body: `{`, status: 400, want: "ERR_MALFORMED_REQUEST failed deserializing HTTP body: unexpected end of JSON input"},
		{name: "bad key", call: "PUT /v1.0/state/s/bulk", body: `{"keys":["a","b||c"]}`, status: 400, want: "ERR_MALFORMED_REQUEST invalid key: input key/keyPrefix 'b||c' can't contain '||'"},
	} {
		s.run(t, base)
	}
	got := request(t, base, "POST", "/v1.0/state/s/bulk", `{"keys":["bytes","none","a","text"],"parallelism":2,"metadata":{"m":"1"}}`)
	var list []map[string]any
	if err := json.Unmarshal([]byte(got.body), &list); err != nil || got.status != 200 {
		t.Fatalf("bulk: got %d %s, error %v", got.status, got.body, err)
	}
	for i, item := range list {
		if _, ok := item["etag"]; ok != (i != 1) {
			t.Errorf("bulk: item %v has an etag: %t", item, ok)
		}
		delete(item, "etag")
	}
	want := []map[string]any{
		{"key": "bytes", "data": "/wA="}, {"key": "none"}, {"key": "a", "data": map[string]any{"x": 1.0}}, {"key": "text", "data": "plain text"},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("bulk: got %v, want %v", list, want)
	}
}

func TestAPITransaction(t *testing.T) {
	base, _ := newAPI(t, decl("s", nil), component.Decl{Name: "plain", Type: "state.plain"}, component.Decl{Name: "limited", Type: "state.limited"})
	const path = "POST /v1.0/state/s/transaction"
	for _, s := range []step{
		{name: "nothing", call: path, body: `{}`, status: 204},
		{name: "both", call: path, body: `{"operations":[{"operation":"upsert","request":{"key":"a","value":{"x":1}}},{"operation":"delete","request":{"key":"b"}}],"metadata":{"ttlInSeconds":"60"}}`, status: 204},
		{name: "written", call: "GET /v1.0/state/s/a", status: 200, want: `{"x":1}`},
		{
			name: "mismatch", call: path, body: `{"operations":[{"operation":"upsert","request":{"key":"c","value":1}},{"operation":"upsert","request":{"key":"a","value":2,"etag":"999"}}]}`, status: 500,
			want: `ERR_STATE_TRANSACTION error while executing state transaction: state store s: key "orders||a": etag mismatch`,
		},
		{name: "nothing written", call: "GET /v1.0/state/s/c", status: 204},
		{name: "operation", call: path, body: `{"operations":[{"operation":"increment","request":{"key":"a"}}]}`, status: 400, want: "ERR_NOT_SUPPORTED_STATE_OPERATION operation type increment not supported"},
		{name: "no key", call: path, body: `{"operations":[{"operation":"delete","request":{}}]}`, status: 400, want: `ERR_MALFORMED_REQUEST "key" is a required field`},
		{name: "bad key", call: path, body: `{"operations":[{"operation":"delete","request":{"key":"||"}}]}`, status: 400, want: "ERR_MALFORMED_REQUEST invalid key: input key/keyPrefix '||' can't contain '||'"},
		{
			name: "bad JSON", call: "PUT /v1.0/state/s/transaction", body: `[]`, status: 400,
			want: "ERR_MALFORMED_REQUEST failed deserializing HTTP body: want an object, found array before byte 1",
		},
		{name: "not supported", call: "POST /v1.0/state/plain/transaction", body: `{}`, status: 500, want: "ERR_STATE_STORE_NOT_SUPPORTED state store plain doesn't support transactions"},
		{
			name: "too many", call: "POST /v1.0/state/limited/transaction", body: `{"operations":[{"operation":"delete","request":{"key":"a"}},{"operation":"delete","request":{"key":"b"}}]}`, status: 400,
			want: "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS the transaction contains 2 operations, which is more than what the state store supports: 1",
		},
	} {
		s.run(t, base)
	}
}

func TestAPIQueryAndList(t *testing.T) {
	encrypted := decl("enc", component.Metadata{"primaryEncryptionKey": strings.Repeat("00", 16)})
	base, _ := newAPI(t, decl("s", nil), component.Decl{Name: "plain", Type: "state.plain"}, encrypted)
	for _, item := range []string{`{"key":"a1","value":{"n":1}}`, `{"key":"a2","value":{"n":2}}`, `{"key":"b","value":"x"}`} { // one by one, for the etags
		step{name: "save", call: "POST /v1.0/state/s", body: "[" + item + "]", status: 204}.run(t, base)
	}
	const query, list = "POST /v1.0-alpha1/state/s/query", "GET /v1.0-alpha1/state/s"
	for _, s := range []step{
		{name: "query none", call: query, body: `{"filter":{"EQ":{"n":3}}}`, status: 204},
		{name: "query", call: query, body: `{"filter":{"GT":{"n":0}},"sort":[{"key":"n","order":"DESC"}],"page":{"limit":1}}`, status: 200, want: `{"results":[{"key":"a2","data":{"n":2},"etag":"2"}],"token":"1"}`},
		{name: "next page", call: "PUT /v1.0-alpha1/state/s/query", body: `{"filter":{"GT":{"n":0}},"sort":[{"key":"n","order":"DESC"}],"page":{"limit":1,"token":"1"}}`, status: 200, want: `{"results":[{"key":"a1","data":{"n":1},"etag":"1"}]}`},
		{name: "bad query", call: query, body: `{"filter":{"XX":{}}}`, status: 500, want: "ERR_STATE_QUERY state store s query failed: invalid request: filter.XX: want one of EQ, NEQ, GT, GTE, LT, LTE, IN, AND, OR"},
		{name: "query not supported", call: "POST /v1.0-alpha1/state/plain/query", status: 500, want: "ERR_STATE_STORE_NOT_SUPPORTED state store does not support querying"},
		{name: "query of an encrypted store", call: "POST /v1.0-alpha1/state/enc/query", status: 500, want: "ERR_STATE_QUERY state store enc query failed: not supported: state store enc: cannot query encrypted store"},

		{name: "list", call: list, status: 200, want: `{"keys":["a1","a2","b"]}`},
		{name: "list prefix", call: list + "?prefix=a", status: 200, want: `{"keys":["a1","a2"]}`},
		{name: "list nothing", call: list + "?prefix=z", status: 200, want: `{"keys":[]}`},
		{name: "list page", call: list + "?limit=2", status: 200, want: fmt.Sprintf(`{"keys":["a1","a2"],"token":%q}`, state.PageToken("orders||a2"))},
		{name: "list next page", call: list + "?limit=2&token=" + state.PageToken("orders||a2"), status: 200, want: `{"keys":["b"]}`},
		{name: "list limit", call: list + "?limit=many", status: 400, want: `ERR_MALFORMED_REQUEST limit: want 1 to 1000, found "many"`},
		{name: "list limit", call: list + "?limit=1001", status: 400, want: "ERR_MALFORMED_REQUEST invalid request: limit: want 1 to 1000, or 0 for 100, found 1001"},
		{
			name: "list token of another app", call: list + "?token=" + state.PageToken("other||a"), status: 400,
			want: fmt.Sprintf("ERR_MALFORMED_REQUEST state store s: invalid request: page token %q is not one that listing this prefix gave; start without a token", state.PageToken("other||a")),
		},
		{name: "list not supported", call: "GET /v1.0-alpha1/state/plain", status: 500, want: "ERR_STATE_STORE_NOT_SUPPORTED state store plain does not support listing keys"},
	} {
		s.run(t, base)
	}
}

func TestAPIActsForAnApp(t *testing.T) {
	base, stores := newAPI(t, decl("s", nil), decl("scoped", nil, "billing"))
	for _, s := range []step{
		{name: "default", call: "POST /v1.0/state/s", body: `[{"key":"k","value":"default"}]`, status: 204},
		{name: "header", call: "POST /v1.0/state/s", header: "dapr-app-id: billing", body: `[{"key":"k","value":"header"}]`, status: 204},
		{name: "default", call: "GET /v1.0/state/s/k", status: 200, want: `"default"`},
		{name: "header", call: "GET /v1.0/state/s/k", header: "dapr-app-id: billing", status: 200, want: `"header"`},
		{name: "out of scope", call: "GET /v1.0/state/scoped/k", status: 400, want: "ERR_STATE_STORE_NOT_FOUND state store scoped is not found"},
		{name: "in scope", call: "GET /v1.0/state/scoped/k", header: "dapr-app-id: billing", status: 204},
	} {
		s.run(t, base)
	}
	for key, want := range map[string]string{"orders||k": `"default"`, "billing||k": `"header"`} {
		if e, err := stores["s"].Get(t.Context(), state.GetRequest{Key: key}); err != nil || e == nil || string(e.Value) != want {
			t.Errorf("key %s on the store: got %+v, error %v, want %s", key, e, err, want)
		}
	}
}

// TestAPIErrorDetails: the google.rpc details that Dapr's clients read.
func TestAPIErrorDetails(t *testing.T) {
	const types = "type.googleapis.com/google.rpc."
	base, _ := newAPI(t, decl("s", nil), component.Decl{Name: "plain", Type: "state.plain"})
	none, _ := newAPI(t)
	info := func(reason string, metadata any) map[string]any {
		return map[string]any{"@type": types + "ErrorInfo", "domain": "dapr.io", "reason": "DAPR_STATE_" + reason, "metadata": metadata}
	}
	resource := func(store string) map[string]any {
		return map[string]any{"@type": types + "ResourceInfo", "resource_type": "state", "resource_name": store, "owner": "", "description": ""}
	}
	app := map[string]any{"appID": "orders"}
	for _, tc := range []struct {
		base, call, code string
		status           int
		want             []any
	}{
		{base, "GET /v1.0/state/none/a", "ERR_STATE_STORE_NOT_FOUND", 400, []any{info("NOT_FOUND", app)}},
		{none, "GET /v1.0/state/none/a", "ERR_STATE_STORE_NOT_CONFIGURED", 500, []any{info("NOT_CONFIGURED", app)}},
		{base, "GET /v1.0/state/s/a%7C%7C", "ERR_MALFORMED_REQUEST", 400, []any{info("ILLEGAL_KEY", nil), resource("s"), map[string]any{
			"@type":            types + "BadRequest",
			"field_violations": []any{map[string]any{"field": "a||", "description": "invalid key: input key/keyPrefix 'a||' can't contain '||'"}},
		}}},
		{base, "POST /v1.0/state/plain/transaction", "ERR_STATE_STORE_NOT_SUPPORTED", 500, []any{info("TRANSACTIONS_NOT_SUPPORTED", nil), resource("plain"), map[string]any{
			"@type": types + "Help",
			"links": []any{map[string]any{
				"url":         "https://docs.dapr.io/reference/components-reference/supported-state-stores/",
				"description": "Check the list of state stores and the features they support",
			}},
		}}},
		{base, "POST /v1.0-alpha1/state/plain/query", "ERR_STATE_STORE_NOT_SUPPORTED", 500, []any{info("QUERYING_NOT_SUPPORTED", nil), resource("plain")}},
	} {
		method, path, _ := strings.Cut(tc.call, " ")
		got := request(t, tc.base, method, path, "{}")
		var e struct {
			ErrorCode string
			Details   []any
		}
		if err := json.Unmarshal([]byte(got.body), &e); err != nil {
			t.Fatal(err)
		}
		if got.status != tc.status || e.ErrorCode != tc.code || !reflect.DeepEqual(e.Details, tc.want) {
			t.Errorf("%s: got %d %s %v, want %d %s %v", tc.call, got.status, e.ErrorCode, e.Details, tc.status, tc.code, tc.want)
		}
	}
}

// TestAPIWithoutAnApp: keys get no prefix of an app, and those of apps do not show.
func TestAPIWithoutAnApp(t *testing.T) {
	b, stores := newBlock(t, state.Config{Decls: []component.Decl{decl("s", nil)}, Apps: []string{"orders"}})
	mux := http.NewServeMux()
	b.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	set(t, hostOf(t, b, "orders"), "s", "k", "1")
	for _, s := range []step{
		{name: "save", call: "POST /v1.0/state/s", body: `[{"key":"k","value":2}]`, status: 204},
		{name: "get", call: "GET /v1.0/state/s/k", status: 200, want: "2"},
		{name: "list", call: "GET /v1.0-alpha1/state/s", status: 200, want: `{"keys":["k"]}`},
		{name: "query", call: "POST /v1.0-alpha1/state/s/query", status: 200, want: `{"results":[{"key":"k","data":2,"etag":"2"}]}`},
	} {
		s.run(t, server.URL)
	}
	if e, err := stores["s"].Get(t.Context(), state.GetRequest{Key: "k"}); err != nil || e == nil {
		t.Errorf("key k on the store: got %+v, error %v, want it", e, err)
	}
}
