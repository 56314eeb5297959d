// Package secrettest is the conformance suite of secret stores: every driver runs it against the real thing.
package secrettest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// Caps is what the suite cannot see from a store's methods.
type Caps struct {
	// SingleValue says that a secret has one value, whose key is the secret's name.
	SingleValue bool
	// NoBulk says that the store has BulkGet but refuses it as it is configured.
	NoBulk bool
	// DNSNames says that secrets have names as hosts have: small letters, digits, dashes and dots.
	DNSNames bool
}

// suite is one run.
type suite struct {
	store   secret.Store
	caps    Caps
	planted map[string]secret.Values
}

// plain is a secret that all stores can have.
const plain = "secrettest-plain"

// Run plants secrets and checks every property that a store can have. open gives a store that has the secrets of
// planted, by name and key, and may have others.
func Run(t *testing.T, open func(t *testing.T, planted map[string]secret.Values) secret.Store, caps Caps) {
	t.Helper()
	s := &suite{caps: caps, planted: map[string]secret.Values{}}
	for name, value := range map[string]string{
		plain:                "plain-s3cret-value",
		"secrettest-empty":   "",
		"secrettest-text":    "pässwörd 漢字 \U0001F600 'quoted\" $HOME ${HOME} {appID} %s",
		"secrettest-lines":   "-----BEGIN KEY-----\nabc\r\ndef\n-----END KEY-----\n",
		"secrettest-json":    `{"user":"u","password":["p",1]}`,
		"secrettest-long":    strings.Repeat("0123456789abcdef", 1<<12),
		"secrettest-number":  "0123",
		"secrettest.dots_Up": "dots",
	} {
		if caps.DNSNames {
			name = strings.NewReplacer("_", "-", "U", "u").Replace(name)
		}
		s.planted[name] = secret.Values{name: value}
	}
	if !caps.SingleValue {
		s.planted["secrettest-many"] = secret.Values{"user": "many-s3cret-user", "password": "many-s3cret-password", "secrettest-many": "same name"}
	}
	copied := map[string]secret.Values{}
	for name, values := range s.planted {
		copied[name] = maps.Clone(values)
	}
	s.store = open(t, copied)
	t.Run("Get", s.get)
	t.Run("GetMissing", s.missing)
	t.Run("OneNameASecret", s.aliases)
	t.Run("ValuesBelongToTheCaller", s.owned)
	t.Run("ManyAtOnce", s.concurrent)
	t.Run("CancelledContext", s.cancelled)
	if b, ok := s.store.(secret.BulkGetter); ok {
		t.Run("BulkGet", func(t *testing.T) { s.bulk(t, b) })
	}
	if p, ok := s.store.(secret.Pinger); ok {
		t.Run("Ping", func(t *testing.T) {
			if err := p.Ping(t.Context()); err != nil {
				t.Errorf("ping: %v", err)
			}
		})
	}
	if err := s.store.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatalf("close: %v", err)
	}
	t.Run("UseAfterCloseFails", func(t *testing.T) {
		if _, err := s.store.Get(t.Context(), plain, nil); err == nil {
			t.Error("get after close: want an error, got none")
		}
	})
}

func (s *suite) get(t *testing.T) {
	for name, want := range s.planted {
		t.Run(name, func(t *testing.T) {
			got, err := s.store.Get(t.Context(), name, nil)
			if err != nil {
				t.Fatalf("get: %v", err)
			}
			s.same(t, got, want)
		})
	}
}

func (s *suite) missing(t *testing.T) {
	got, err := s.store.Get(t.Context(), "secrettest-none", nil)
	if !errors.Is(err, secret.ErrNotFound) || got != nil {
		t.Errorf("get of a secret that is not there: got %v and error %v, want %v", got, err, secret.ErrNotFound)
	}
	if err == nil || !strings.Contains(err.Error(), "secrettest-none") {
		t.Errorf("error %v: want the secret's name in it", err)
	}
}

// aliases asks for names that a path, a query or a lazy comparison could take for another: scopes go by names.
func (s *suite) aliases(t *testing.T) {
	for _, name := range []string{
		"./" + plain, "/" + plain, plain + "/", "x/../" + plain, "../" + plain, ".//" + plain, plain + "/.", "..", ".", "/", "",
		strings.ToUpper(plain), plain + " ", " " + plain, plain + "?version=1", plain + "#x", plain + "%00", plain + "\x00",
		strings.ReplaceAll(plain, "-", "%2d"), plain + "\n", plain + "=", "*", "%", plain + ":", plain + ":0",
	} {
		got, err := s.store.Get(t.Context(), name, nil)
		if err == nil {
			t.Errorf("get %.60q: got %d values, want an error", name, len(got))
			continue
		}
		if !errors.Is(err, secret.ErrNotFound) && !errors.Is(err, secret.ErrInvalid) && !errors.Is(err, secret.ErrForbidden) {
			t.Errorf("get %.60q: got error %v, want %v, %v or %v", name, err, secret.ErrNotFound, secret.ErrInvalid, secret.ErrForbidden)
		}
		s.noValues(t, err)
	}
}

// noValues wants an error without any planted value in its text.
func (s *suite) noValues(t *testing.T, err error) {
	t.Helper()
	for name, values := range s.planted {
		for key, value := range values {
			if len(value) > 4 && strings.Contains(err.Error(), value) {
				t.Errorf("an error has the value of %s/%s in it", name, key)
			}
		}
	}
}

func (s *suite) owned(t *testing.T) {
	got, err := s.store.Get(t.Context(), plain, nil)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	for k := range got {
		got[k] = "changed"
	}
	again, err := s.store.Get(t.Context(), plain, nil)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	s.same(t, again, s.planted[plain])
}

func (s *suite) concurrent(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for name, want := range s.planted {
				got, err := s.store.Get(t.Context(), name, nil)
				if err != nil {
					t.Errorf("get %s: %v", name, err)
					continue
				}
				s.same(t, got, want)
			}
		})
	}
	wg.Wait()
}

func (s *suite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := s.store.Get(ctx, plain, nil)
	if err == nil {
		s.same(t, got, s.planted[plain]) // a store without a server may answer all the same
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("get with a cancelled context: got error %v, want %v", err, context.Canceled)
	}
}

func (s *suite) bulk(t *testing.T, b secret.BulkGetter) {
	all, err := b.BulkGet(t.Context(), nil)
	if s.caps.NoBulk {
		if !errors.Is(err, secret.ErrUnsupported) || all != nil {
			t.Errorf("bulk get: got %d secrets and error %v, want %v", len(all), err, secret.ErrUnsupported)
		}
		return
	}
	if err != nil {
		t.Fatalf("bulk get: %v", err)
	}
	for name, want := range s.planted {
		got, ok := all[name]
		if !ok {
			t.Errorf("bulk get: %s is missing", name)
			continue
		}
		s.same(t, got, want)
	}
}

func (s *suite) same(t *testing.T, got, want secret.Values) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("got %s, want %s", show(got), show(want))
	}
}

func show(values secret.Values) string {
	var b strings.Builder
	for k, v := range values {
		if len(v) > 60 {
			v = fmt.Sprintf("%s... (%d bytes)", v[:60], len(v))
		}
		fmt.Fprintf(&b, "%s=%q ", k, v)
	}
	return "{" + strings.TrimSpace(b.String()) + "}"
}
