package secret_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

func TestStoresOpenInTheOrderOfTheirNeeds(t *testing.T) {
	s := newStores()
	r := s.resolver(t,
		decl("c", "fake", component.Metadata{"x.y": "1"}, ref("token", "b", "b-secret", "token", "c.yaml:9:7")),
		decl("a", "fake", component.Metadata{"a-secret.a-secret": "from a"}),
		decl("b", "bulk", nil, ref("b-secret.token", "a", "a-secret", "", "b.yaml:9:7")),
		secret.Decl{Decl: component.Decl{Name: "other", Type: "state.redis"}},
	)
	if got, want := s.events, []string{"open a", "open b", "open c"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := s.fields["c"]; got["token"] != "from a" || got["x.y"] != "1" {
		t.Errorf("c was opened with %v, want the token of a through b", got)
	}
	if err := errors.Join(r.Close(t.Context()), r.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got, want := s.events[3:], []string{"close c", "close b", "close a"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v once", got, want)
	}
}

func TestBadDeclarations(t *testing.T) {
	for name, c := range map[string]struct {
		decls []secret.Decl
		want  []string
	}{
		"circle of three": {
			[]secret.Decl{
				decl("a", "fake", nil, ref("f1", "b", "x", "", "a.yaml:9:7")),
				decl("b", "fake", nil, ref("f2", "c", "x", "", "b.yaml:8:7")),
				decl("c", "fake", nil, ref("f3", "a", "x", "", "c.yaml:7:7")),
				decl("free", "fake", nil),
			},
			[]string{"a.yaml:9:7: secret stores wait for each other in a circle: a (field f1 at a.yaml:9:7) needs b (field f2 at b.yaml:8:7) needs c (field f3 at c.yaml:7:7) needs a; give one"},
		},
		"itself, and a tail before it": {
			[]secret.Decl{
				decl("tail", "fake", nil, ref("f0", "a", "x", "", "t.yaml:1:1")),
				decl("a", "fake", nil, ref("f1", "a", "x", "", "a.yaml:9:7")),
			},
			[]string{"a.yaml:9:7: secret stores wait for each other in a circle: a (field f1 at a.yaml:9:7) needs a;"},
		},
		"two circles and an unknown store": {
			[]secret.Decl{
				decl("a", "fake", nil, ref("f1", "b", "x", "", "a.yaml:1:1")),
				decl("b", "fake", nil, ref("f2", "a", "x", "", "b.yaml:1:1")),
				decl("c", "fake", nil, ref("f3", "c", "x", "", "c.yaml:1:1"), ref("f4", "none", "x", "", "c.yaml:2:1"), ref("f5", "", "x", "", "c.yaml:3:1")),
			},
			[]string{
				"a (field f1 at a.yaml:1:1) needs b (field f2 at b.yaml:1:1) needs a;", "c (field f3 at c.yaml:1:1) needs c;",
				`c.yaml:2:1: component c: f4: no secret store: "none", which auth.secretStore names, is not declared: there are a, b, c`,
				"c.yaml:3:1: component c: f5: no secret store: the secretKeyRef does not say which; write `auth: {secretStore: NAME}`",
			},
		},
		"no driver": {[]secret.Decl{decl("a", "magic", nil)}, []string{"a.yaml:1:1: component a: this binary has no driver secretstores.magic"}},
		"missing secret": {
			[]secret.Decl{decl("a", "fake", component.Metadata{"s.k": "v"}), decl("b", "fake", nil, ref("f", "a", "none", "", "b.yaml:2:2"), ref("g", "a", "s", "j", "b.yaml:3:3"))},
			[]string{`b.yaml:2:2: component b: f: secret store a: secret "none": not found`, `b.yaml:3:3: component b: g: secret store a: secret "s" has no key "j" (secretKeyRef.key); it has k`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStores()
			r, err := secret.NewResolver(t.Context(), s.config(t, c.decls...))
			if err == nil || r != nil {
				t.Fatalf("got %v and error %v, want only an error", r, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want %q in it", err, want)
				}
			}
			opens := slices.DeleteFunc(slices.Clone(s.events), func(e string) bool { return !strings.HasPrefix(e, "open") })
			if got := len(s.events) - len(opens); got != len(opens) {
				t.Errorf("got %v, want everything closed that was opened", s.events)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	s := newStores()
	r := s.resolver(t,
		decl("vault", "fake", component.Metadata{"db.user": "u", "db.password": "p4ssword", "token.token": "t"}),
		decl("mine", "fake", component.Metadata{"x.x": "{appID}"}),
	)
	refs := []secret.Ref{
		ref("user", "vault", "db", "user", "m.yaml:1:1"), ref("password", "vault", "db", "password", "m.yaml:2:1"), ref("token", "vault", "token", "", "m.yaml:3:1"),
	}
	got, err := r.Resolve(t.Context(), "component orders", refs, 0)
	want := map[string]string{"user": "u", "password": "p4ssword", "token": "t"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v and error %v, want %v", got, err, want)
	}
	if gets := s.fakes["vault"].gets; gets != 2 {
		t.Errorf("the store was asked %d times, want once a secret", gets)
	}
	if got, err := r.Resolve(t.Context(), "x", nil, 0); err != nil || len(got) != 0 {
		t.Errorf("no references: got %v and error %v", got, err)
	}
	before := component.Decl{Name: "orders", Metadata: component.Metadata{"host": "h"}}
	after, err := r.Fill(t.Context(), before, refs[1:2])
	if err != nil || !maps.Equal(after.Metadata, component.Metadata{"host": "h", "password": "p4ssword"}) {
		t.Errorf("got %v and error %v, want the password filled in", after.Metadata, err)
	}
	if len(before.Metadata) != 1 {
		t.Errorf("the declaration itself was changed: %v", before.Metadata)
	}
	bad := []secret.Ref{
		ref("a", "", "db", "", "m.yaml:4:1"), ref("b", "none", "db", "", "m.yaml:5:1"), ref("c", "mine", "x", "", "m.yaml:6:1"),
		ref("d", "vault", "none", "", "m.yaml:7:1"), ref("e", "vault", "db", "", "m.yaml:8:1"), ref("f", "vault", "", "", "m.yaml:9:1"),
	}
	_, err = r.Resolve(t.Context(), "HTTPEndpoint pay", bad, 0)
	for _, want := range []string{
		"m.yaml:4:1: HTTPEndpoint pay: a: no secret store: the secretKeyRef does not say which", `m.yaml:5:1: HTTPEndpoint pay: b: no secret store: "none"`,
		"m.yaml:6:1: HTTPEndpoint pay: c: no secret store: mine is opened for each app", `m.yaml:7:1: HTTPEndpoint pay: d: secret store vault: secret "none": not found`,
		`m.yaml:8:1: HTTPEndpoint pay: e: secret store vault: secret "db" has no key "db" (secretKeyRef.key); it has password, user`,
		"m.yaml:9:1: HTTPEndpoint pay: f: secret store vault: invalid request: the secret's name is empty",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
	if err := r.Check("HTTPEndpoint pay", bad); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("check: got error %v, want the three without a store", err)
	}
	if err := r.Check("x", refs); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestResolveWaitsForTheStore(t *testing.T) {
	s := newStores()
	r := s.resolver(t, decl("vault", "fake", component.Metadata{"db.db": "p"}))
	refs := []secret.Ref{ref("f", "vault", "db", "", "m.yaml:1:1")}
	s.fakes["vault"].down = 2
	if got, err := r.Resolve(t.Context(), "x", refs, time.Minute); err != nil || got["f"] != "p" {
		t.Errorf("got %v and error %v, want the value after two failures", got, err)
	}
	s.fakes["vault"].down = 1_000_000
	if _, err := r.Resolve(t.Context(), "x", refs, time.Millisecond); !errors.Is(err, secret.ErrUnavailable) {
		t.Errorf("got error %v, want %v", err, secret.ErrUnavailable)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Resolve(ctx, "x", refs, time.Hour); !errors.Is(err, secret.ErrUnavailable) {
		t.Errorf("cancelled: got error %v, want %v", err, secret.ErrUnavailable)
	}
}

func TestDefaultStore(t *testing.T) {
	s := newStores()
	cfg := s.config(t)
	cfg.Default = component.Decl{Name: "secretstore", Type: "secretstores.fake", Metadata: component.Metadata{"a.a": "1"}}
	r, err := secret.NewResolver(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range []string{"", "secretstore"} {
		if got, err := r.Resolve(t.Context(), "x", []secret.Ref{ref("f", store, "a", "", "m.yaml:1:1")}, 0); err != nil || got["f"] != "1" {
			t.Errorf("store %q: got %v and error %v", store, got, err)
		}
	}
	cfg.Decls = []secret.Decl{decl("own", "fake", nil)}
	if r, err = secret.NewResolver(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := r.Check("x", []secret.Ref{ref("f", "", "a", "", "m.yaml:1:1")}); !errors.Is(err, secret.ErrNoStore) || !strings.Contains(err.Error(), "there are own") {
		t.Errorf("with a declared store: got error %v, want %v", err, secret.ErrNoStore)
	}
	cfg.Decls, cfg.Default = nil, component.Decl{}
	if r, err = secret.NewResolver(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := r.Check("x", []secret.Ref{ref("f", "", "a", "", "m.yaml:1:1")}); !errors.Is(err, secret.ErrNoStore) {
		t.Errorf("without any store: got error %v, want %v", err, secret.ErrNoStore)
	}
}

// TestIgnoreErrors lets the host start without stores that fail.
func TestIgnoreErrors(t *testing.T) {
	s := newStores()
	lost := decl("lost", "fake", nil, ref("f", "a", "none", "", "l.yaml:2:2"))
	lost.IgnoreErrors = true
	broken := decl("broken", "fake", component.Metadata{"fail": "x"})
	broken.IgnoreErrors = true
	r := s.resolver(t, decl("a", "fake", component.Metadata{"s.s": "v"}), lost, broken)
	b := secret.New(secret.Config{Resolver: r})
	for _, name := range []string{"lost", "broken"} {
		if _, err := b.Get(t.Context(), "", name, "s", nil); !errors.Is(err, secret.ErrUnavailable) || !strings.Contains(err.Error(), name+" did not start") {
			t.Errorf("%s: got error %v, want %v", name, err, secret.ErrUnavailable)
		}
		if _, err := r.Resolve(t.Context(), "x", []secret.Ref{ref("f", name, "s", "", "m.yaml:1:1")}, 0); !errors.Is(err, secret.ErrUnavailable) {
			t.Errorf("%s: resolve: got error %v, want %v", name, err, secret.ErrUnavailable)
		}
	}
	if _, err := b.Get(t.Context(), "", "a", "s", nil); err != nil {
		t.Errorf("the store that started: %v", err)
	}
	if !strings.Contains(s.log.String(), "l.yaml:2:2") {
		t.Errorf("the log does not say what is missing: %s", s.log.String())
	}
}

// TestValuesStayHidden has a driver that quotes what it was given, in errors and logs.
func TestValuesStayHidden(t *testing.T) {
	s := newStores()
	const value = "planted-s3cret"
	_, err := secret.NewResolver(t.Context(), s.config(t,
		decl("a", "fake", component.Metadata{"s.s": value, "t.t": "x"}),
		decl("b", "fake", nil, ref("fail", "a", "s", "", "b.yaml:1:1")),
	))
	if err == nil || !strings.Contains(err.Error(), `want nothing, found "[secret]"`) || strings.Contains(err.Error(), value) {
		t.Errorf("got error %v, want one without the value", err)
	}
	if _, ok := errors.AsType[*component.PermanentError](err); !ok {
		t.Errorf("got error %T, want its causes to be there", err)
	}
	if text := s.log.String(); strings.Contains(text, value) || strings.Count(text, "[secret]") != 3 {
		t.Errorf("the log is %s, want it without the value", text)
	}
	r := s.resolver(t, decl("a", "fake", component.Metadata{"s.s": value, "t.t": "x"}))
	if _, err := r.Resolve(t.Context(), "x", []secret.Ref{ref("f", "a", "s", "", "m.yaml:1:1"), ref("g", "a", "t", "", "m.yaml:1:1")}, 0); err != nil {
		t.Fatal(err)
	}
	clean := errors.New("nothing in it")
	if got := r.Redact(clean); !errors.Is(got, clean) || got.Error() != clean.Error() {
		t.Errorf("got %v, want the error as it is", got)
	}
	if got := r.Redact(nil); got != nil {
		t.Errorf("got %v, want nil", got)
	}
	if got := r.Redact(errors.New("x marks " + value)).Error(); got != "x marks [secret]" {
		t.Errorf("got %q, want short values left alone", got)
	}
}
