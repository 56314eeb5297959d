package state_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// changes are what a watcher was told.
type changes []string

func (c *changes) add(ch state.Change) {
	*c = append(*c, fmt.Sprintf("%s %s=%s %t", ch.Store, ch.Key, ch.Value, ch.Deleted))
}

func storeHost(t *testing.T, b *state.Block, name string) abistate.StoreHost {
	t.Helper()
	s, err := b.Open(t.Context(), app(name))
	if err != nil {
		t.Fatal(err)
	}
	return s.(interface{ StoreHost() abistate.StoreHost }).StoreHost()
}

// TestWatch tells each app of the keys that it could name itself, in clear, whoever writes them.
func TestWatch(t *testing.T) {
	b, _ := newBlock(t, state.Config{
		Apps: []string{"cart", "other"},
		Decls: []component.Decl{
			decl("own", component.Metadata{"primaryEncryptionKey": strings.Repeat("00", 16)}),
			decl("shared", component.Metadata{"keyPrefix": "none"}),
			decl("scoped", component.Metadata{"keyPrefix": "none"}, "other"),
			decl("each", component.Metadata{"keyPrefix": "none", "tag": "{appID}"}),
		},
		CallerApp: func(*http.Request) string { return "other" },
	})
	var cart, other changes
	b.Watch("cart", cart.add)
	b.Watch("other", other.add)
	set := func(app, store, key, value string) {
		t.Helper()
		if err := storeHost(t, b, app).Set(t.Context(), store, abistate.SetItem{Key: key, Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	set("cart", "own", "k", "clear")
	set("cart", "shared", "k", "1")
	set("other", "scoped", "k", "2")
	set("other", "own", "k", "3")

	mux := http.NewServeMux()
	b.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/v1.0/state/shared/k", nil))
	if rec.Code != http.StatusNoContent {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	whole, err := b.Whole("shared", "cart")
	if err != nil {
		t.Fatal(err)
	}
	if err := whole.Transact(t.Context(), []state.Operation{{Upsert: &state.SetRequest{Key: "cart||type||id||k", Value: []byte("x")}}}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		got  changes
		want []string
	}{
		"cart":  {cart, []string{"own k=clear false", "shared k=1 false", "shared k= true"}},
		"other": {other, []string{"shared k=1 false", "scoped k=2 false", "own k=3 false", "shared k= true"}},
	} {
		if got, want := strings.Join(tt.got, "\n"), strings.Join(tt.want, "\n"); got != want {
			t.Errorf("%s was told\n%s\nwant\n%s", name, got, want)
		}
	}
}

// TestWatchAndWait ends the wait for another write of a key with the call, and then nothing is written.
func TestWatchAndWait(t *testing.T) {
	b, _ := newBlock(t, state.Config{Apps: []string{"cart"}, Decls: []component.Decl{decl("statestore", nil)}})
	first, second := make(chan struct{}), make(chan struct{})
	b.Watch("cart", func(c state.Change) {
		if string(c.Value) == "1" {
			close(first)
			<-second
		}
	})
	h := storeHost(t, b, "cart")
	done := make(chan *abistate.Error)
	go func() { done <- h.Set(t.Context(), "", abistate.SetItem{Key: "k", Value: []byte("1")}) }()
	<-first
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Set(ctx, "", abistate.SetItem{Key: "k", Value: []byte("2")}); err == nil || err.Tag != abistate.ErrorUnavailable {
		t.Errorf("got %v; want unavailable", err)
	}
	close(second)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if e, err := h.Get(t.Context(), "", "k", 0, nil); err != nil || e == nil || string(e.Value) != "1" {
		t.Errorf("got %v, %v; want 1", e, err)
	}
}
