package crypto_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// TestErrors: what an app is told, and what it is not.
func TestErrors(t *testing.T) {
	f := started(t, nil, declared("vault", nil), declared("second", nil, "two"))
	ctx, s, c := t.Context(), f.subtle["one"], f.cipher["one"]
	sealed, failed := s.Encrypt(ctx, "", "aes256", "A256CBC", []byte("0123456789abcdef"), make([]byte, 16), nil)
	if failed != nil {
		t.Fatal(failed)
	}
	encrypt := func(component, key, algorithm string) *abicrypto.Error {
		_, err := c.Encrypt(ctx, component, []byte("x"), abicrypto.EncryptOptions{KeyName: key, KeyWrapAlgorithm: algorithm})
		return err
	}
	decrypt := func(key, algorithm string, data []byte, nonce int) *abicrypto.Error {
		_, err := s.Decrypt(ctx, "", key, algorithm, data, nil, make([]byte, nonce), nil)
		return err
	}
	sign := func(key, algorithm string) *abicrypto.Error {
		_, err := s.Sign(ctx, "", key, algorithm, digest("x"))
		return err
	}
	_, noName := c.Encrypt(ctx, "", nil, abicrypto.EncryptOptions{KeyName: "aes256", KeyWrapAlgorithm: "AES", DecryptionKeyName: "\xff"})
	_, badVerify := s.Verify(ctx, "", "", "ES256", nil, nil)
	const decryptFailed = "crypto component vault: failed to decrypt"
	for _, tc := range []struct {
		name  string
		err   *abicrypto.Error
		tag   abicrypto.ErrorTag
		text  string
		exact bool
	}{
		{"unknown component", encrypt("nope", "aes256", "AES"), abicrypto.ErrorProviderNotFound, `"nope" is not found for app one: it sees vault`, false},
		{"another app's component", encrypt("second", "aes256", "AES"), abicrypto.ErrorProviderNotFound, `"second" is not found for app one`, false},
		{"no key", encrypt("", "", "AES"), abicrypto.ErrorInvalidRequest, "the key name is missing", false},
		{"no algorithm", encrypt("", "aes256", ""), abicrypto.ErrorInvalidRequest, "the key wrap algorithm is missing", false},
		{"no such algorithm", encrypt("", "aes256", "A256GCM"), abicrypto.ErrorInvalidRequest, `key wrap algorithm "A256GCM": want A256KW (or AES), A128CBC-NOPAD`, false},
		{"long name", encrypt("", strings.Repeat("x", 4097), "AES"), abicrypto.ErrorInvalidRequest, "has 4097 bytes, want 4096 or fewer", false},
		{"not UTF-8", encrypt("", "\xff", "AES"), abicrypto.ErrorInvalidRequest, "is not valid UTF-8", false},
		{"decryption name not UTF-8", noName, abicrypto.ErrorInvalidRequest, "decryption key name", false},
		{"unknown key", encrypt("", "nope", "AES"), abicrypto.ErrorKeyNotFound, "failed to wrap key: key not found: the vault has no key nope", false},
		{"key and algorithm", encrypt("", "rsa", "AES"), abicrypto.ErrorInvalidRequest, "failed to wrap key: invalid request: key type mismatch", false},
		{"not the vault's algorithm", encrypt("", "aes256", "A256CBC-NOPAD"), abicrypto.ErrorInvalidRequest, "unsupported algorithm", false},
		{"subtle: no key", sign("", "ES256"), abicrypto.ErrorInvalidRequest, "the key name is missing", false},
		{"subtle: no algorithm", sign("ec", ""), abicrypto.ErrorInvalidRequest, "the algorithm is missing", false},
		{"subtle: algorithm", sign("ec", "ES257"), abicrypto.ErrorInvalidRequest, "failed to sign: invalid request: unsupported algorithm", false},
		{"verify: no key", badVerify, abicrypto.ErrorInvalidRequest, "the key name is missing", false},
		{"nonce's length", decrypt("aes256", "A256CBC", sealed.Data, 8), abicrypto.ErrorInvalidRequest, "failed to decrypt: invalid request: invalid nonce", false},
		{"padding", decrypt("aes256", "A256CBC", sealed.Data[:16], 16), abicrypto.ErrorFailed, decryptFailed, true},
		{"length", decrypt("aes256", "A256CBC", sealed.Data[:15], 16), abicrypto.ErrorFailed, decryptFailed, true},
		{"another key", decrypt("other", "A256CBC", sealed.Data, 16), abicrypto.ErrorFailed, decryptFailed, true},
	} {
		if tc.err == nil || tc.err.Tag != tc.tag || !strings.Contains(tc.err.Value, tc.text) || tc.exact && tc.err.Value != tc.text {
			t.Errorf("%s: got %v, want %s with %q", tc.name, tc.err, tc.tag, tc.text)
		}
	}
	if log := f.log.String(); !strings.Contains(log, "the oracle") || !strings.Contains(log, "operation=decrypt") || !strings.Contains(log, "component=vault") {
		t.Errorf("the debug log does not say why: %s", log)
	}
}

// TestVaultFails: what a vault reports in a way of its own is not told, and is no way to tell failures of decryption apart.
func TestVaultFails(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	ctx, s, v := t.Context(), f.subtle["one"], f.vaults["vault"]
	ops := map[string]func() *abicrypto.Error{
		"encrypt": func() *abicrypto.Error {
			_, err := s.Encrypt(ctx, "", "aes256", "A256GCM", nil, make([]byte, 12), nil)
			return err
		},
		"decrypt": func() *abicrypto.Error {
			_, err := s.Decrypt(ctx, "", "aes256", "A256GCM", nil, nil, make([]byte, 12), nil)
			return err
		},
		"wrap key": func() *abicrypto.Error {
			_, err := f.cipher["one"].Encrypt(ctx, "", nil, abicrypto.EncryptOptions{KeyName: "aes256", KeyWrapAlgorithm: "AES"})
			return err
		},
		"unwrap key": func() *abicrypto.Error {
			_, err := s.UnwrapKey(ctx, "", "aes256", "A256KW", nil, nil, nil, nil)
			return err
		},
		"sign":             func() *abicrypto.Error { _, err := s.Sign(ctx, "", "ec", "ES256", nil); return err },
		"verify signature": func() *abicrypto.Error { _, err := s.Verify(ctx, "", "ec", "ES256", nil, nil); return err },
	}
	for doing, op := range ops {
		v.failing(errors.New("bad padding at 7"), 1)
		want := abicrypto.ErrorOther
		if doing == "decrypt" || doing == "unwrap key" {
			want = abicrypto.ErrorFailed
		}
		if err := op(); err == nil || err.Tag != want || err.Value != "crypto component vault: failed to "+doing {
			t.Errorf("%s: got %v, want %s", doing, err, want)
		}
		v.failing(errDown, 1)
		if err := op(); err == nil || err.Tag != abicrypto.ErrorUnavailable || err.Value != "crypto component vault: failed to "+doing+": unavailable: the cable is out" {
			t.Errorf("%s without a vault: got %v, want unavailable", doing, err)
		}
		v.failing(fmt.Errorf("call: %w", context.DeadlineExceeded), 1)
		if err := op(); err == nil || err.Tag != abicrypto.ErrorUnavailable {
			t.Errorf("%s without time: got %v, want unavailable", doing, err)
		}
	}
	v.failing(errors.New("status 418"), 2)
	if _, err := s.GetKey(ctx, "", "ec", abicrypto.KeyFormatPem); err == nil || err.Tag != abicrypto.ErrorOther || !strings.Contains(err.Value, "status 418") {
		t.Errorf("get-key: got %v", err)
	}
	if _, err := s.ListAlgorithms(ctx, ""); err == nil || err.Tag != abicrypto.ErrorOther || !strings.Contains(err.Value, "status 418") {
		t.Errorf("list-algorithms: got %v", err)
	}
	v.failing(errDown, 1)
	if err := f.Ready(ctx); !errors.Is(err, crypto.ErrUnavailable) || !strings.Contains(err.Error(), "crypto component vault") {
		t.Errorf("ready: got %v", err)
	}
	v.failing(nil, 0)
	if err := f.Ready(ctx); err != nil {
		t.Errorf("ready: got %v", err)
	}
}

// TestNames: an empty name is the only component, or the one called crypto; a plugin sees what it is granted.
func TestNames(t *testing.T) {
	granted := declared("granted", nil)
	granted.Grants = []string{"plug"}
	f := started(t, nil, declared("crypto", nil), declared("second", nil), granted)
	ask := func(app, name string) error {
		if _, err := f.subtle[app].GetKey(t.Context(), name, "ec", abicrypto.KeyFormatJwk); err != nil {
			return err
		}
		return nil
	}
	for _, tc := range []struct{ app, name, want string }{
		{"one", "", "crypto"}, {"one", "second", "second"}, {"two", "crypto", "crypto"}, {component.PluginApp("plug"), "", "granted"},
	} {
		if err := ask(tc.app, tc.name); err != nil {
			t.Errorf("%+v: %v", tc, err)
		}
		for name, v := range f.vaults {
			if calls := v.calls(); (len(calls) == 1) != (name == tc.want) {
				t.Errorf("%+v: the vault %s was asked %q", tc, name, calls)
			}
		}
	}
	if err := ask(component.PluginApp("plug"), "second"); err == nil {
		t.Error("a plugin got a key of a component that is not granted to it")
	}
}

// again is a policy that makes each call three times, until it succeeds.
type again struct {
	mu  sync.Mutex
	ops []chain.Op
}

func (a *again) Bind(op chain.Op) chain.Guard {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ops = append(a.ops, op)
	return func(ctx context.Context, next func(context.Context) error) error {
		var err error
		for range 3 {
			err = next(ctx)
			var p interface{ Permanent() bool }
			if err == nil || errors.As(err, &p) && p.Permanent() {
				return err
			}
		}
		return fmt.Errorf("the policy gave up: %w", err)
	}
}

// lasting is an odd error that a vault knows to stay.
type lasting struct{}

func (lasting) Error() string   { return "odd" }
func (lasting) Permanent() bool { return true }

// TestRetries: a policy repeats what may succeed, and nothing else; what it says for itself is told.
func TestRetries(t *testing.T) {
	policy := &again{}
	f := started(t, chain.New(nil, []chain.Policy{policy}), declared("vault", nil))
	v := f.vaults["vault"]
	message, failed := f.cipher["one"].Encrypt(t.Context(), "", []byte("hello"), abicrypto.EncryptOptions{KeyName: "aes256", KeyWrapAlgorithm: "AES"})
	if failed != nil {
		t.Fatal(failed)
	}
	for _, tc := range []struct {
		name  string
		err   error
		times int
		calls int
		tag   abicrypto.ErrorTag
		text  string
	}{
		{"twice unavailable", errDown, 2, 3, 0, ""},
		{"unavailable", errDown, 0, 3, abicrypto.ErrorUnavailable, "the policy gave up: failed to unwrap key: unavailable: the cable is out"},
		{"odd", errors.New("odd"), 2, 3, 0, ""},
		{"odd, and known to stay so", lasting{}, 0, 1, abicrypto.ErrorFailed, "failed to decrypt the message"},
		{"failed", fmt.Errorf("%w: padding", crypto.ErrFailed), 0, 1, abicrypto.ErrorFailed, "failed to decrypt the message"},
		{"no key", crypto.ErrKeyNotFound, 0, 1, abicrypto.ErrorKeyNotFound, "failed to unwrap key: key not found"},
	} {
		v.calls()
		v.failing(tc.err, tc.times)
		got, failed := f.cipher["one"].Decrypt(t.Context(), "", message, "")
		switch {
		case tc.text == "" && (failed != nil || string(got) != "hello"):
			t.Errorf("%s: got %q, error %v", tc.name, got, failed)
		case tc.text != "" && (failed == nil || failed.Tag != tc.tag || !strings.Contains(failed.Value, tc.text)):
			t.Errorf("%s: got %v, want %s with %q", tc.name, failed, tc.tag, tc.text)
		}
		if n := len(v.calls()); n != tc.calls {
			t.Errorf("%s: got %d calls, want %d", tc.name, n, tc.calls)
		}
	}
	policy.mu.Lock()
	defer policy.mu.Unlock()
	var names []string
	for _, op := range policy.ops {
		names = append(names, op.Name)
		if op.Name = ""; op != (chain.Op{Direction: chain.Outbound, Block: "crypto", Target: "vault", Type: "crypto.memory", App: "one"}) {
			t.Errorf("the chain has %+v", op)
		}
	}
	if want := "encrypt wrap-key decrypt unwrap-key sign verify get-key list-algorithms"; strings.Join(names, " ") != want {
		t.Errorf("the chain has %q, want %s", names, want)
	}
}

func TestNewFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		decl component.Decl
		want string
	}{
		{"type", component.Decl{Name: "a", Type: "crypto.nope", Where: "manifest.yaml:1"}, "manifest.yaml:1: component a: this binary has no driver crypto.nope; it has crypto.memory"},
		{"start", declared("a", component.Metadata{"fail": "no keys"}), "no keys"},
	} {
		cfg, _ := prepare(t, tc.decl)
		if _, err := crypto.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want %q", tc.name, err, tc.want)
		}
	}
}

// TestIgnoreErrors: a component that did not start is unavailable, and does not keep the host from being ready.
func TestIgnoreErrors(t *testing.T) {
	gone := declared("gone", component.Metadata{"fail": "no keys"})
	gone.IgnoreErrors = true
	f := started(t, nil, gone)
	if _, err := f.subtle["one"].ListAlgorithms(t.Context(), ""); err == nil || err.Tag != abicrypto.ErrorUnavailable || !strings.Contains(err.Value, "did not start") {
		t.Errorf("got error %v, want unavailable", err)
	}
	if err := f.Ready(t.Context()); err != nil {
		t.Errorf("ready: got %v", err)
	}
}

// TestDescribe: a component with a tag of apps is open once for each, and listed once.
func TestDescribe(t *testing.T) {
	f := started(t, nil, declared("vault", nil), declared("each", component.Metadata{"path": "{appID}"}))
	got := fmt.Sprint(f.Describe(t.Context()))
	const want = "map[components:[map[capabilities:[] name:vault type:crypto.memory version:v1] map[capabilities:[] name:each type:crypto.memory version:v1]]]"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestLate: a deadline that is over is the vault's being unavailable.
func TestLate(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, failed := f.cipher["one"].Encrypt(ctx, "", []byte("x"), abicrypto.EncryptOptions{KeyName: "aes256", KeyWrapAlgorithm: "AES"})
	if failed == nil || failed.Tag != abicrypto.ErrorUnavailable {
		t.Errorf("got %v, want unavailable", failed)
	}
}
