// Package cryptotest is the conformance suite of vaults: every driver's tests call Run on the real one. What a vault makes is
// checked with the standard library, and what that makes with the vault.
package cryptotest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// Run runs the suite. open opens the vault on each call; all of them have the same keys, of which the suite is told what they
// are and what they are good for. Every algorithm that the vault lists needs a key. The suite closes the vaults.
func Run(t *testing.T, open func(t *testing.T) crypto.Provider, keys []Key) {
	for name, fn := range map[string]func(*suite, *testing.T){
		"Algorithms": (*suite).algorithms, "Vectors": (*suite).vectors, "RoundTrip": (*suite).roundTrip, "Lengths": (*suite).lengths,
		"AgainstLibrary": (*suite).againstLibrary, "Tampering": (*suite).tampering, "OtherKey": (*suite).otherKey,
		"Signatures": (*suite).signatures, "BadSignatures": (*suite).badSignatures, "PublicKeys": (*suite).publicKeys,
		"UnknownKey": (*suite).unknownKey, "WrongAlgorithm": (*suite).wrongAlgorithm, "WrongLengths": (*suite).wrongLengths,
		"Unchanged": (*suite).unchanged, "Concurrency": (*suite).concurrency, "Ended": (*suite).ended, "Ping": (*suite).ping,
		"Close": (*suite).closing,
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{Provider: open(t), keys: keys}
			t.Cleanup(func() { s.end(t) })
			fn(s, t)
		})
	}
}

type suite struct {
	crypto.Provider
	keys []Key
	once sync.Once
}

func (s *suite) end(t *testing.T) {
	t.Helper()
	s.once.Do(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// ciphers runs a test for each key and each algorithm that encrypts and that the key is good for.
func (s *suite) ciphers(t *testing.T, test func(t *testing.T, key Key, algorithm string, c cipher)) {
	t.Helper()
	for _, key := range s.keys {
		for _, algorithm := range key.Algorithms {
			if c, ok := ciphers[algorithm]; ok {
				t.Run(key.Name+"/"+algorithm, func(t *testing.T) { test(t, key, algorithm, c) })
			}
		}
	}
}

// algorithms: the vault lists what its keys are good for, once, and nothing that no key is good for.
func (s *suite) algorithms(t *testing.T) {
	all, err := s.Algorithms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, list := range map[string][]string{"encryption": all.Encryption, "signature": all.Signature} {
		seen := map[string]bool{}
		for _, algorithm := range list {
			if seen[algorithm] {
				t.Errorf("%s: %s is listed twice", what, algorithm)
			}
			seen[algorithm] = true
			if _, encrypts := ciphers[algorithm]; encrypts != (what == "encryption") {
				t.Errorf("%s: %q is listed, and the suite does not know it as such", what, algorithm)
			}
			if !slices.ContainsFunc(s.keys, func(k Key) bool { return slices.Contains(k.Algorithms, algorithm) }) {
				t.Errorf("%s: %s is listed, and no key is good for it", what, algorithm)
			}
		}
	}
	for _, key := range s.keys {
		for _, algorithm := range key.Algorithms {
			if !slices.Contains(all.Encryption, algorithm) && !slices.Contains(all.Signature, algorithm) {
				t.Errorf("key %s is good for %s, which is not listed", key.Name, algorithm)
			}
		}
	}
}

// seal encrypts or wraps.
func (s *suite) seal(t *testing.T, op crypto.Operation, wrap bool) crypto.Operation {
	t.Helper()
	do := s.Encrypt
	if wrap {
		do = s.WrapKey
	}
	sealed, err := do(t.Context(), &op)
	if err != nil {
		t.Fatalf("encrypt %d bytes: %v", len(op.Data), err)
	}
	if want := ciphers[op.Algorithm].tag; len(sealed.Tag) != want {
		t.Fatalf("got a tag of %d bytes, want %d", len(sealed.Tag), want)
	}
	op.Data, op.Tag = sealed.Data, sealed.Tag
	return op
}

// unseal decrypts or unwraps, and wants a text.
func (s *suite) unseal(t *testing.T, op crypto.Operation, unwrap bool, want []byte) {
	t.Helper()
	do := s.Decrypt
	if unwrap {
		do = s.UnwrapKey
	}
	got, err := do(t.Context(), &op)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("decrypt: got %x, error %v, want %x", got, err, want)
	}
}

func (s *suite) roundTrip(t *testing.T) {
	s.ciphers(t, func(t *testing.T, key Key, algorithm string, c cipher) {
		for _, wrap := range []bool{false, true} {
			for _, label := range [][]byte{nil, []byte("the label")} {
				if label != nil && !c.label {
					continue
				}
				op := c.operation(key.Name, algorithm, 32)
				op.AssociatedData = label
				plain := op.Data
				sealed := s.seal(t, op, wrap)
				if bytes.Contains(sealed.Data, plain) {
					t.Error("the ciphertext has the plaintext")
				}
				s.unseal(t, sealed, wrap, plain)
			}
		}
	})
}

// lengths: texts of all lengths that the algorithm can have come back.
func (s *suite) lengths(t *testing.T) {
	s.ciphers(t, func(t *testing.T, key Key, algorithm string, c cipher) {
		for _, n := range []int{0, 1, 8, 15, 16, 17, 24, 31, 32, 48, 64, 100, 1 << 12, 1 << 16} {
			if n < c.least || n%c.unit != 0 || c.asymmetric && n > 100 {
				continue
			}
			op := c.operation(key.Name, algorithm, n)
			s.unseal(t, s.seal(t, op, false), false, op.Data)
		}
	})
}

// tampering: nothing that was changed is decrypted.
func (s *suite) tampering(t *testing.T) {
	s.ciphers(t, func(t *testing.T, key Key, algorithm string, c cipher) {
		if !c.authentic {
			return
		}
		op := c.operation(key.Name, algorithm, 32)
		plain := op.Data
		if c.label {
			op.AssociatedData = []byte("the label")
		}
		good := s.seal(t, op, false)
		for what, part := range map[string]func(*crypto.Operation) *[]byte{
			"data":            func(op *crypto.Operation) *[]byte { return &op.Data },
			"tag":             func(op *crypto.Operation) *[]byte { return &op.Tag },
			"nonce":           func(op *crypto.Operation) *[]byte { return &op.Nonce },
			"associated data": func(op *crypto.Operation) *[]byte { return &op.AssociatedData },
		} {
			for _, at := range []int{0, len(*part(&good)) / 2, len(*part(&good)) - 1} {
				if len(*part(&good)) == 0 {
					continue
				}
				bad := good
				changed := bytes.Clone(*part(&good))
				changed[at] ^= 0x40
				*part(&bad) = changed
				s.fails(t, fmt.Sprintf("a changed byte %d of the %s", at, what), bad)
			}
		}
		for what, data := range map[string][]byte{
			"cut data": good.Data[:len(good.Data)-1], "no data": nil, "longer data": append(bytes.Clone(good.Data), 0), "one byte": {1},
		} {
			bad := good
			bad.Data = data
			s.fails(t, what, bad)
		}
		if c.label {
			bad := good
			bad.AssociatedData = nil
			s.fails(t, "no associated data", bad)
		}
		s.unseal(t, good, false, plain)
	})
}

// fails wants that nothing decrypts it, and that the error does not help who guesses.
func (s *suite) fails(t *testing.T, what string, op crypto.Operation) {
	t.Helper()
	for name, do := range map[string]func(context.Context, *crypto.Operation) ([]byte, error){"decrypt": s.Decrypt, "unwrap-key": s.UnwrapKey} {
		if got, err := do(t.Context(), &op); !errors.Is(err, crypto.ErrFailed) || len(got) > 0 {
			t.Errorf("%s of %s: got %d bytes, error %v, want error %v", name, what, len(got), err, crypto.ErrFailed)
		}
	}
}

// otherKey: what one key has encrypted, no other decrypts.
func (s *suite) otherKey(t *testing.T) {
	s.ciphers(t, func(t *testing.T, key Key, algorithm string, c cipher) {
		op := c.operation(key.Name, algorithm, 32)
		sealed := s.seal(t, op, false)
		for _, other := range s.keys {
			if other.Name == key.Name || !slices.Contains(other.Algorithms, algorithm) {
				continue
			}
			sealed.Key = other.Name
			if c.authentic {
				s.fails(t, "another key's text", sealed)
				continue
			}
			// Padding may be right by chance.
			got, err := s.Decrypt(t.Context(), &sealed)
			if err != nil && !errors.Is(err, crypto.ErrFailed) || err == nil && bytes.Equal(got, op.Data) {
				t.Errorf("decrypt with key %s: got error %v, or the plaintext; want %v", other.Name, err, crypto.ErrFailed)
			}
		}
	})
}

// unchanged: the slices of an operation stay as they are, also what lies behind their ends.
func (s *suite) unchanged(t *testing.T) {
	const room = 64
	roomy := func(b []byte) []byte { return append(bytes.Clone(b), bytes.Repeat([]byte{0xA5}, room)...)[:len(b)] }
	check := func(t *testing.T, what string, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) || len(got) > 0 && !bytes.Equal(got[len(got):len(got)+room], bytes.Repeat([]byte{0xA5}, room)) {
			t.Errorf("%s has changed", what)
		}
	}
	s.ciphers(t, func(t *testing.T, key Key, algorithm string, c cipher) {
		op := c.operation(key.Name, algorithm, 32)
		plain, nonce := op.Data, op.Nonce
		op.Data, op.Nonce, op.AssociatedData = roomy(plain), roomy(nonce), nil
		if c.label {
			op.AssociatedData = roomy([]byte("label"))
			defer func() { check(t, "the associated data", op.AssociatedData, []byte("label")) }()
		}
		sealed := s.seal(t, op, false)
		check(t, "the plaintext", op.Data, plain)
		check(t, "the nonce", op.Nonce, nonce)
		data, tag := sealed.Data, sealed.Tag
		sealed.Data, sealed.Tag = roomy(data), roomy(tag)
		for range 2 {
			s.unseal(t, sealed, false, plain)
		}
		check(t, "the ciphertext", sealed.Data, data)
		check(t, "the tag", sealed.Tag, tag)
		check(t, "the nonce", op.Nonce, nonce)
	})
}
