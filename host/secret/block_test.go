package secret_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abisecret "github.com/mrt-wasm/mrt-wasm/abi/secret"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

func TestScopes(t *testing.T) {
	for name, c := range map[string]struct {
		scope *secret.Scope
		want  string // of a, b and c those that are allowed
	}{
		"none":                      {nil, "abc"},
		"empty":                     {&secret.Scope{}, "abc"},
		"allow":                     {&secret.Scope{DefaultAccess: "allow"}, "abc"},
		"deny":                      {&secret.Scope{DefaultAccess: "Deny"}, ""},
		"denied":                    {&secret.Scope{Denied: []string{"a"}}, "bc"},
		"denied, deny":              {&secret.Scope{DefaultAccess: "deny", Denied: []string{"a"}}, ""},
		"allowed":                   {&secret.Scope{Allowed: []string{"a"}}, "a"},
		"allowed, deny":             {&secret.Scope{DefaultAccess: "deny", Allowed: []string{"a", "b"}}, "ab"},
		"allowed wins over denied":  {&secret.Scope{Allowed: []string{"a"}, Denied: []string{"a", "b"}}, "a"},
		"names are taken literally": {&secret.Scope{Denied: []string{"A", "b*"}}, "abc"},
	} {
		var allowed []string
		for _, secretName := range []string{"a", "b", "c"} {
			if c.scope.Allows(secretName) {
				allowed = append(allowed, secretName)
			}
		}
		if got := strings.Join(allowed, ""); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

var data = component.Metadata{"a.a": "value-a", "b.b": "value-b", "multi.user": "u", "multi.password": "p"}

// newBlock is a block with two stores; web may not read b of either, and nobody without a name may read anything.
func newBlock(t *testing.T, s *stores, cfg secret.Config) *secret.Block {
	t.Helper()
	jobs := decl("jobs-only", "fake", data)
	jobs.Scopes = []string{"jobs"}
	cfg.Resolver = s.resolver(t, decl("one", "fake", data), decl("all", "bulk", data), jobs)
	cfg.Apps = []string{"web", "jobs"}
	cfg.Scopes = func(app string) []secret.Scope {
		switch app {
		case "web":
			return []secret.Scope{{Store: "one", Allowed: []string{"a", "multi", "gone"}}, {Store: "all", Denied: []string{"b"}}}
		case "":
			return []secret.Scope{{Store: "all", DefaultAccess: "deny"}}
		default:
			return nil
		}
	}
	cfg.CallerApp = func(r *http.Request) string { return r.Header.Get("app") }
	return secret.New(cfg)
}

func TestAPI(t *testing.T) {
	s := newStores()
	b := newBlock(t, s, secret.Config{})
	mux := http.NewServeMux()
	b.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	for _, c := range []struct {
		app, path string
		status    int
		body      string // JSON, or the error's code
	}{
		{"web", "one/a", 200, `{"a":"value-a"}`},
		{"web", "one/multi?metadata.version_id=7", 200, `{"user":"u","password":"p","version":"7"}`},
		{"web", "one/b", 403, "ERR_PERMISSION_DENIED"},
		{"web", "one/gone", 500, "ERR_SECRET_GET"},
		{"web", "none/a", 401, "ERR_SECRET_STORE_NOT_FOUND"},
		{"web", "jobs-only/a", 401, "ERR_SECRET_STORE_NOT_FOUND"},
		{"jobs", "jobs-only/a", 200, `{"a":"value-a"}`},
		{"web", "all/bulk", 200, `{"a":{"a":"value-a"},"multi":{"user":"u","password":"p"}}`},
		{"web", "one/bulk", 200, `{"a":{"a":"value-a"},"multi":{"user":"u","password":"p"}}`},
		{"jobs", "one/bulk", 500, "ERR_SECRET_GET"},
		{"", "all/bulk", 200, `{}`},
		{"", "all/a", 403, "ERR_PERMISSION_DENIED"},
		{"", "one/a", 200, `{"a":"value-a"}`},
		{"", "none/bulk", 401, "ERR_SECRET_STORE_NOT_FOUND"},
		{"jobs", "one/with/slash", 500, "ERR_SECRET_GET"},
		{"jobs", "one/with%2Fslash", 500, "ERR_SECRET_GET"},
		{"jobs", "one/", 500, "ERR_SECRET_GET"},
		{"jobs", "one/a%00", 500, "ERR_SECRET_GET"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/v1.0/secrets/"+c.path, nil)
		r.Header.Set("app", c.app)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %s: got status %d, want %d: %s", c.app, c.path, w.Code, c.status, w.Body)
		}
		var got, want any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s %s: the body is no JSON: %s", c.app, c.path, w.Body)
			continue
		}
		if strings.HasPrefix(c.body, "{") {
			if err := json.Unmarshal([]byte(c.body), &want); err != nil {
				t.Fatal(err)
			}
		} else {
			fields, _ := got.(map[string]any)
			got, want = fields["errorCode"], c.body
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s: got %v, want %v", c.app, c.path, got, want)
		}
	}
}

func TestAPIWithoutStores(t *testing.T) {
	none, err := secret.NewResolver(t.Context(), newStores().config(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg := newStores().config(t)
	cfg.Default = component.Decl{Name: "secretstore", Type: "secretstores.bulk", Metadata: data}
	embedded, err := secret.NewResolver(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*secret.Resolver{"none": none, "hidden": embedded} {
		t.Run(name, func(t *testing.T) { wantNotConfigured(t, secret.New(secret.Config{Resolver: r, HideDefault: true})) })
	}
	if got, err := embedded.Resolve(t.Context(), "x", []secret.Ref{ref("f", "", "a", "", "m.yaml:1:1")}, 0); err != nil || got["f"] != "value-a" {
		t.Errorf("a reference to the hidden store: got %v and error %v", got, err)
	}
	if got, err := secret.New(secret.Config{Resolver: embedded}).Get(t.Context(), "web", "", "a", nil); err != nil || got["a"] != "value-a" {
		t.Errorf("the store when it is not hidden: got %v and error %v", got, err)
	}
}

func wantNotConfigured(t *testing.T, b *secret.Block) {
	t.Helper()
	mux := http.NewServeMux()
	b.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	if list, _ := b.Describe(t.Context())["components"].([]map[string]any); len(list) != 0 {
		t.Errorf("described %v, want nothing", list)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	for _, path := range []string{"any/name", "any/bulk", "secretstore/a", "secretstore/bulk"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1.0/secrets/"+path, nil))
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "ERR_SECRET_STORES_NOT_CONFIGURED") {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
}

// recorder is an observer that keeps what it saw.
type recorder struct{ calls []string }

func (r *recorder) Bind(op chain.Op) chain.Probe { return &probe{r, op} }

// probe is recorder at one point.
type probe struct {
	r  *recorder
	op chain.Op
}

func (p *probe) Begin(ctx context.Context) context.Context { return ctx }

func (p *probe) End(_ context.Context, _ time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = err.Error()
	}
	p.r.calls = append(p.r.calls, strings.Join([]string{p.op.Block, p.op.Name, p.op.Target, p.op.Type, p.op.App, outcome}, " "))
}

type app struct{ name string }

func (a app) Name() string      { return a.name }
func (app) Handles(string) bool { return false }
func (app) Do(context.Context, func(context.Context, abi.Guest) error) error {
	return errors.New("not called")
}

func TestHostFunctions(t *testing.T) {
	s := newStores()
	seen := &recorder{}
	b := newBlock(t, s, secret.Config{Chain: chain.New([]chain.Observer{seen}, nil)})
	session, err := b.Open(t.Context(), app{"web"})
	if err != nil {
		t.Fatal(err)
	}
	if got := session.Funcs(); len(got) != 2 || !slices.Contains(b.Imports(), got[0].Module) {
		t.Errorf("got %d host functions, want 2 of %v", len(got), b.Imports())
	}
	host := session.(interface{ Host() abisecret.StoreHost }).Host()
	values, failed := host.Get(t.Context(), "one", "multi", abisecret.Metadata{{F0: "version_id", F1: "2"}})
	if want := (abisecret.Values{{F0: "password", F1: "p"}, {F0: "user", F1: "u"}, {F0: "version", F1: "2"}}); failed != nil || !slices.Equal(values, want) {
		t.Errorf("get: got %v and error %v, want %v", values, failed, want)
	}
	all, failed := host.BulkGet(t.Context(), "all", nil)
	if failed != nil || len(all) != 2 || all[0].F0 != "a" || all[1].F0 != "multi" {
		t.Errorf("bulk get: got %v and error %v", all, failed)
	}
	for _, c := range []struct {
		store, name string
		want        abisecret.ErrorTag
	}{
		{"none", "a", abisecret.ErrorStoreNotFound},
		{"", "a", abisecret.ErrorStoreNotFound}, // it sees two, and neither is called secretstore
		{"one", "gone", abisecret.ErrorNotFound},
		{"one", "b", abisecret.ErrorForbidden},
		{"one", "", abisecret.ErrorInvalidRequest},
		{"one", strings.Repeat("x", 2000), abisecret.ErrorInvalidRequest},
		{"one", "\xff", abisecret.ErrorInvalidRequest},
		{"one", "a\nb", abisecret.ErrorInvalidRequest},
	} {
		if _, failed := host.Get(t.Context(), c.store, c.name, nil); failed == nil || failed.Tag != c.want {
			t.Errorf("%s/%.20q: got error %v, want %v", c.store, c.name, failed, c.want)
		}
	}
	s.fakes["one"].down = 1
	if _, failed := host.Get(t.Context(), "one", "a", nil); failed == nil || failed.Tag != abisecret.ErrorUnavailable {
		t.Errorf("down: got error %v, want %v", failed, abisecret.ErrorUnavailable)
	}
	jobs, err := b.Open(t.Context(), app{"jobs"})
	if err != nil {
		t.Fatal(err)
	}
	if _, failed := jobs.(interface{ Host() abisecret.StoreHost }).Host().BulkGet(t.Context(), "one", nil); failed == nil || failed.Tag != abisecret.ErrorUnsupported {
		t.Errorf("bulk of a store without: got error %v, want %v", failed, abisecret.ErrorUnsupported)
	}
	want := []string{
		"secret get one secretstores.fake web ok", "secret bulk-get all secretstores.bulk web ok",
		`secret get one secretstores.fake web secret "gone": not found`, "secret get one secretstores.fake web unavailable: fake is down",
	}
	if !slices.Equal(seen.calls, want) {
		t.Errorf("the chain saw %q, want %q", seen.calls, want)
	}
}

func TestEmptyStoreName(t *testing.T) {
	s := newStores()
	b := secret.New(secret.Config{Resolver: s.resolver(t, decl("only", "fake", data))})
	if got, err := b.Get(t.Context(), "web", "", "a", nil); err != nil || got["a"] != "value-a" {
		t.Errorf("the only store: got %v and error %v", got, err)
	}
	b = secret.New(secret.Config{Resolver: s.resolver(t, decl("other", "fake", nil), decl("secretstore", "fake", data))})
	if got, err := b.Get(t.Context(), "web", "", "a", nil); err != nil || got["a"] != "value-a" {
		t.Errorf("the store called secretstore: got %v and error %v", got, err)
	}
}

// TestSeveralScopes has two scopes for one store: both must allow.
func TestSeveralScopes(t *testing.T) {
	s := newStores()
	b := secret.New(secret.Config{
		Resolver: s.resolver(t, decl("one", "fake", data)),
		Scopes: func(string) []secret.Scope {
			return []secret.Scope{{Store: "one", Allowed: []string{"a", "b", "a"}}, {Store: "other", DefaultAccess: "deny"}, {Store: "one", Denied: []string{"b"}}}
		},
	})
	if _, err := b.Get(t.Context(), "web", "one", "b", nil); !errors.Is(err, secret.ErrForbidden) {
		t.Errorf("got error %v, want %v", err, secret.ErrForbidden)
	}
	if all, err := b.BulkGet(t.Context(), "web", "one", nil); err != nil || len(all) != 1 || all["a"] == nil {
		t.Errorf("got %v and error %v, want only a", all, err)
	}
}

func TestPerApp(t *testing.T) {
	s := newStores()
	b := secret.New(secret.Config{Resolver: s.resolver(t, decl("mine", "fake", component.Metadata{"who.who": "{appID}"}))})
	for _, name := range []string{"web", "jobs"} {
		if got, err := b.Get(t.Context(), name, "mine", "who", nil); err != nil || !maps.Equal(got, secret.Values{"who": name}) {
			t.Errorf("%s: got %v and error %v", name, got, err)
		}
	}
	if _, err := b.Get(t.Context(), "", "mine", "who", nil); err == nil {
		t.Error("no app: want an error, got none")
	}
	list, _ := b.Describe(t.Context())["components"].([]map[string]any)
	if len(list) != 1 {
		t.Errorf("described %d components, want 1", len(list))
	}
}

func TestDescribeAndReady(t *testing.T) {
	s := newStores()
	b := newBlock(t, s, secret.Config{})
	list, _ := b.Describe(t.Context())["components"].([]map[string]any)
	want := []map[string]any{
		{"name": "one", "type": "secretstores.fake", "version": "v1", "capabilities": []string{}},
		{"name": "all", "type": "secretstores.bulk", "version": "v1", "capabilities": []string{"MULTIPLE_KEY_VALUES_PER_SECRET"}},
		{"name": "jobs-only", "type": "secretstores.fake", "version": "v1", "capabilities": []string{}},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("got %v, want %v", list, want)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	s.fakes["all"].down = 1
	if err := b.Ready(t.Context()); !errors.Is(err, secret.ErrUnavailable) || !strings.Contains(err.Error(), "secret store all") {
		t.Errorf("got error %v, want %v", err, secret.ErrUnavailable)
	}
	var _ block.Block = b
	if b.Name() != "secret" || b.Exports() != nil {
		t.Errorf("got name %q and exports %v", b.Name(), b.Exports())
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), "", "one", "a", nil); err == nil {
		t.Error("get after close: want an error, got none")
	}
}
