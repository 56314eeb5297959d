package cryptotest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// errorsOf makes every call with a key and an algorithm, and gives their errors by the call's name.
func (s *suite) errorsOf(ctx context.Context, op crypto.Operation) map[string]error {
	out := map[string]error{}
	_, out["encrypt"] = s.Encrypt(ctx, &op)
	_, out["decrypt"] = s.Decrypt(ctx, &op)
	_, out["wrap-key"] = s.WrapKey(ctx, &op)
	_, out["unwrap-key"] = s.UnwrapKey(ctx, &op)
	_, out["sign"] = s.Sign(ctx, op.Key, op.Algorithm, op.Data)
	_, out["verify"] = s.Verify(ctx, op.Key, op.Algorithm, op.Data, op.Data)
	return out
}

func (s *suite) unknownKey(t *testing.T) {
	for _, name := range []string{"no-such-key", "no/such/key", s.keys[0].Name + "x", strings.ToUpper(s.keys[0].Name) + "X", "ünïcode ☃"} {
		for call, err := range s.errorsOf(t.Context(), crypto.Operation{Key: name, Algorithm: s.keys[0].Algorithms[0], Data: make([]byte, 32)}) {
			if !errors.Is(err, crypto.ErrKeyNotFound) {
				t.Errorf("%s with key %q: got error %v, want %v", call, name, err, crypto.ErrKeyNotFound)
			}
		}
		if _, err := s.PublicKey(t.Context(), name); !errors.Is(err, crypto.ErrKeyNotFound) {
			t.Errorf("public part of key %q: got error %v, want %v", name, err, crypto.ErrKeyNotFound)
		}
	}
	// Names that try to be something else find nothing, whatever the error is.
	for _, name := range []string{"", ".", "..", "/", "../" + s.keys[0].Name, "/etc/passwd", "a\x00b", "\xff", `..\x`, "'; DROP TABLE keys; --", strings.Repeat("x", 1<<16)} {
		for call, err := range s.errorsOf(t.Context(), crypto.Operation{Key: name, Algorithm: s.keys[0].Algorithms[0], Data: make([]byte, 32)}) {
			if err == nil {
				t.Errorf("%s with key %.40q: got no error", call, name)
			}
		}
		if _, err := s.PublicKey(t.Context(), name); err == nil {
			t.Errorf("public part of key %.40q: got no error", name)
		}
	}
}

// wrongAlgorithm: each key with each algorithm that it is not good for.
func (s *suite) wrongAlgorithm(t *testing.T) {
	all, err := s.Algorithms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unknown := []string{"", "A", "none", "A128", "a256gcm", "A256GCMx", "A512GCM", "DES", "ECDH-ES", "A128GCMKW", "HS256", "ES256K", strings.Repeat("A", 1<<16)}
	for _, key := range s.keys {
		for _, algorithm := range slices.Concat(all.Encryption, all.Signature, unknown) {
			if slices.Contains(key.Algorithms, algorithm) {
				continue
			}
			c := ciphers[algorithm]
			op := c.operation(key.Name, algorithm, 32)
			op.Tag = make([]byte, c.tag)
			for call, err := range s.errorsOf(t.Context(), op) {
				if !errors.Is(err, crypto.ErrInvalid) {
					t.Errorf("%s with key %s and %.20q: got error %v, want %v", call, key.Name, algorithm, err, crypto.ErrInvalid)
				}
			}
		}
		// An algorithm that signs does not encrypt, and the other way round.
		for _, algorithm := range key.Algorithms {
			_, encrypts := ciphers[algorithm]
			for call, err := range s.errorsOf(t.Context(), crypto.Operation{Key: key.Name, Algorithm: algorithm, Data: make([]byte, 32)}) {
				if signs := call == "sign" || call == "verify"; signs == encrypts && !errors.Is(err, crypto.ErrInvalid) {
					t.Errorf("%s with key %s and %s: got error %v, want %v", call, key.Name, algorithm, err, crypto.ErrInvalid)
				}
			}
		}
	}
}

// wrongLengths of nonces, tags and plaintexts.
func (s *suite) wrongLengths(t *testing.T) {
	s.ciphers(t, func(t *testing.T, key Key, algorithm string, c cipher) {
		plain := c.operation(key.Name, algorithm, 32)
		good := s.seal(t, plain, false)
		refused := func(what string, op crypto.Operation, seals bool) {
			t.Helper()
			for call, err := range s.errorsOf(t.Context(), op) {
				if mine := strings.HasPrefix(call, "encrypt") || strings.HasPrefix(call, "wrap"); mine == seals && !errors.Is(err, crypto.ErrInvalid) {
					t.Errorf("%s with %s: got error %v, want %v", call, what, err, crypto.ErrInvalid)
				}
			}
		}
		for _, n := range []int{0, 1, 8, 11, 12, 13, 15, 16, 17, 23, 24, 25, 32, 4096} {
			if n != c.nonce && c.nonce > 0 {
				for seals, op := range map[bool]crypto.Operation{true: plain, false: good} {
					op.Nonce = make([]byte, n)
					refused(fmt.Sprintf("a nonce of %d bytes", n), op, seals)
				}
			}
			if n != c.tag && c.tag > 0 {
				op := good
				op.Tag = make([]byte, n)
				refused(fmt.Sprintf("a tag of %d bytes", n), op, false)
			}
			if n < c.least || n%c.unit != 0 {
				op := plain
				op.Data = make([]byte, n)
				refused(fmt.Sprintf("a text of %d bytes", n), op, true)
			}
		}
		if c.asymmetric {
			op := plain
			op.Data = make([]byte, 1<<12)
			refused("a text that is longer than the key", op, true)
		}
	})
}

func (s *suite) concurrency(t *testing.T) {
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range len(s.keys) {
				key := s.keys[(i+worker*5)%len(s.keys)]
				for _, algorithm := range key.Algorithms {
					if err := s.use(t.Context(), key, algorithm); err != nil {
						t.Errorf("key %s with %s: %v", key.Name, algorithm, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// use makes one way there and back.
func (s *suite) use(ctx context.Context, key Key, algorithm string) error {
	c, encrypts := ciphers[algorithm]
	if !encrypts {
		digest, _ := digestOf(algorithm, []byte(key.Name))
		signature, err := s.Sign(ctx, key.Name, algorithm, digest)
		if err != nil {
			return err
		}
		ok, err := s.Verify(ctx, key.Name, algorithm, digest, signature)
		if err == nil && !ok {
			err = errors.New("the signature is not verified")
		}
		return err
	}
	op := c.operation(key.Name, algorithm, 32)
	plain := string(op.Data)
	sealed, err := s.Encrypt(ctx, &op)
	if err != nil {
		return err
	}
	op.Data, op.Tag = sealed.Data, sealed.Tag
	got, err := s.Decrypt(ctx, &op)
	if err == nil && string(got) != plain {
		err = fmt.Errorf("got %x, want %x", got, plain)
	}
	return err
}

// ended: nothing is done in a context that has ended.
func (s *suite) ended(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	op := crypto.Operation{Key: s.keys[0].Name, Algorithm: s.keys[0].Algorithms[0], Data: make([]byte, 32)}
	for call, err := range s.errorsOf(ctx, op) {
		if err == nil {
			t.Errorf("%s with an ended context: got no error", call)
		}
	}
	if _, err := s.PublicKey(ctx, op.Key); err == nil {
		t.Error("public-key with an ended context: got no error")
	}
}

func (s *suite) ping(t *testing.T) {
	p, ok := s.Provider.(crypto.Pinger)
	if !ok {
		return
	}
	if err := p.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// closing: a closed vault fails.
func (s *suite) closing(t *testing.T) {
	s.end(t)
	for call, err := range s.errorsOf(t.Context(), crypto.Operation{Key: s.keys[0].Name, Algorithm: s.keys[0].Algorithms[0], Data: make([]byte, 32)}) {
		if err == nil {
			t.Errorf("%s after close: got no error", call)
		}
	}
}
