package crypto

import (
	"context"
	"errors"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// session is what one app has of the block. The two interfaces of apps have functions of the same names, so that each is
// a type of its own.
type session struct {
	b   *Block
	app string
}

type (
	cipherSession session
	subtleSession session
)

var (
	_ abicrypto.CipherHost = (*cipherSession)(nil)
	_ abicrypto.SubtleHost = (*subtleSession)(nil)
)

// Cipher is the app's interface cipher.
func (s *session) Cipher() abicrypto.CipherHost { return (*cipherSession)(s) }

// Subtle is the app's interface subtle.
func (s *session) Subtle() abicrypto.SubtleHost { return (*subtleSession)(s) }

// Funcs are the host functions.
func (s *session) Funcs() []abi.Func {
	return append(abicrypto.CipherFuncs(s.Cipher()), abicrypto.SubtleFuncs(s.Subtle())...)
}

// Close has nothing to release: components belong to the block.
func (s *session) Close(context.Context) error { return nil }

// Encrypt is the host function of this name.
func (s *cipherSession) Encrypt(ctx context.Context, name string, plaintext []byte, o abicrypto.EncryptOptions) ([]byte, *abicrypto.Error) {
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return nil, wireError(err)
	}
	out, err := p.encryptMessage(ctx, plaintext, &messageOptions{
		key: o.KeyName, algorithm: o.KeyWrapAlgorithm, cipher: dataCipher(o.DataCipher),
		omitKey: o.OmitDecryptionKeyName, decryptionKey: o.DecryptionKeyName,
	})
	return out, wireError(err)
}

// Decrypt is the host function of this name.
func (s *cipherSession) Decrypt(ctx context.Context, name string, ciphertext []byte, key string) ([]byte, *abicrypto.Error) {
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return nil, wireError(err)
	}
	out, err := p.decryptMessage(ctx, ciphertext, key)
	return out, wireError(err)
}

// ListAlgorithms is the host function of this name.
func (s *subtleSession) ListAlgorithms(ctx context.Context, name string) (abicrypto.Algorithms, *abicrypto.Error) {
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return abicrypto.Algorithms{}, wireError(err)
	}
	got, err := do(ctx, p, p.algorithms, struct{}{})
	return abicrypto.Algorithms(got), wireError(err)
}

// GetKey is the host function of this name.
func (s *subtleSession) GetKey(ctx context.Context, name, key string, format abicrypto.KeyFormat) (abicrypto.PublicKey, *abicrypto.Error) {
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return abicrypto.PublicKey{}, wireError(err)
	}
	as := formatPEM
	if format == abicrypto.KeyFormatJwk {
		as = formatJWK
	}
	found, text, err := p.publicKey(ctx, key, as)
	return abicrypto.PublicKey{Name: found, Key: text}, wireError(err)
}

// Encrypt is the host function of this name.
func (s *subtleSession) Encrypt(ctx context.Context, name, key, algorithm string, plaintext, nonce, associated []byte) (abicrypto.Sealed, *abicrypto.Error) { //nolint:revive // the generated interface has so many arguments
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return abicrypto.Sealed{}, wireError(err)
	}
	out, err := p.seal(ctx, p.encrypt, &Operation{Key: key, Algorithm: algorithm, Data: plaintext, Nonce: nonce, AssociatedData: associated})
	return abicrypto.Sealed(out), wireError(err)
}

// Decrypt is the host function of this name.
func (s *subtleSession) Decrypt(ctx context.Context, name, key, algorithm string, ciphertext, tag, nonce, associated []byte) ([]byte, *abicrypto.Error) { //nolint:revive // the generated interface has so many arguments
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return nil, wireError(err)
	}
	out, err := p.open(ctx, p.decrypt, &Operation{Key: key, Algorithm: algorithm, Data: ciphertext, Tag: tag, Nonce: nonce, AssociatedData: associated})
	return out, wireError(err)
}

// WrapKey is the host function of this name.
func (s *subtleSession) WrapKey(ctx context.Context, name, key, algorithm string, plaintext, nonce, associated []byte) (abicrypto.Sealed, *abicrypto.Error) { //nolint:revive // the generated interface has so many arguments
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return abicrypto.Sealed{}, wireError(err)
	}
	out, err := p.wrapGiven(ctx, &Operation{Key: key, Algorithm: algorithm, Data: plaintext, Nonce: nonce, AssociatedData: associated})
	return abicrypto.Sealed(out), wireError(err)
}

// UnwrapKey is the host function of this name.
func (s *subtleSession) UnwrapKey(ctx context.Context, name, key, algorithm string, wrapped, tag, nonce, associated []byte) ([]byte, *abicrypto.Error) { //nolint:revive // the generated interface has so many arguments
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return nil, wireError(err)
	}
	out, err := p.open(ctx, p.unwrapKey, &Operation{Key: key, Algorithm: algorithm, Data: wrapped, Tag: tag, Nonce: nonce, AssociatedData: associated})
	return out, wireError(err)
}

// Sign is the host function of this name.
func (s *subtleSession) Sign(ctx context.Context, name, key, algorithm string, digest []byte) ([]byte, *abicrypto.Error) {
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return nil, wireError(err)
	}
	out, err := p.signed(ctx, &signing{key: key, algorithm: algorithm, digest: digest})
	return out, wireError(err)
}

// Verify is the host function of this name.
func (s *subtleSession) Verify(ctx context.Context, name, key, algorithm string, digest, signature []byte) (bool, *abicrypto.Error) {
	p, err := s.b.bind(s.app, name)
	if err != nil {
		return false, wireError(err)
	}
	valid, err := p.verified(ctx, &signing{key: key, algorithm: algorithm, digest: digest, signature: signature})
	return valid, wireError(err)
}

// wireError gives err in WIT's form.
func wireError(err error) *abicrypto.Error {
	if err == nil {
		return nil
	}
	tag := abicrypto.ErrorOther
	_, missing := errors.AsType[*component.NotFoundError](err)
	switch {
	case missing:
		tag = abicrypto.ErrorProviderNotFound
	case errors.Is(err, ErrFailed):
		tag = abicrypto.ErrorFailed
	case errors.Is(err, ErrKeyNotFound):
		tag = abicrypto.ErrorKeyNotFound
	case errors.Is(err, ErrInvalid):
		tag = abicrypto.ErrorInvalidRequest
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		tag = abicrypto.ErrorUnavailable
	}
	return &abicrypto.Error{Tag: tag, Value: err.Error()}
}
