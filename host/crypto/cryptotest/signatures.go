package cryptotest

import (
	"bytes"
	stdcrypto "crypto"
	"crypto/aes"
	stdcipher "crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"hash"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// hashes are of the algorithms that sign digests.
var hashes = map[string]stdcrypto.Hash{"256": stdcrypto.SHA256, "384": stdcrypto.SHA384, "512": stdcrypto.SHA512}

// digestOf gives what is signed of a message.
func digestOf(algorithm string, message []byte) ([]byte, stdcrypto.Hash) {
	h, ok := hashes[algorithm[max(0, len(algorithm)-3):]]
	if !ok {
		return message, 0
	}
	sum := h.New()
	sum.Write(message)
	return sum.Sum(nil), h
}

// signers runs a test for each key and each algorithm that signs and that the key is good for.
func (s *suite) signers(t *testing.T, test func(t *testing.T, key Key, algorithm string)) {
	t.Helper()
	for _, key := range s.keys {
		for _, algorithm := range key.Algorithms {
			if _, encrypts := ciphers[algorithm]; !encrypts {
				t.Run(key.Name+"/"+algorithm, func(t *testing.T) { test(t, key, algorithm) })
			}
		}
	}
}

// verifies is the standard library's word on a signature.
func verifies(t *testing.T, key Key, algorithm string, digest, signature []byte) bool {
	t.Helper()
	_, h := digestOf(algorithm, nil)
	switch public := key.public().(type) {
	case *rsa.PublicKey:
		if algorithm[0] == 'P' {
			return rsa.VerifyPSS(public, h, digest, signature, nil) == nil
		}
		return rsa.VerifyPKCS1v15(public, h, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(public, digest, signature)
	default:
		t.Fatalf("key %s is a %T, and signs", key.Name, public)
		return false
	}
}

// sign is the standard library's signature.
func sign(t *testing.T, key Key, algorithm string, digest []byte) []byte {
	t.Helper()
	_, h := digestOf(algorithm, nil)
	var opts stdcrypto.SignerOpts = h
	if algorithm[0] == 'P' {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h} // RFC 7518, 3.5
	}
	signature, err := key.Raw.(stdcrypto.Signer).Sign(rand.Reader, digest, opts)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// signatures of the vault are verified by the standard library, and the other way round.
func (s *suite) signatures(t *testing.T) {
	s.signers(t, func(t *testing.T, key Key, algorithm string) {
		digest, _ := digestOf(algorithm, []byte("a message"))
		signature, err := s.Sign(t.Context(), key.Name, algorithm, digest)
		if err != nil {
			t.Fatal(err)
		}
		if !verifies(t, key, algorithm, digest, signature) {
			t.Error("the standard library does not verify the vault's signature")
		}
		for who, signature := range map[string][]byte{"its own": signature, "the standard library's": sign(t, key, algorithm, digest)} {
			if ok, err := s.Verify(t.Context(), key.Name, algorithm, digest, signature); err != nil || !ok {
				t.Errorf("verify %s signature: got %t, error %v, want true", who, ok, err)
			}
		}
	})
}

// badSignatures: whatever is no signature of the digest by the key is false, and no error.
func (s *suite) badSignatures(t *testing.T) {
	s.signers(t, func(t *testing.T, key Key, algorithm string) {
		digest, _ := digestOf(algorithm, []byte("a message"))
		good := sign(t, key, algorithm, digest)
		changed := bytes.Clone(good)
		changed[len(changed)/2] ^= 1
		for what, signature := range map[string][]byte{
			"none": nil, "one byte": {1}, "zeros": make([]byte, len(good)), "short": good[:len(good)-1], "long": append(bytes.Clone(good), 0),
			"changed": changed, "huge": make([]byte, 1<<16), "not ASN.1": []byte("no signature at all"),
		} {
			if ok, err := s.Verify(t.Context(), key.Name, algorithm, digest, signature); err != nil || ok {
				t.Errorf("verify of a signature that is %s: got %t, error %v, want false", what, ok, err)
			}
		}
		other, _ := digestOf(algorithm, []byte("another message"))
		if ok, err := s.Verify(t.Context(), key.Name, algorithm, other, good); err != nil || ok {
			t.Errorf("verify of another digest: got %t, error %v, want false", ok, err)
		}
		for _, k := range s.keys {
			if k.Name != key.Name && slices.Contains(k.Algorithms, algorithm) {
				if ok, err := s.Verify(t.Context(), k.Name, algorithm, digest, good); err != nil || ok {
					t.Errorf("verify with key %s: got %t, error %v, want false", k.Name, ok, err)
				}
			}
		}
		if algorithm == "EdDSA" {
			return
		}
		for _, n := range []int{0, 1, len(digest) - 1, len(digest) + 1} {
			if _, err := s.Sign(t.Context(), key.Name, algorithm, make([]byte, n)); !errors.Is(err, crypto.ErrInvalid) {
				t.Errorf("sign a digest of %d bytes: got error %v, want %v", n, err, crypto.ErrInvalid)
			}
		}
	})
}

// publicKeys: a key pair shows its public half, and nothing else; a symmetric key nothing.
func (s *suite) publicKeys(t *testing.T) {
	for _, key := range s.keys {
		got, err := s.PublicKey(t.Context(), key.Name)
		if key.public() == nil {
			if !errors.Is(err, crypto.ErrKeyNotFound) || got.Key != nil {
				t.Errorf("public part of the symmetric key %s: got error %v, want %v", key.Name, err, crypto.ErrKeyNotFound)
			}
			continue
		}
		if err != nil {
			t.Errorf("public part of key %s: %v", key.Name, err)
			continue
		}
		var raw any
		if err := got.Key.Raw(&raw); err != nil {
			t.Errorf("public part of key %s: %v", key.Name, err)
		}
		if p, ok := key.public().(interface {
			Equal(x stdcrypto.PublicKey) bool
		}); !ok || !p.Equal(raw) {
			t.Errorf("public part of key %s: got a %T that is not the key's", key.Name, raw)
		}
		if !strings.HasPrefix(got.Name, key.Name) {
			t.Errorf("public part of key %s: got the name %q, want that, or with a version", key.Name, got.Name)
		}
		text, err := json.Marshal(got.Key)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, has := members[private]; has {
				t.Errorf("public part of key %s has the private member %s", key.Name, private)
			}
		}
	}
}

// againstLibrary: what the vault encrypts the standard library decrypts, and the other way round.
func (s *suite) againstLibrary(t *testing.T) {
	s.ciphers(t, func(t *testing.T, key Key, algorithm string, c cipher) {
		op := c.operation(key.Name, algorithm, 32)
		if c.label {
			op.AssociatedData = []byte("the label")
		}
		if pair, ok := key.Raw.(*rsa.PrivateKey); ok {
			s.againstRSA(t, pair, op)
			return
		}
		var mine []byte
		raw := key.Raw.([]byte)
		switch {
		case strings.Contains(algorithm, "C20P"):
			mine = sealWith(t, raw, op, chacha20poly1305.New, chacha20poly1305.NewX)
		case strings.HasSuffix(algorithm, "GCM"):
			block, err := aes.NewCipher(raw)
			if err != nil {
				t.Fatal(err)
			}
			gcm := func([]byte) (stdcipher.AEAD, error) { return stdcipher.NewGCM(block) }
			mine = sealWith(t, raw, op, gcm, gcm)
		case strings.HasSuffix(algorithm, "CBC-NOPAD"):
			block, err := aes.NewCipher(raw)
			if err != nil {
				t.Fatal(err)
			}
			mine = make([]byte, len(op.Data))
			stdcipher.NewCBCEncrypter(block, op.Nonce).CryptBlocks(mine, op.Data)
		default:
			return // not in the standard library: the vectors have it
		}
		sealed := s.seal(t, op, false)
		if got := slices.Concat(sealed.Data, sealed.Tag); !bytes.Equal(got, mine) {
			t.Errorf("got %x, want %x as of the standard library", got, mine)
		}
	})
}

func sealWith(t *testing.T, key []byte, op crypto.Operation, short, long func([]byte) (stdcipher.AEAD, error)) []byte {
	t.Helper()
	if len(op.Nonce) > 12 {
		short = long
	}
	aead, err := short(key)
	if err != nil {
		t.Fatal(err)
	}
	return aead.Seal(nil, op.Nonce, op.Data, op.AssociatedData)
}

func (s *suite) againstRSA(t *testing.T, pair *rsa.PrivateKey, op crypto.Operation) {
	t.Helper()
	plain := op.Data
	sealed := s.seal(t, op, false)
	var got, mine []byte
	var err, err2 error
	if op.Algorithm == "RSA1_5" {
		got, err = rsa.DecryptPKCS1v15(rand.Reader, pair, sealed.Data)        //nolint:staticcheck // the algorithm of RFC 7518
		mine, err2 = rsa.EncryptPKCS1v15(rand.Reader, &pair.PublicKey, plain) //nolint:staticcheck // the algorithm of RFC 7518
	} else {
		h := map[string]func() hash.Hash{"RSA-OAEP": sha1.New, "RSA-OAEP-256": sha256.New, "RSA-OAEP-384": sha512.New384, "RSA-OAEP-512": sha512.New}[op.Algorithm]
		got, err = rsa.DecryptOAEP(h(), nil, pair, sealed.Data, op.AssociatedData)
		mine, err2 = rsa.EncryptOAEP(h(), rand.Reader, &pair.PublicKey, plain, op.AssociatedData)
	}
	if err != nil || err2 != nil || !bytes.Equal(got, plain) {
		t.Fatalf("the standard library: got %x, errors %v and %v, want %x", got, err, err2, plain)
	}
	op.Data = mine
	s.unseal(t, op, false, plain)
}
