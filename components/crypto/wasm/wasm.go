// Package wasm is the vault crypto.wasm: a wasm module that exports mrt:crypto/driver.
package wasm

import (
	"context"
	"errors"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// Spec is the driver.
var Spec = component.Spec[crypto.Provider]{
	Type: "crypto.wasm",
	Doc: `Is a vault by a plugin: a WebAssembly module that exports mrt:crypto/driver.

All metadata but the fields below goes to the plugin's init.`,
	Fields:  func() any { return new(wasmplugin.Settings) },
	Further: true,
	New:     func(ctx context.Context, cfg component.Config) (crypto.Provider, error) { return open(ctx, cfg) },
}

// vault is a plugin as a vault.
type vault struct{ plugin component.Plugin }

var _ crypto.Provider = (*vault)(nil)

func open(ctx context.Context, cfg component.Config) (crypto.Provider, error) {
	run, err := wasmplugin.Runner(cfg)
	if err != nil {
		return nil, err
	}
	metadata := wasmplugin.Init(cfg)
	p, err := run.Open(ctx, component.PluginConfig{
		Config: cfg, Exports: abicrypto.DriverExports(),
		OneOf: []string{abicrypto.DriverModule}, Unavailable: crypto.ErrUnavailable,
		Init: func(ctx context.Context, g abi.Guest) error {
			return wasmplugin.Started(toError(abicrypto.CallDriverInit(ctx, g, metadata)), crypto.ErrUnavailable)
		},
	})
	if err != nil {
		return nil, err
	}
	return &vault{p}, nil
}

// Algorithms asks the plugin.
func (v *vault) Algorithms(ctx context.Context) (crypto.Algorithms, error) {
	out, err := do(ctx, v, abicrypto.CallDriverListAlgorithms)
	return crypto.Algorithms(out), err
}

// PublicKey asks the plugin. What it says is read here; a key pair never leaves with its private part.
func (v *vault) PublicKey(ctx context.Context, name string) (crypto.PublicKey, error) {
	text, err := do(ctx, v, func(ctx context.Context, g abi.Guest) (string, error) {
		return abicrypto.CallDriverGetKey(ctx, g, name)
	})
	if err != nil {
		return crypto.PublicKey{}, err
	}
	// The errors of the library quote what they read.
	key, err := jwk.ParseKey([]byte(text))
	if err != nil {
		return crypto.PublicKey{}, wasmplugin.Lied("get-key gave %d bytes that are no JSON Web Key", len(text))
	}
	if _, symmetric := key.(jwk.SymmetricKey); symmetric {
		return crypto.PublicKey{}, wasmplugin.Lied("get-key gave a symmetric key, which has no public part")
	}
	public, err := key.PublicKey()
	if err != nil {
		return crypto.PublicKey{}, wasmplugin.Lied("get-key gave a key of type %s that has no public part", key.KeyType())
	}
	if id := public.KeyID(); id != "" {
		name = id
	}
	return crypto.PublicKey{Name: name, Key: public}, nil
}

// Encrypt encrypts a short text.
func (v *vault) Encrypt(ctx context.Context, op *crypto.Operation) (crypto.Sealed, error) {
	out, err := do(ctx, v, func(ctx context.Context, g abi.Guest) (abicrypto.Sealed, error) {
		return abicrypto.CallDriverEncrypt(ctx, g, op.Key, op.Algorithm, op.Data, op.Nonce, op.AssociatedData)
	})
	return sealed(out), err
}

// Decrypt decrypts it again.
func (v *vault) Decrypt(ctx context.Context, op *crypto.Operation) ([]byte, error) {
	return do(ctx, v, func(ctx context.Context, g abi.Guest) ([]byte, error) {
		return abicrypto.CallDriverDecrypt(ctx, g, op.Key, op.Algorithm, op.Data, op.Tag, op.Nonce, op.AssociatedData)
	})
}

// WrapKey encrypts a key.
func (v *vault) WrapKey(ctx context.Context, op *crypto.Operation) (crypto.Sealed, error) {
	out, err := do(ctx, v, func(ctx context.Context, g abi.Guest) (abicrypto.Sealed, error) {
		return abicrypto.CallDriverWrapKey(ctx, g, op.Key, op.Algorithm, op.Data, op.Nonce, op.AssociatedData)
	})
	return sealed(out), err
}

// UnwrapKey decrypts a key.
func (v *vault) UnwrapKey(ctx context.Context, op *crypto.Operation) ([]byte, error) {
	return do(ctx, v, func(ctx context.Context, g abi.Guest) ([]byte, error) {
		return abicrypto.CallDriverUnwrapKey(ctx, g, op.Key, op.Algorithm, op.Data, op.Tag, op.Nonce, op.AssociatedData)
	})
}

// Sign signs a digest.
func (v *vault) Sign(ctx context.Context, key, algorithm string, digest []byte) ([]byte, error) {
	return do(ctx, v, func(ctx context.Context, g abi.Guest) ([]byte, error) {
		return abicrypto.CallDriverSign(ctx, g, key, algorithm, digest)
	})
}

// Verify tells whether a signature is the key's.
func (v *vault) Verify(ctx context.Context, key, algorithm string, digest, signature []byte) (bool, error) {
	return do(ctx, v, func(ctx context.Context, g abi.Guest) (bool, error) {
		return abicrypto.CallDriverVerify(ctx, g, key, algorithm, digest, signature)
	})
}

// Close ends the plugin.
func (v *vault) Close(ctx context.Context) error { return v.plugin.Close(ctx) }

// do calls the plugin; with an error there is no result.
func do[T any](ctx context.Context, v *vault, call func(context.Context, abi.Guest) (T, error)) (T, error) {
	var out T
	err := ctx.Err()
	if err == nil {
		err = v.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
			out, err = call(ctx, g)
			return err
		})
	}
	if err != nil {
		return *new(T), toError(err)
	}
	return out, nil
}

func sealed(s abicrypto.Sealed) crypto.Sealed {
	if len(s.Tag) == 0 {
		s.Tag = nil
	}
	return crypto.Sealed(s)
}

// toError gives the block's error for one of the contract; others stay as they are.
func toError(err error) error {
	e, ok := errors.AsType[*abicrypto.Error](err)
	if !ok {
		return err
	}
	switch e.Tag {
	case abicrypto.ErrorKeyNotFound:
		return wasmplugin.As(crypto.ErrKeyNotFound, e.Value)
	case abicrypto.ErrorInvalidRequest:
		return wasmplugin.As(crypto.ErrInvalid, e.Value)
	case abicrypto.ErrorFailed:
		return wasmplugin.As(crypto.ErrFailed, e.Value)
	case abicrypto.ErrorUnavailable:
		return wasmplugin.As(crypto.ErrUnavailable, e.Value)
	default:
		return errors.New(e.Value)
	}
}
