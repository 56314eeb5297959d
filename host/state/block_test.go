package state_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	"github.com/mrt-wasm/mrt-wasm/components/state/memory"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// app is a block.App that is never called.
type app string

func (a app) Name() string        { return string(a) }
func (a app) Handles(string) bool { return false }
func (a app) Do(context.Context, func(context.Context, abi.Guest) error) error {
	return errors.New("this app is not to be called")
}

// opener gives the in-memory driver and remembers each store by its component's name.
type opener map[string]state.Store

func (o opener) drivers(t testing.TB) component.Set[state.Store] {
	t.Helper()
	spec := memory.Spec
	open := spec.New
	spec.New = func(ctx context.Context, cfg component.Config) (state.Store, error) {
		s, err := open(ctx, cfg)
		o[cfg.Name+cfg.App] = s
		return s, err
	}
	broken := component.Spec[state.Store]{
		Type: "state.broken", Doc: "Never starts.",
		New: func(context.Context, component.Config) (state.Store, error) {
			return nil, component.Permanent(errors.New("the disk is on fire"))
		},
	}
	plain := component.Spec[state.Store]{
		Type: "state.plain", Doc: "Has only the basic operations.",
		New: func(ctx context.Context, cfg component.Config) (state.Store, error) {
			s, err := open(ctx, cfg)
			return struct{ state.Store }{s}, err
		},
	}
	limited := component.Spec[state.Store]{
		Type: "state.limited", Doc: "Takes one operation at a time.",
		New: func(ctx context.Context, cfg component.Config) (state.Store, error) {
			s, err := open(ctx, cfg)
			tr, ok := s.(state.Transactor)
			if !ok {
				return nil, fmt.Errorf("%T is no Transactor", s)
			}
			return oneAtATime{s, tr}, err
		},
	}
	set, err := component.NewSet("state", spec, broken, plain, limited)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

type oneAtATime struct {
	state.Store
	state.Transactor
}

func (oneAtATime) MaxOperations() int { return 1 }

func decl(name string, metadata component.Metadata, scopes ...string) component.Decl {
	return component.Decl{Name: name, Type: "state.in-memory", Where: "manifest.yaml:3", Metadata: metadata, Scopes: scopes}
}

func newBlock(t testing.TB, cfg state.Config) (*state.Block, opener) {
	t.Helper()
	stores := opener{}
	cfg.Drivers = stores.drivers(t)
	b, err := state.New(t.Context(), cfg)
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b, stores
}

// hostOf gives an app's functions; they are what the generated glue calls.
func hostOf(t testing.TB, b *state.Block, name string) abistate.StoreHost {
	t.Helper()
	s, err := b.Open(t.Context(), app(name))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	h, ok := s.(interface{ StoreHost() abistate.StoreHost })
	if want := len(abistate.StoreFuncs(nil)); !ok || len(s.Funcs()) != want {
		t.Fatalf("session: got %T with %d functions, want %d", s, len(s.Funcs()), want)
	}
	return h.StoreHost()
}

func set(t testing.TB, h abistate.StoreHost, store, key, value string) {
	t.Helper()
	if err := h.Set(t.Context(), store, abistate.SetItem{Key: key, Value: []byte(value)}); err != nil {
		t.Fatalf("set %q: %v", key, err)
	}
}

func want(t testing.TB, h abistate.StoreHost, store, key, value string) {
	t.Helper()
	e, err := h.Get(t.Context(), store, key, abistate.ConsistencyUnspecified, nil)
	switch {
	case err != nil:
		t.Errorf("get %q: %v", key, err)
	case e == nil && value != "":
		t.Errorf("get %q: got nothing, want %q", key, value)
	case e != nil && string(e.Value) != value:
		t.Errorf("get %q: got %q, want %q", key, e.Value, value)
	}
}

func TestAppsDoNotSeeEachOther(t *testing.T) {
	b, stores := newBlock(t, state.Config{Decls: []component.Decl{decl("statestore", nil)}, Apps: []string{"a", "ab"}})
	one, two := hostOf(t, b, "a"), hostOf(t, b, "ab")
	set(t, one, "statestore", "k", "of a")
	set(t, two, "", "k", "of ab")
	set(t, two, "", "only", `{"x": 1}`)
	want(t, one, "", "k", "of a")
	want(t, two, "statestore", "k", "of ab")
	want(t, one, "", "only", "")
	raw, err := stores["statestore"].Get(t.Context(), state.GetRequest{Key: "a||k"})
	if err != nil || raw == nil || string(raw.Value) != "of a" {
		t.Errorf("key a||k on the store: got %+v, error %v, want of a", raw, err)
	}
	// The entries of an actor of app a: the app can neither name nor list them.
	if err := stores["statestore"].Set(t.Context(), state.SetRequest{Key: "a||Cart||1||items", Value: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	page, failed := one.ListKeys(t.Context(), "", "", 0, "")
	if failed != nil || !slices.Equal(page.Keys, []string{"k"}) || page.Next != nil {
		t.Errorf("list of a: got %q, next %v, error %v, want k", page.Keys, page.Next, failed)
	}
	found, failed := two.Query(t.Context(), "", "", nil)
	if failed != nil || len(found.Items) != 2 || found.Items[0].Key != "k" || found.Items[1].Key != "only" {
		t.Errorf("query of ab: got %+v, error %v, want k and only", found.Items, failed)
	}
	found, failed = one.Query(t.Context(), "", "", nil)
	if failed != nil || len(found.Items) != 1 || string(found.Items[0].Value) != "of a" {
		t.Errorf("query of a: got %+v, error %v, want k", found.Items, failed)
	}
}

func TestSharedPrefixes(t *testing.T) {
	b, stores := newBlock(t, state.Config{
		Decls: []component.Decl{
			decl("name", component.Metadata{"keyPrefix": "name"}),
			decl("none", component.Metadata{"keyPrefix": "none"}),
			decl("literal", component.Metadata{"keyPrefix": "Shared"}),
			decl("namespace", component.Metadata{"keyPrefix": "namespace"}),
			decl("tagged", component.Metadata{"keyPrefix": "x-{appID}"}),
		},
		Apps: []string{"a", "b"}, Env: component.Env{Namespace: "prod"},
	})
	one, two := hostOf(t, b, "a"), hostOf(t, b, "b")
	for store, key := range map[string]string{"name": "name||k", "none": "k", "literal": "shared||k"} {
		set(t, one, store, "k", "v")
		want(t, two, store, "k", "v")
		if raw, err := stores[store].Get(t.Context(), state.GetRequest{Key: key}); err != nil || raw == nil {
			t.Errorf("%s: key %s on the store: got %v, error %v, want it", store, key, raw, err)
		}
	}
	for store, key := range map[string]string{"namespace": "prod.a||k", "tagged": "x-a||k"} {
		set(t, one, store, "k", "v")
		want(t, two, store, "k", "")
		s := stores[store]
		if s == nil {
			s = stores[store+"a"] // open once for each app
		}
		if raw, err := s.Get(t.Context(), state.GetRequest{Key: key}); err != nil || raw == nil {
			t.Errorf("%s: key %s on the store: got %v, error %v, want it", store, key, raw, err)
		}
	}
}

func TestScopesAndNames(t *testing.T) {
	broken := component.Decl{Name: "broken", Type: "state.broken", Where: "manifest.yaml:9", IgnoreErrors: true}
	b, _ := newBlock(t, state.Config{
		Decls: []component.Decl{decl("mine", nil, "a"), decl("common", nil), broken, {Name: "other", Type: "pubsub.in-memory"}},
		Apps:  []string{"a", "b"},
	})
	for _, tc := range []struct {
		app, store string
		tag        abistate.ErrorTag
		want       string
	}{
		{"b", "mine", abistate.ErrorStoreNotFound, `state component "mine" is not found for app b: it sees common, broken`},
		{"a", "none", abistate.ErrorStoreNotFound, `state component "none" is not found for app a: it sees mine, common, broken`},
		{"a", "", abistate.ErrorStoreNotFound, `state component "statestore" is not found for app a: it sees mine, common, broken`},
		{"a", "broken", abistate.ErrorUnavailable, "unavailable: state store broken did not start: manifest.yaml:9: component broken (state.broken): the disk is on fire"},
	} {
		_, err := hostOf(t, b, tc.app).Get(t.Context(), tc.store, "k", abistate.ConsistencyUnspecified, nil)
		if err == nil || err.Tag != tc.tag || err.Value != tc.want {
			t.Errorf("store %q for app %s: got error %v, want %s: %s", tc.store, tc.app, err, tc.tag, tc.want)
		}
	}
	set(t, hostOf(t, b, "a"), "mine", "k", "v")
	set(t, hostOf(t, b, "b"), "common", "k", "v")
}

func TestEncryption(t *testing.T) {
	const key = "00112233445566778899aabbccddeeff"
	b, stores := newBlock(t, state.Config{
		Decls: []component.Decl{decl("statestore", component.Metadata{"primaryEncryptionKey": key})}, Apps: []string{"a"},
	})
	h := hostOf(t, b, "a")
	set(t, h, "", "k", "secret")
	want(t, h, "", "k", "secret")
	if failed := h.Transact(t.Context(), "", []abistate.Operation{{Tag: abistate.OperationUpsert, Upsert: abistate.SetItem{Key: "t", Value: []byte("secret")}}}, nil); failed != nil {
		t.Fatal(failed)
	}
	if failures, failed := h.BulkSet(t.Context(), "", []abistate.SetItem{{Key: "b", Value: []byte("secret")}}); failed != nil || failures != nil {
		t.Fatal(failures, failed)
	}
	for _, k := range []string{"k", "t", "b"} {
		raw, err := stores["statestore"].Get(t.Context(), state.GetRequest{Key: "a||" + k})
		if err != nil || strings.Contains(string(raw.Value), "secret") || !strings.Contains(string(raw.Value), "||") {
			t.Errorf("key %s on the store: got %q, error %v, want base64||name", k, raw.Value, err)
		}
	}
	entries, failed := h.BulkGet(t.Context(), "", []string{"b", "none", "t"}, nil)
	if failed != nil || string(entries[0].Outcome.OK.Value) != "secret" || entries[1].Outcome.OK != nil || string(entries[2].Outcome.OK.Value) != "secret" {
		t.Errorf("bulk get: got %+v, error %v", entries, failed)
	}
	if err := stores["statestore"].Set(t.Context(), state.SetRequest{Key: "a||clear", Value: []byte("clear")}); err != nil {
		t.Fatal(err)
	}
	_, failed = h.Get(t.Context(), "", "clear", abistate.ConsistencyUnspecified, nil)
	if failed == nil || failed.Tag != abistate.ErrorOther || !strings.Contains(failed.Value, "state store statestore: the value is not encrypted") {
		t.Errorf("get of a value in clear: got error %v", failed)
	}
	_, failed = h.Query(t.Context(), "", "", nil)
	if failed == nil || failed.Tag != abistate.ErrorNotSupported {
		t.Errorf("query: got error %v, want not-supported", failed)
	}
}

// TestErrors: each class of failure has its case of the contract.
func TestErrors(t *testing.T) {
	b, _ := newBlock(t, state.Config{
		Decls: []component.Decl{decl("statestore", nil), {Name: "plain", Type: "state.plain"}}, Apps: []string{"a"},
	})
	h := hostOf(t, b, "a")
	set(t, h, "", "k", "v")
	bad := "1000000"
	item := func(key string) abistate.SetItem { return abistate.SetItem{Key: key, Value: []byte("v")} }
	stale := item("k")
	stale.ETag = &bad
	ttl := item("k")
	ttl.Metadata = abistate.Metadata{{F0: "ttlInSeconds", F1: "soon"}}
	lives := item("k")
	lives.TTLSeconds = new(int32(5))
	second := func(_ any, err *abistate.Error) *abistate.Error { return err }
	for name, tc := range map[string]struct {
		err *abistate.Error
		tag abistate.ErrorTag
	}{
		"empty key":                {h.Set(t.Context(), "", item("")), abistate.ErrorInvalidKey},
		"separator":                {h.Delete(t.Context(), "", abistate.DeleteItem{Key: "x||y"}), abistate.ErrorInvalidKey},
		"separator in prefix":      {second(h.ListKeys(t.Context(), "", "x||", 1, "")), abistate.ErrorInvalidKey},
		"stale etag":               {h.Set(t.Context(), "", stale), abistate.ErrorETagMismatch},
		"bad time to live":         {h.Set(t.Context(), "", ttl), abistate.ErrorInvalidRequest},
		"limit":                    {second(h.ListKeys(t.Context(), "", "", 1001, "")), abistate.ErrorInvalidRequest},
		"huge limit":               {second(h.ListKeys(t.Context(), "", "", 1<<32-1, "")), abistate.ErrorInvalidRequest},
		"token":                    {second(h.ListKeys(t.Context(), "", "", 1, state.PageToken("b||x"))), abistate.ErrorInvalidRequest},
		"bad query":                {second(h.Query(t.Context(), "", "{", nil)), abistate.ErrorInvalidRequest},
		"list of a plain store":    {second(h.ListKeys(t.Context(), "plain", "", 1, "")), abistate.ErrorNotSupported},
		"time to live, plain":      {h.Set(t.Context(), "plain", lives), abistate.ErrorNotSupported},
		"transaction, plain":       {h.Transact(t.Context(), "plain", nil, nil), abistate.ErrorNotSupported},
		"bad key in a transaction": {h.Transact(t.Context(), "", []abistate.Operation{{Tag: abistate.OperationDelete}}, nil), abistate.ErrorInvalidKey},
	} {
		if tc.err == nil || tc.err.Tag != tc.tag {
			t.Errorf("%s: got error %v, want %s", name, tc.err, tc.tag)
		}
	}
	failures, failed := h.BulkDelete(t.Context(), "", []abistate.DeleteItem{{Key: "k"}, {Key: ""}, {Key: "z", ETag: &bad}})
	if failed != nil || len(failures) != 2 || failures[0].Key != "" || failures[0].Reason.Tag != abistate.ErrorInvalidKey ||
		failures[1].Key != "z" || failures[1].Reason.Tag != abistate.ErrorETagMismatch {
		t.Errorf("bulk delete: got %+v, error %v", failures, failed)
	}
	want(t, h, "", "k", "")
}

func TestTimeToLive(t *testing.T) {
	b, _ := newBlock(t, state.Config{Decls: []component.Decl{decl("statestore", nil)}, Apps: []string{"a"}})
	h := hostOf(t, b, "a")
	byField := abistate.SetItem{Key: "field", TTLSeconds: new(int32(3600)), Metadata: abistate.Metadata{{F0: "ttlInSeconds", F1: "1"}}}
	byMetadata := abistate.SetItem{Key: "metadata", Metadata: abistate.Metadata{{F0: "ttlInSeconds", F1: "3600"}}}
	for _, item := range []abistate.SetItem{byField, byMetadata} {
		if failed := h.Set(t.Context(), "", item); failed != nil {
			t.Fatal(failed)
		}
		e, failed := h.Get(t.Context(), "", item.Key, abistate.ConsistencyUnspecified, nil)
		if failed != nil || len(e.Metadata) != 1 || e.Metadata[0].F0 != "ttlExpireTime" {
			t.Fatalf("%s: got %+v, error %v, want ttlExpireTime", item.Key, e, failed)
		}
		at, err := time.Parse(time.RFC3339, e.Metadata[0].F1)
		if left := time.Until(at); err != nil || left < 59*time.Minute || left > time.Hour {
			t.Errorf("%s: ttlExpireTime %s is %s from now, want an hour", item.Key, e.Metadata[0].F1, left)
		}
	}
	op := abistate.Operation{Tag: abistate.OperationUpsert, Upsert: abistate.SetItem{Key: "t"}}
	if failed := h.Transact(t.Context(), "", []abistate.Operation{op}, abistate.Metadata{{F0: "ttlInSeconds", F1: "3600"}}); failed != nil {
		t.Fatal(failed)
	}
	if e, failed := h.Get(t.Context(), "", "t", abistate.ConsistencyUnspecified, nil); failed != nil || len(e.Metadata) != 1 {
		t.Errorf("entry of a transaction with a time to live: got %+v, error %v", e, failed)
	}
}

func TestNewFindsAllMistakes(t *testing.T) {
	_, err := state.New(t.Context(), state.Config{
		Drivers: opener{}.drivers(t),
		Decls: []component.Decl{
			decl("one", component.Metadata{"keyPrefix": "a||b"}), decl("two", component.Metadata{"primaryEncryptionKey": "x"}),
			{Name: "three", Type: "state.none", Where: "manifest.yaml:7"},
		},
	})
	for _, want := range []string{
		"manifest.yaml:3: component one: metadata field keyPrefix",
		"manifest.yaml:3: component two: metadata field primaryEncryptionKey",
		"manifest.yaml:7: component three: this binary has no driver state.none; it has state.broken, state.in-memory, state.limited, state.plain",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("new: got error %v, want %q in it", err, want)
		}
	}
	_, err = state.New(t.Context(), state.Config{
		Drivers: opener{}.drivers(t), Decls: []component.Decl{decl("fine", nil), {Name: "b", Type: "state.broken", Where: "manifest.yaml:9"}},
	})
	const want = "manifest.yaml:9: component b (state.broken): the disk is on fire"
	if err == nil || err.Error() != want {
		t.Errorf("new: got error %v, want %q", err, want)
	}
}

func TestDescribeAndReady(t *testing.T) {
	b, _ := newBlock(t, state.Config{
		Decls: []component.Decl{decl("s", component.Metadata{"keyPrefix": "{appID}"}), {Name: "p", Type: "state.plain", Version: "v1"}},
		Apps:  []string{"a", "b"},
	})
	got := fmt.Sprint(b.Describe(t.Context()))
	const want = "map[components:[map[capabilities:[ACTOR ETAG KEYS_LIKE QUERY_API TRANSACTIONAL TTL] name:s type:state.in-memory version:v1] " +
		"map[capabilities:[ETAG] name:p type:state.plain version:v1]]]"
	if got != want {
		t.Errorf("describe: got %s, want %s", got, want)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
}

func TestReadyNamesTheStoreThatIsNot(t *testing.T) {
	stores := opener{}
	b, err := state.New(t.Context(), state.Config{Drivers: stores.drivers(t), Decls: []component.Decl{decl("s", nil), decl("fine", nil)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := stores["s"].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(t.Context()); err == nil || err.Error() != "state store s: unavailable: the store is closed" {
		t.Errorf("ready: got error %v", err)
	}
}

// calls is an observer that writes down every operation.
type calls struct{ seen []string }

func (c *calls) Bind(op chain.Op) chain.Probe { return &probe{c, op} }

type probe struct {
	calls *calls
	op    chain.Op
}

func (p *probe) Begin(ctx context.Context) context.Context { return ctx }
func (p *probe) End(_ context.Context, _ time.Duration, err error) {
	p.calls.seen = append(p.calls.seen, fmt.Sprintf("%s %s.%s %s %s %s %t", p.op.Direction, p.op.Block, p.op.Name, p.op.Target, p.op.Type, p.op.App, err == nil))
}

func TestEveryCallGoesThroughTheChain(t *testing.T) {
	seen := &calls{}
	b, _ := newBlock(t, state.Config{
		Decls: []component.Decl{decl("s", nil)}, Apps: []string{"a"}, Chain: chain.New([]chain.Observer{seen}, nil),
		Log: slog.New(slog.DiscardHandler),
	})
	h := hostOf(t, b, "a")
	set(t, h, "s", "k", "v")
	want(t, h, "s", "k", "v")
	stale := "9"
	if failed := h.Delete(t.Context(), "s", abistate.DeleteItem{Key: "k", ETag: &stale}); failed == nil {
		t.Error("delete with a stale etag: got no error")
	}
	_, _ = h.BulkGet(t.Context(), "s", []string{"k"}, nil)
	_, _ = h.BulkSet(t.Context(), "s", []abistate.SetItem{{Key: "k"}, {Key: "l"}})
	_, _ = h.BulkDelete(t.Context(), "s", []abistate.DeleteItem{{Key: "k"}})
	_ = h.Transact(t.Context(), "s", nil, nil)
	_, _ = h.ListKeys(t.Context(), "s", "", 0, "")
	_, _ = h.Query(t.Context(), "s", "", nil)
	var want []string
	for _, op := range []string{"set", "get", "delete", "bulk-get", "bulk-set", "bulk-delete", "transact", "list-keys", "query"} {
		want = append(want, fmt.Sprintf("outbound state.%s s state.in-memory a %t", op, op != "delete"))
	}
	if !slices.Equal(seen.seen, want) {
		t.Errorf("calls: got %q, want %q", seen.seen, want)
	}
	// A program outside may call itself anything; its name is part of its keys, but not of metrics.
	seen.seen = nil
	set(t, hostOf(t, b, "made-up"), "s", "k", "v")
	if want := []string{"outbound state.set s state.in-memory  true"}; !slices.Equal(seen.seen, want) {
		t.Errorf("calls of no app: got %q, want %q", seen.seen, want)
	}
}

// TestGetAllocations: the key with its prefix and the entry for the guest, nothing else.
func TestGetAllocations(t *testing.T) {
	b, _ := newBlock(t, state.Config{Decls: []component.Decl{decl("s", nil)}, Apps: []string{"a"}})
	h := hostOf(t, b, "a")
	set(t, h, "s", "k", "v")
	ctx := t.Context()
	got := testing.AllocsPerRun(100, func() {
		if _, failed := h.Get(ctx, "s", "k", abistate.ConsistencyUnspecified, nil); failed != nil {
			t.Fatal(failed)
		}
	})
	if got > 2 {
		t.Errorf("allocations of get: got %v, want at most 2", got)
	}
}

func BenchmarkGet(b *testing.B) {
	bl, _ := newBlock(b, state.Config{Decls: []component.Decl{decl("s", nil)}, Apps: []string{"a"}})
	h := hostOf(b, bl, "a")
	set(b, h, "s", "some-key", strings.Repeat("x", 1024))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, failed := h.Get(ctx, "s", "some-key", abistate.ConsistencyUnspecified, nil); failed != nil {
			b.Fatal(failed)
		}
	}
}

func BenchmarkSet(b *testing.B) {
	bl, _ := newBlock(b, state.Config{Decls: []component.Decl{decl("s", nil)}, Apps: []string{"a"}})
	h := hostOf(b, bl, "a")
	item := abistate.SetItem{Key: "some-key", Value: make([]byte, 1024)}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if failed := h.Set(ctx, "s", item); failed != nil {
			b.Fatal(failed)
		}
	}
}
