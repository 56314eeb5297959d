//go:build !wasip1

package crypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"slices"
	"sync"
)

// fake is the vault of native builds: keys by component and name.
var fake = struct {
	sync.Mutex
	keys map[[2]string]any
	fail error
}{keys: map[[2]string]any{}}

// SetFakeKey puts a key into the vault of native builds: 16, 24 or 32 bytes for A…GCM and A…KW, an *rsa.PrivateKey for
// RSA-OAEP…, RS… and PS…, an *ecdsa.PrivateKey for ES…, an ed25519.PrivateKey for EdDSA. It panics for anything else. An
// empty component name is the default component. The fake has no other algorithms, and its messages, which are not in
// Dapr's scheme, are encrypted with AES-GCM whatever Options.Cipher says.
func SetFakeKey(component, name string, key any) {
	switch k := key.(type) {
	case []byte:
		if !slices.Contains([]int{16, 24, 32}, len(k)) {
			panic(fmt.Sprintf("crypto.SetFakeKey: a symmetric key of %d bytes: want 16, 24 or 32", len(k)))
		}
		key = slices.Clone(k)
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
	default:
		panic(fmt.Sprintf("crypto.SetFakeKey: a key of type %T: want []byte or a private key of RSA, ECDSA or Ed25519", key))
	}
	fake.Lock()
	defer fake.Unlock()
	fake.keys[fakeName(component, name)] = key
}

// ResetFake removes all keys of a native build. Call it at the start of a test.
func ResetFake() {
	fake.Lock()
	defer fake.Unlock()
	clear(fake.keys)
	fake.fail = nil
}

// FailFake makes every call of a native build fail with err until ResetFake, for testing how an app copes.
func FailFake(err error) {
	fake.Lock()
	defer fake.Unlock()
	fake.fail = err
}

func fakeName(component, name string) [2]string {
	if component == "" {
		component = "crypto"
	}
	return [2]string{component, name}
}

func fakeFailure() error {
	fake.Lock()
	defer fake.Unlock()
	return fake.fail
}

func fakeKey(component, name string) (any, error) {
	if err := fakeFailure(); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, fmt.Errorf("%w: the key name is missing", ErrInvalidRequest)
	}
	fake.Lock()
	defer fake.Unlock()
	key, ok := fake.keys[fakeName(component, name)]
	if !ok {
		return nil, fmt.Errorf("%w: %q: give the fake its keys with SetFakeKey", ErrKeyNotFound, name)
	}
	return key, nil
}

func backendAlgorithms(string) (Algorithms, error) {
	if err := fakeFailure(); err != nil {
		return Algorithms{}, err
	}
	return Algorithms{
		Encryption: []string{"A128GCM", "A192GCM", "A256GCM", "A128KW", "A192KW", "A256KW", "RSA-OAEP", "RSA-OAEP-256"},
		Signature:  []string{"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "EdDSA"},
	}, nil
}

func backendPublicKey(component, key string, format KeyFormat) (PublicKey, error) {
	k, err := fakeKey(component, key)
	if err != nil {
		return PublicKey{}, err
	}
	signer, ok := k.(crypto.Signer)
	if !ok {
		return PublicKey{}, fmt.Errorf("%w: %q is symmetric, and has no public part", ErrKeyNotFound, key)
	}
	text, err := fakePublic(signer.Public(), format)
	return PublicKey{Name: key, Key: text}, err
}

func backendEncrypt(component string, op *Operation) (Sealed, error) {
	key, err := fakeKey(component, op.Key)
	if err != nil {
		return Sealed{}, err
	}
	return fakeSeal(key, op)
}

func backendDecrypt(component string, op *Operation) ([]byte, error) {
	key, err := fakeKey(component, op.Key)
	if err != nil {
		return nil, err
	}
	return fakeOpen(key, op)
}

// backendWrapKey wraps bytes, and what PEM has: JSON Web Keys are wrapped as the bytes that they are.
func backendWrapKey(component string, op *Operation) (Sealed, error) {
	wrapped := *op
	if block, _ := pem.Decode(op.Data); block != nil {
		wrapped.Data = block.Bytes
	}
	return backendEncrypt(component, &wrapped)
}

func backendUnwrapKey(component string, op *Operation) ([]byte, error) {
	return backendDecrypt(component, op)
}

func backendSign(component, key, algorithm string, digest []byte) ([]byte, error) {
	k, err := fakeKey(component, key)
	if err != nil {
		return nil, err
	}
	return fakeSign(k, algorithm, digest)
}

func backendVerify(component, key, algorithm string, digest, signature []byte) (bool, error) {
	k, err := fakeKey(component, key)
	if err != nil {
		return false, err
	}
	return fakeVerify(k, algorithm, digest, signature)
}
