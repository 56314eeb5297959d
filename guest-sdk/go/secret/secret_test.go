//go:build !wasip1

package secret

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

func TestReads(t *testing.T) {
	ResetFake()
	SetFake("vault", "db", map[string]string{"user": "u", "password": "p"})
	SetFake("", "token", map[string]string{"token": "t"})
	got, err := Get("vault", "db")
	if err != nil || !maps.Equal(got, map[string]string{"user": "u", "password": "p"}) {
		t.Errorf("got %v and error %v", got, err)
	}
	got["password"] = "changed"
	for _, c := range []struct{ store, name, key, want string }{
		{"vault", "db", "password", "p"}, {"", "token", "", "t"}, {"secretstore", "token", "token", "t"},
	} {
		if got, err := Value(c.store, c.name, c.key, WithVersion("1")); err != nil || got != c.want {
			t.Errorf("%v: got %q and error %v", c, got, err)
		}
	}
	all, err := Bulk("vault")
	if err != nil || len(all) != 1 || all["db"]["user"] != "u" {
		t.Errorf("bulk: got %v and error %v", all, err)
	}
}

func TestErrors(t *testing.T) {
	ResetFake()
	SetFake("vault", "db", map[string]string{"user": "u"})
	value := func(store, name, key string) error {
		_, err := Value(store, name, key)
		return err
	}
	for _, c := range []struct {
		what string
		err  error
		want error
		text string
	}{
		{"missing secret", value("vault", "other", ""), ErrNotFound, `get "other" in vault`},
		{"missing key", value("vault", "db", "password"), ErrNotFound, `has no key "password"`},
		{"missing store", value("", "db", ""), ErrStoreNotFound, "in the default store"},
		{"no name", value("vault", "", ""), ErrInvalidRequest, `get ""`},
	} {
		if !errors.Is(c.err, c.want) || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: got error %v, want %v with %q", c.what, c.err, c.want, c.text)
		}
	}
	if _, err := Bulk("other"); !errors.Is(err, ErrStoreNotFound) {
		t.Errorf("bulk: got error %v, want %v", err, ErrStoreNotFound)
	}
	FailFake(ErrUnavailable)
	if _, err := Get("vault", "db"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got error %v, want %v", err, ErrUnavailable)
	}
}

func TestOptions(t *testing.T) {
	got := collect([]Option{WithVersion("3"), WithMetadata("namespace", "n")})
	if !maps.Equal(got, map[string]string{"version_id": "3", "namespace": "n"}) {
		t.Errorf("got %v", got)
	}
}
