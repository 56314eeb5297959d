package crypto_test

import (
	"bytes"
	"context"
	stdcrypto "crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	kitcrypto "github.com/dapr/kit/crypto"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

var errDown = fmt.Errorf("%w: the cable is out", crypto.ErrUnavailable)

// vault is a real vault with keys in memory, which tells what it was asked for and can be made to fail.
type vault struct {
	keys map[string]jwk.Key

	mu   sync.Mutex
	seen []string
	// fail is the error of each call, or of so many if left is not 0.
	fail error
	left int
}

var _ crypto.Provider = (*vault)(nil)

// keys are made once: some take long.
var keys = sync.OnceValue(func() map[string]jwk.Key {
	out := map[string]jwk.Key{}
	add := func(name string, raw any, err error) {
		if err != nil {
			panic(err)
		}
		if out[name], err = jwk.FromRaw(raw); err != nil {
			panic(err)
		}
	}
	secret := func(n int) []byte {
		b := make([]byte, n)
		_, _ = rand.Read(b)
		return b
	}
	for _, n := range []int{16, 24, 32, 64} {
		add(fmt.Sprint("aes", n*8), secret(n), nil)
	}
	add("other", secret(32), nil)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	add("rsa", r, err)
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	add("ec", e, err)
	_, d, err := ed25519.GenerateKey(rand.Reader)
	add("ed", d, err)
	return out
})

func (v *vault) failing(err error, times int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fail, v.left = err, times
}

// calls gives the calls since it was asked last.
func (v *vault) calls() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	seen := v.seen
	v.seen = nil
	return seen
}

// ask notes a call and gives its key.
func (v *vault) ask(what, key string) (jwk.Key, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen = append(v.seen, what+" "+key)
	if v.fail != nil {
		err := v.fail
		if v.left--; v.left == 0 {
			v.fail = nil
		}
		return nil, err
	}
	name, _, _ := strings.Cut(key, "/")
	k, ok := v.keys[name]
	if !ok {
		return nil, fmt.Errorf("%w: the vault has no key %s", crypto.ErrKeyNotFound, key)
	}
	return k, nil
}

// class gives the library's errors the contract's classes; the details of a failure are not for apps.
func class(err error) error {
	if err == nil {
		return nil
	}
	for _, is := range []error{
		kitcrypto.ErrUnsupportedAlgorithm, kitcrypto.ErrKeyTypeMismatch, kitcrypto.ErrInvalidNonce, kitcrypto.ErrInvalidTag,
		kitcrypto.ErrInvalidPlaintextLength,
	} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %w", crypto.ErrInvalid, err)
		}
	}
	return fmt.Errorf("%w: the oracle: %w", crypto.ErrFailed, err)
}

func (v *vault) seal(what string, op *crypto.Operation) (crypto.Sealed, error) {
	k, err := v.ask(what, op.Key)
	if err != nil {
		return crypto.Sealed{}, err
	}
	data, tag, err := kitcrypto.Encrypt(bytes.Clone(op.Data), op.Algorithm, k, op.Nonce, op.AssociatedData)
	return crypto.Sealed{Data: data, Tag: tag}, class(err)
}

func (v *vault) open(what string, op *crypto.Operation) ([]byte, error) {
	k, err := v.ask(what, op.Key)
	if err != nil {
		return nil, err
	}
	data, err := kitcrypto.Decrypt(bytes.Clone(op.Data), op.Algorithm, k, op.Nonce, op.Tag, op.AssociatedData)
	return data, class(err)
}

func (v *vault) Encrypt(_ context.Context, op *crypto.Operation) (crypto.Sealed, error) {
	return v.seal("encrypt", op)
}

func (v *vault) Decrypt(_ context.Context, op *crypto.Operation) ([]byte, error) {
	return v.open("decrypt", op)
}

func (v *vault) WrapKey(_ context.Context, op *crypto.Operation) (crypto.Sealed, error) {
	return v.seal("wrap", op)
}

func (v *vault) UnwrapKey(_ context.Context, op *crypto.Operation) ([]byte, error) {
	return v.open("unwrap", op)
}

func (v *vault) Sign(_ context.Context, key, algorithm string, digest []byte) ([]byte, error) {
	k, err := v.ask("sign", key)
	if err != nil {
		return nil, err
	}
	out, err := kitcrypto.SignPrivateKey(digest, algorithm, k)
	return out, class(err)
}

func (v *vault) Verify(_ context.Context, key, algorithm string, digest, signature []byte) (bool, error) {
	k, err := v.ask("verify", key)
	if err != nil {
		return false, err
	}
	if k, err = k.PublicKey(); err != nil {
		return false, err
	}
	valid, err := kitcrypto.VerifyPublicKey(digest, signature, algorithm, k)
	return valid, class(err)
}

func (v *vault) Algorithms(context.Context) (crypto.Algorithms, error) {
	if _, err := v.ask("algorithms", "rsa"); err != nil {
		return crypto.Algorithms{}, err
	}
	return crypto.Algorithms{
		Encryption: slices.Concat(kitcrypto.SupportedSymmetricAlgorithms(), kitcrypto.SupportedAsymmetricAlgorithms()),
		Signature:  kitcrypto.SupportedSignatureAlgorithms(),
	}, nil
}

// PublicKey gives whole key pairs, of which the block is to take the public part.
func (v *vault) PublicKey(_ context.Context, key string) (crypto.PublicKey, error) {
	k, err := v.ask("get", key)
	if err != nil {
		return crypto.PublicKey{}, err
	}
	return crypto.PublicKey{Name: strings.TrimSuffix(key+"/1", "/1/1"), Key: k}, nil
}

func (v *vault) Ping(context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fail
}

func (v *vault) Close(context.Context) error { return nil }

// app is an app that only asks.
type app string

func (a app) Name() string                                                   { return string(a) }
func (app) Handles(string) bool                                              { return false }
func (app) Do(context.Context, func(context.Context, abi.Guest) error) error { return nil }

// fixture is a host's block under test.
type fixture struct {
	*crypto.Block
	vaults map[string]*vault // by component
	cipher map[string]abicrypto.CipherHost
	subtle map[string]abicrypto.SubtleHost
	log    *lines
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// declared is a component.
func declared(name string, metadata component.Metadata, scopes ...string) component.Decl {
	return component.Decl{Name: name, Type: "crypto.memory", Where: "manifest.yaml:1", Metadata: metadata, Scopes: scopes}
}

// prepare gives the configuration of a block with these components, for the apps one and two.
func prepare(t testing.TB, decls ...component.Decl) (crypto.Config, map[string]*vault) {
	t.Helper()
	vaults := map[string]*vault{}
	drivers, err := component.NewSet("crypto", component.Spec[crypto.Provider]{
		Type: "crypto.memory", Doc: "-",
		New: func(_ context.Context, cfg component.Config) (crypto.Provider, error) {
			if fail, _ := cfg.Metadata.Get("fail"); fail != "" {
				return nil, component.Permanent(errors.New(fail))
			}
			vaults[cfg.Name] = &vault{keys: maps.Clone(keys())}
			return vaults[cfg.Name], nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return crypto.Config{
		Drivers: drivers, Decls: decls, Apps: []string{"one", "two"},
		CallerApp: func(r *http.Request) string { return r.Header.Get("app") },
	}, vaults
}

// started makes the block, whose calls pass ch.
func started(t testing.TB, ch *chain.Chain, decls ...component.Decl) *fixture {
	t.Helper()
	cfg, vaults := prepare(t, decls...)
	cfg.Chain = ch
	f := &fixture{vaults: vaults, cipher: map[string]abicrypto.CipherHost{}, subtle: map[string]abicrypto.SubtleHost{}, log: &lines{}}
	cfg.Log = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b, err := crypto.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.Block = b
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for _, name := range []string{"one", "two", component.PluginApp("plug")} {
		s, err := b.Open(t.Context(), app(name))
		if err != nil {
			t.Fatal(err)
		}
		hosts := s.(interface {
			Cipher() abicrypto.CipherHost
			Subtle() abicrypto.SubtleHost
		})
		f.cipher[name], f.subtle[name] = hosts.Cipher(), hosts.Subtle()
	}
	return f
}

// random gives n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func digest(of string) []byte {
	h := stdcrypto.SHA256.New()
	_, _ = h.Write([]byte(of))
	return h.Sum(nil)
}
