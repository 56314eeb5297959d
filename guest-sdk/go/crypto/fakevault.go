//go:build !wasip1

package crypto

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // RSA-OAEP is so defined (RFC 7518, 4.3), and does not depend on SHA-1 being free of collisions
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"
)

// mismatch is what a key and an algorithm get that do not go together.
func mismatch(key any, algorithm string) error {
	if k, ok := key.([]byte); ok {
		return fmt.Errorf("%w: algorithm %q does not go with a symmetric key of %d bytes", ErrInvalidRequest, algorithm, len(k))
	}
	return fmt.Errorf("%w: algorithm %q does not go with a %T", ErrInvalidRequest, algorithm, key)
}

func fakeGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// oaep gives the hash of an algorithm of RSA; nil for others.
func oaep(algorithm string) hash.Hash {
	switch algorithm {
	case "RSA-OAEP":
		return sha1.New() //nolint:gosec // see the import
	case "RSA-OAEP-256":
		return sha256.New()
	default:
		return nil
	}
}

func fakeSeal(key any, op *Operation) (Sealed, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		h := oaep(op.Algorithm)
		if h == nil {
			break
		}
		out, err := rsa.EncryptOAEP(h, rand.Reader, &k.PublicKey, op.Data, op.AssociatedData)
		if err != nil {
			return Sealed{}, fmt.Errorf("%w: %d bytes are too many for the key", ErrInvalidRequest, len(op.Data))
		}
		return Sealed{Data: out}, nil
	case []byte:
		switch op.Algorithm {
		case fmt.Sprintf("A%dGCM", 8*len(k)):
			aead, err := nonced(k, op)
			if err != nil {
				return Sealed{}, err
			}
			out := aead.Seal(nil, op.Nonce, op.Data, op.AssociatedData)
			end := len(out) - aead.Overhead()
			return Sealed{Data: out[:end:end], Tag: out[end:]}, nil
		case fmt.Sprintf("A%dKW", 8*len(k)):
			out, err := fakeWrap(k, op.Data)
			return Sealed{Data: out}, err
		}
	}
	return Sealed{}, mismatch(key, op.Algorithm)
}

func fakeOpen(key any, op *Operation) ([]byte, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		h := oaep(op.Algorithm)
		if h == nil {
			break
		}
		out, err := rsa.DecryptOAEP(h, nil, k, op.Data, op.AssociatedData)
		if err != nil {
			return nil, ErrFailed
		}
		return out, nil
	case []byte:
		switch op.Algorithm {
		case fmt.Sprintf("A%dGCM", 8*len(k)):
			aead, err := nonced(k, op)
			if err != nil {
				return nil, err
			}
			if len(op.Tag) != aead.Overhead() {
				return nil, fmt.Errorf("%w: a tag of %d bytes: want %d", ErrInvalidRequest, len(op.Tag), aead.Overhead())
			}
			out, err := aead.Open(nil, op.Nonce, slices.Concat(op.Data, op.Tag), op.AssociatedData)
			if err != nil {
				return nil, ErrFailed
			}
			return out, nil
		case fmt.Sprintf("A%dKW", 8*len(k)):
			return fakeUnwrap(k, op.Data)
		}
	}
	return nil, mismatch(key, op.Algorithm)
}

// nonced gives the cipher if the nonce is one.
func nonced(key []byte, op *Operation) (cipher.AEAD, error) {
	aead, err := fakeGCM(key)
	if err != nil {
		return nil, err
	}
	if len(op.Nonce) != aead.NonceSize() {
		return nil, fmt.Errorf("%w: a nonce of %d bytes: want %d", ErrInvalidRequest, len(op.Nonce), aead.NonceSize())
	}
	return aead, nil
}

// wrapIV is what RFC 3394 puts before a key, so that a wrong unwrapping shows.
const wrapIV = 0xa6a6a6a6a6a6a6a6

// fakeWrap wraps a key as RFC 3394 says.
func fakeWrap(key, plain []byte) ([]byte, error) {
	if len(plain)%8 != 0 || len(plain) < 16 {
		return nil, fmt.Errorf("%w: a key of %d bytes: want 16 or more, a multiple of 8", ErrInvalidRequest, len(plain))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	n := len(plain) / 8
	out := append(make([]byte, 8), plain...)
	var buf [16]byte
	a := uint64(wrapIV)
	for t := range 6 * n {
		r := out[8*(t%n+1):][:8]
		binary.BigEndian.PutUint64(buf[:], a)
		copy(buf[8:], r)
		block.Encrypt(buf[:], buf[:])
		a = binary.BigEndian.Uint64(buf[:]) ^ uint64(t+1) //nolint:gosec // more than 0
		copy(r, buf[8:])
	}
	binary.BigEndian.PutUint64(out, a)
	return out, nil
}

// fakeUnwrap unwraps a key.
func fakeUnwrap(key, wrapped []byte) ([]byte, error) {
	if len(wrapped)%8 != 0 || len(wrapped) < 24 {
		return nil, ErrFailed
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	n := len(wrapped)/8 - 1
	out := slices.Clone(wrapped[8:])
	var buf [16]byte
	a := binary.BigEndian.Uint64(wrapped)
	for t := 6*n - 1; t >= 0; t-- {
		r := out[8*(t%n):][:8]
		binary.BigEndian.PutUint64(buf[:], a^uint64(t+1)) //nolint:gosec // more than 0
		copy(buf[8:], r)
		block.Decrypt(buf[:], buf[:])
		a = binary.BigEndian.Uint64(buf[:])
		copy(r, buf[8:])
	}
	if binary.BigEndian.PutUint64(buf[:], wrapIV); subtle.ConstantTimeCompare(buf[:8], binary.BigEndian.AppendUint64(nil, a)) != 1 {
		return nil, ErrFailed
	}
	return out, nil
}

// digestOf checks a digest's length, and gives its hash.
func digestOf(algorithm string, digest []byte) (crypto.Hash, error) {
	h, ok := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[algorithm[2:]]
	if !ok {
		return 0, fmt.Errorf("%w: algorithm %q is not known to the fake", ErrInvalidRequest, algorithm)
	}
	if len(digest) != h.Size() {
		return 0, fmt.Errorf("%w: a digest of %d bytes: want %d, those of %s", ErrInvalidRequest, len(digest), h.Size(), h)
	}
	return h, nil
}

// curves are those of the algorithms.
var curves = map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

func fakeSign(key any, algorithm string, digest []byte) ([]byte, error) {
	switch k := key.(type) {
	case ed25519.PrivateKey:
		if algorithm == "EdDSA" {
			return ed25519.Sign(k, digest), nil
		}
	case *ecdsa.PrivateKey:
		if curves[algorithm] != k.Curve.Params().Name {
			break
		}
		if _, err := digestOf(algorithm, digest); err != nil {
			return nil, err
		}
		return ecdsa.SignASN1(rand.Reader, k, digest)
	case *rsa.PrivateKey:
		pss, pkcs := strings.HasPrefix(algorithm, "PS"), strings.HasPrefix(algorithm, "RS")
		if !pss && !pkcs {
			break
		}
		h, err := digestOf(algorithm, digest)
		switch {
		case err != nil:
			return nil, err
		case pss:
			return rsa.SignPSS(rand.Reader, k, h, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		default:
			return rsa.SignPKCS1v15(nil, k, h, digest)
		}
	}
	return nil, mismatch(key, algorithm)
}

func fakeVerify(key any, algorithm string, digest, signature []byte) (bool, error) {
	switch k := key.(type) {
	case ed25519.PrivateKey:
		if algorithm == "EdDSA" {
			public, ok := k.Public().(ed25519.PublicKey)
			return ok && ed25519.Verify(public, digest, signature), nil
		}
	case *ecdsa.PrivateKey:
		if curves[algorithm] != k.Curve.Params().Name {
			break
		}
		if _, err := digestOf(algorithm, digest); err != nil {
			return false, err
		}
		return ecdsa.VerifyASN1(&k.PublicKey, digest, signature), nil
	case *rsa.PrivateKey:
		pss, pkcs := strings.HasPrefix(algorithm, "PS"), strings.HasPrefix(algorithm, "RS")
		if !pss && !pkcs {
			break
		}
		h, err := digestOf(algorithm, digest)
		switch {
		case err != nil:
			return false, err
		case pss:
			return rsa.VerifyPSS(&k.PublicKey, h, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil, nil
		default:
			return rsa.VerifyPKCS1v15(&k.PublicKey, h, digest, signature) == nil, nil
		}
	}
	return false, mismatch(key, algorithm)
}

// fakePublic gives a public key as text.
func fakePublic(public any, format KeyFormat) (string, error) {
	switch format {
	case PEM:
		der, err := x509.MarshalPKIXPublicKey(public)
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), err
	case JWK:
	default:
		return "", fmt.Errorf("%w: key format %d: want PEM or JWK", ErrInvalidRequest, format)
	}
	text := base64.RawURLEncoding.EncodeToString
	jwk := map[string]string{}
	switch k := public.(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", text(k.N.Bytes()), text(big.NewInt(int64(k.E)).Bytes())
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", text(k)
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return "", err
		}
		half := len(point) / 2 // behind the byte that says that the point is not compressed
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", k.Curve.Params().Name, text(point[1:1+half]), text(point[1+half:])
	}
	out, err := json.Marshal(jwk)
	return string(out), err
}
