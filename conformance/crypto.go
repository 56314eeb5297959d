package conformance

import (
	"context"
	"crypto/x509"

	contrib "github.com/dapr/components-contrib/crypto"
	"github.com/dapr/components-contrib/metadata"
	kit "github.com/dapr/kit/crypto"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// cryptoProvider is a crypto driver as Dapr's SubtleCrypto, where keys are objects.
type cryptoProvider struct {
	opener   opener
	provider crypto.Provider
	// algorithms are asked for once: Dapr's lists cannot fail.
	algorithms crypto.Algorithms
}

var _ contrib.SubtleCrypto = (*cryptoProvider)(nil)

// Init opens the driver.
func (p *cryptoProvider) Init(ctx context.Context, md contrib.Metadata) (err error) {
	p.provider, err = start(ctx, p.opener, p.opener.drivers.Crypto, md.Properties)
	if err == nil {
		p.algorithms, err = p.provider.Algorithms(ctx)
	}
	return err
}

// GetComponentMetadata is empty: our drivers document their fields in another way.
func (p *cryptoProvider) GetComponentMetadata() metadata.MetadataMap { return nil }

// SupportedEncryptionAlgorithms lists the driver's.
func (p *cryptoProvider) SupportedEncryptionAlgorithms() []string { return p.algorithms.Encryption }

// SupportedSignatureAlgorithms lists the driver's.
func (p *cryptoProvider) SupportedSignatureAlgorithms() []string { return p.algorithms.Signature }

// GetKey gives the public part of a key pair.
func (p *cryptoProvider) GetKey(ctx context.Context, name string) (jwk.Key, error) {
	key, err := p.provider.PublicKey(ctx, name)
	return key.Key, err
}

// Encrypt encrypts a short text.
func (p *cryptoProvider) Encrypt(ctx context.Context, plaintext []byte, algorithm, key string, nonce, associated []byte) ([]byte, []byte, error) {
	out, err := p.provider.Encrypt(ctx, &crypto.Operation{
		Key: key, Algorithm: algorithm, Data: plaintext, Nonce: nonce, AssociatedData: associated,
	})
	return out.Data, out.Tag, err
}

// Decrypt decrypts it again.
func (p *cryptoProvider) Decrypt(ctx context.Context, ciphertext []byte, algorithm, key string, nonce, tag, associated []byte) ([]byte, error) { //nolint:revive // Dapr's interface
	return p.provider.Decrypt(ctx, &crypto.Operation{
		Key: key, Algorithm: algorithm, Data: ciphertext, Nonce: nonce, Tag: tag, AssociatedData: associated,
	})
}

// WrapKey encrypts a key, whose bytes are what the host makes of it.
func (p *cryptoProvider) WrapKey(ctx context.Context, wrap jwk.Key, algorithm, key string, nonce, associated []byte) ([]byte, []byte, error) {
	data, err := kit.SerializeKey(wrap)
	if err != nil {
		return nil, nil, err
	}
	out, err := p.provider.WrapKey(ctx, &crypto.Operation{
		Key: key, Algorithm: algorithm, Data: data, Nonce: nonce, AssociatedData: associated,
	})
	return out.Data, out.Tag, err
}

// UnwrapKey decrypts a key.
func (p *cryptoProvider) UnwrapKey(ctx context.Context, wrapped []byte, algorithm, key string, nonce, tag, associated []byte) (jwk.Key, error) { //nolint:revive // Dapr's interface
	data, err := p.provider.UnwrapKey(ctx, &crypto.Operation{
		Key: key, Algorithm: algorithm, Data: wrapped, Nonce: nonce, Tag: tag, AssociatedData: associated,
	})
	if err != nil {
		return nil, err
	}
	if private, err := x509.ParsePKCS8PrivateKey(data); err == nil {
		return jwk.FromRaw(private)
	}
	return jwk.FromRaw(data)
}

// Sign signs a digest.
func (p *cryptoProvider) Sign(ctx context.Context, digest []byte, algorithm, key string) ([]byte, error) {
	return p.provider.Sign(ctx, key, algorithm, digest)
}

// Verify tells whether a signature is the key's.
func (p *cryptoProvider) Verify(ctx context.Context, digest, signature []byte, algorithm, key string) (bool, error) {
	return p.provider.Verify(ctx, key, algorithm, digest, signature)
}

// Close closes the driver.
func (p *cryptoProvider) Close() error { return p.opener.end(p.provider) }
