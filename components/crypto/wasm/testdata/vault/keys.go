package main

import (
	stdcrypto "crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto"
)

// mismatch is what a key and an algorithm get that do not go together.
func mismatch(key any, algorithm string) error {
	return fmt.Errorf("%w: algorithm %q does not go with a key of type %T", crypto.ErrInvalidRequest, algorithm, key)
}

// pub gives the public part of a key; nil for a symmetric one.
func pub(key any) any {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return &k.PublicKey
	case *ecdsa.PrivateKey:
		return &k.PublicKey
	case ed25519.PrivateKey:
		return k.Public()
	case []byte:
		return nil
	default:
		return key
	}
}

// sized gives the name of an algorithm for an AES key; no name for what is none.
func sized(format string, key []byte) string {
	if !slices.Contains([]int{16, 24, 32}, len(key)) {
		return "none"
	}
	return fmt.Sprintf(format, 8*len(key))
}

func seal(key any, op *crypto.Operation) (crypto.Sealed, error) {
	if k, ok := pub(key).(*rsa.PublicKey); ok && op.Algorithm == "RSA-OAEP-256" {
		out, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k, op.Data, op.AssociatedData)
		if err != nil {
			return crypto.Sealed{}, fmt.Errorf("%w: %d bytes are too many for the key", crypto.ErrInvalidRequest, len(op.Data))
		}
		return crypto.Sealed{Data: out}, nil
	}
	k, _ := key.([]byte)
	switch op.Algorithm {
	case "none":
	case sized("A%dGCM", k):
		aead, err := gcm(k, op)
		if err != nil {
			return crypto.Sealed{}, err
		}
		out := aead.Seal(nil, op.Nonce, op.Data, op.AssociatedData)
		return crypto.Sealed{Data: out[:len(op.Data)], Tag: out[len(op.Data):]}, nil
	case sized("A%dKW", k):
		out, err := wrapKey(k, op.Data)
		return crypto.Sealed{Data: out}, err
	}
	return crypto.Sealed{}, mismatch(key, op.Algorithm)
}

func open(key any, op *crypto.Operation) ([]byte, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if op.Algorithm != "RSA-OAEP-256" {
			break
		}
		out, err := rsa.DecryptOAEP(sha256.New(), nil, k, op.Data, op.AssociatedData)
		if err != nil {
			return nil, crypto.ErrFailed
		}
		return out, nil
	case *rsa.PublicKey:
		if op.Algorithm == "RSA-OAEP-256" {
			return nil, fmt.Errorf("%w: %q is public, and cannot decrypt", crypto.ErrKeyNotFound, op.Key)
		}
	case []byte:
		switch op.Algorithm {
		case "none":
		case sized("A%dGCM", k):
			aead, err := gcm(k, op)
			if err != nil {
				return nil, err
			}
			if len(op.Tag) != aead.Overhead() {
				return nil, fmt.Errorf("%w: a tag of %d bytes: want %d", crypto.ErrInvalidRequest, len(op.Tag), aead.Overhead())
			}
			out, err := aead.Open(nil, op.Nonce, slices.Concat(op.Data, op.Tag), op.AssociatedData)
			if err != nil {
				return nil, crypto.ErrFailed
			}
			return out, nil
		case sized("A%dKW", k):
			return unwrapKey(k, op.Data)
		}
	}
	return nil, mismatch(key, op.Algorithm)
}

func gcm(key []byte, op *crypto.Operation) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, mismatch(key, op.Algorithm)
	}
	aead, err := cipher.NewGCM(block)
	if err == nil && len(op.Nonce) != aead.NonceSize() {
		err = fmt.Errorf("%w: a nonce of %d bytes: want %d", crypto.ErrInvalidRequest, len(op.Nonce), aead.NonceSize())
	}
	return aead, err
}

// wrapIV stands before a wrapped key (RFC 3394), so that a wrong one shows.
const wrapIV = 0xa6a6a6a6a6a6a6a6

func wrapKey(key, plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(plain)%8 != 0 || len(plain) < 16 {
		return nil, fmt.Errorf("%w: a key of %d bytes: want 16 or more, a multiple of 8", crypto.ErrInvalidRequest, len(plain))
	}
	n, a := len(plain)/8, uint64(wrapIV)
	out := slices.Concat(make([]byte, 8), plain)
	var buf [16]byte
	for t := range 6 * n {
		r := out[8*(t%n+1):][:8]
		binary.BigEndian.PutUint64(buf[:], a)
		copy(buf[8:], r)
		block.Encrypt(buf[:], buf[:])
		a = binary.BigEndian.Uint64(buf[:]) ^ uint64(t+1)
		copy(r, buf[8:])
	}
	binary.BigEndian.PutUint64(out, a)
	return out, nil
}

func unwrapKey(key, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(wrapped)%8 != 0 || len(wrapped) < 24 {
		return nil, crypto.ErrFailed
	}
	n, a := len(wrapped)/8-1, binary.BigEndian.Uint64(wrapped)
	out := slices.Clone(wrapped[8:])
	var buf [16]byte
	for t := 6*n - 1; t >= 0; t-- {
		r := out[8*(t%n):][:8]
		binary.BigEndian.PutUint64(buf[:], a^uint64(t+1))
		copy(buf[8:], r)
		block.Decrypt(buf[:], buf[:])
		a = binary.BigEndian.Uint64(buf[:])
		copy(r, buf[8:])
	}
	if a != wrapIV {
		return nil, crypto.ErrFailed
	}
	return out, nil
}

// pssOptions are those of RFC 7518: as much salt as there is digest.
var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: stdcrypto.SHA256}

// checkSigner tells whether an algorithm goes with a key, and a digest with the algorithm.
func checkSigner(key any, algorithm string, digest []byte) error {
	switch k := pub(key).(type) {
	case ed25519.PublicKey:
		if algorithm == "EdDSA" {
			return nil
		}
	case *ecdsa.PublicKey:
		if algorithm == "ES256" && k.Curve == elliptic.P256() {
			return checkDigest(digest)
		}
	case *rsa.PublicKey:
		if algorithm == "PS256" || algorithm == "RS256" {
			return checkDigest(digest)
		}
	}
	return mismatch(key, algorithm)
}

func checkDigest(digest []byte) error {
	if len(digest) != sha256.Size {
		return fmt.Errorf("%w: a digest of %d bytes: want %d", crypto.ErrInvalidRequest, len(digest), sha256.Size)
	}
	return nil
}

func sign(key any, algorithm string, digest []byte) ([]byte, error) {
	if err := checkSigner(key, algorithm, digest); err != nil {
		return nil, err
	}
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(k, digest), nil
	case *rsa.PrivateKey:
		if algorithm == "PS256" {
			return rsa.SignPSS(rand.Reader, k, stdcrypto.SHA256, digest, pssOptions)
		}
		return rsa.SignPKCS1v15(nil, k, stdcrypto.SHA256, digest)
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(rand.Reader, k, digest)
	default:
		return nil, fmt.Errorf("%w: the key is public, and cannot sign", crypto.ErrKeyNotFound)
	}
}

func verify(key any, algorithm string, digest, signature []byte) (bool, error) {
	if err := checkSigner(key, algorithm, digest); err != nil {
		return false, err
	}
	switch k := pub(key).(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(k, digest, signature), nil
	case *rsa.PublicKey:
		if algorithm == "PS256" {
			return rsa.VerifyPSS(k, stdcrypto.SHA256, digest, signature, pssOptions) == nil, nil
		}
		return rsa.VerifyPKCS1v15(k, stdcrypto.SHA256, digest, signature) == nil, nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, signature), nil
	default:
		return false, mismatch(key, algorithm)
	}
}

// public gives the public part of a key as a JSON Web Key.
func public(key any) (string, error) {
	text := base64.RawURLEncoding.EncodeToString
	jwk := map[string]string{}
	switch k := pub(key).(type) {
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
	default:
		return "", fmt.Errorf("%w: it is symmetric, and has no public part", crypto.ErrKeyNotFound)
	}
	out, err := json.Marshal(jwk)
	return string(out), err
}
