package localkeys_test

import (
	"context"
	"errors"
	"math/big"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/components/internal/localkeys"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/crypto/cryptotest"
)

func rsaNumber(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

// FuzzOperations: whatever an app sends, each call gives a result or one of the block's errors.
func FuzzOperations(f *testing.F) {
	keys := cryptotest.Keys(f)
	v := of(parsed(f, keys))
	for i, key := range keys {
		for _, algorithm := range key.Algorithms {
			for _, n := range []int{0, 7, 12, 16, 24} {
				f.Add(uint8(i), algorithm, make([]byte, 2*n), make([]byte, n), make([]byte, 16), []byte("label"))
			}
		}
	}
	f.Add(uint8(0), "A128", []byte(nil), []byte(nil), []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, which uint8, algorithm string, data, nonce, tag, label []byte) {
		use(t, v, keys[int(which)%len(keys)].Name, algorithm, crypto.Operation{Data: data, Nonce: nonce, Tag: tag, AssociatedData: label})
	})
}

// FuzzKeys: whatever a file has is a key that works or an error.
func FuzzKeys(f *testing.F) {
	for name, text := range badKeys(f) {
		if len(text) < 1<<16 {
			f.Add([]byte(text), name, "A256GCM")
		}
	}
	for _, key := range cryptotest.Keys(f) {
		f.Add(key.JSON(f), "key.json", key.Algorithms[0])
		f.Add(key.PEM(f), "key.pem", key.Algorithms[0])
	}
	f.Fuzz(func(t *testing.T, text []byte, name, algorithm string) {
		if set, err := localkeys.ParseSet(text); err == nil {
			for kid := range set.Keys {
				use(t, of(set.Keys), kid, algorithm, crypto.Operation{Data: make([]byte, 32), Nonce: make([]byte, 12), Tag: make([]byte, 16)})
			}
		}
		key, err := localkeys.Parse(text, name)
		if err != nil {
			return
		}
		v := of(map[string]jwk.Key{"k": key})
		use(t, v, "k", algorithm, crypto.Operation{Data: make([]byte, 32), Nonce: make([]byte, 12), Tag: make([]byte, 16)})
	})
}

// use makes every call, and wants its error to be the block's. What guard catches is told apart by its text.
func use(t *testing.T, v *localkeys.Vault, key, algorithm string, op crypto.Operation) {
	t.Helper()
	op.Key, op.Algorithm = key, algorithm
	ctx := context.Background()
	errs := map[string]error{}
	var sealed crypto.Sealed
	if sealed, errs["encrypt"] = v.Encrypt(ctx, &op); errs["encrypt"] == nil {
		again := op
		again.Data, again.Tag = sealed.Data, sealed.Tag
		if _, err := v.Decrypt(ctx, &again); err != nil && !errors.Is(err, crypto.ErrInvalid) {
			t.Errorf("decrypt what was encrypted: %v", err)
		}
	}
	_, errs["decrypt"] = v.Decrypt(ctx, &op)
	_, errs["unwrap-key"] = v.UnwrapKey(ctx, &op)
	_, errs["sign"] = v.Sign(ctx, key, algorithm, op.Data)
	_, errs["verify"] = v.Verify(ctx, key, algorithm, op.Data, op.Tag)
	for call, err := range errs {
		if err != nil && !errors.Is(err, crypto.ErrInvalid) && !errors.Is(err, crypto.ErrFailed) {
			t.Errorf("%s with %q: got error %v, want %v or %v", call, algorithm, err, crypto.ErrInvalid, crypto.ErrFailed)
		}
		if err != nil && errors.Is(err, crypto.ErrInvalid) && err.Error() == "invalid request: the key or the arguments are not valid" {
			t.Errorf("%s with %q panicked, and only the guard caught it", call, algorithm)
		}
	}
	if _, err := v.PublicKey(ctx, key); err != nil && !errors.Is(err, crypto.ErrKeyNotFound) {
		t.Errorf("public key: %v", err)
	}
}
