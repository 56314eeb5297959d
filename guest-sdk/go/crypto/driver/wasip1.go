//go:build wasip1

package driver

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/crypto/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/crypto/types"
)

func init() {
	driver.Exports.Init = func(metadata driver.Metadata) *driver.Error {
		return contractError(registered.Init(pairs.Map(metadata)))
	}
	driver.Exports.ListAlgorithms = func() (driver.Algorithms, *driver.Error) {
		out, err := registered.Algorithms()
		return driver.Algorithms(out), contractError(err)
	}
	driver.Exports.GetKey = func(key string) (string, *driver.Error) {
		out, err := registered.PublicKey(key)
		return out, contractError(err)
	}
	driver.Exports.Encrypt = func(key, algorithm string, plaintext, nonce, associated []byte) (driver.Sealed, *driver.Error) {
		out, err := registered.Encrypt(operation(key, algorithm, plaintext, nil, nonce, associated))
		return driver.Sealed(out), contractError(err)
	}
	driver.Exports.Decrypt = func(key, algorithm string, ciphertext, tag, nonce, associated []byte) ([]byte, *driver.Error) {
		out, err := registered.Decrypt(operation(key, algorithm, ciphertext, tag, nonce, associated))
		return out, contractError(err)
	}
	driver.Exports.WrapKey = func(key, algorithm string, plaintext, nonce, associated []byte) (driver.Sealed, *driver.Error) {
		out, err := registered.WrapKey(operation(key, algorithm, plaintext, nil, nonce, associated))
		return driver.Sealed(out), contractError(err)
	}
	driver.Exports.UnwrapKey = func(key, algorithm string, wrapped, tag, nonce, associated []byte) ([]byte, *driver.Error) {
		out, err := registered.UnwrapKey(operation(key, algorithm, wrapped, tag, nonce, associated))
		return out, contractError(err)
	}
	driver.Exports.Sign = func(key, algorithm string, digest []byte) ([]byte, *driver.Error) {
		out, err := registered.Sign(key, algorithm, digest)
		return out, contractError(err)
	}
	driver.Exports.Verify = func(key, algorithm string, digest, signature []byte) (bool, *driver.Error) {
		ok, err := registered.Verify(key, algorithm, digest, signature)
		return ok, contractError(err)
	}
}

func operation(key, algorithm string, data, tag, nonce, associated []byte) crypto.Operation {
	return crypto.Operation{Key: key, Algorithm: algorithm, Data: data, Tag: tag, Nonce: nonce, AssociatedData: associated}
}

// contractError gives an error in the contract's form; nil stays nil.
func contractError(err error) *types.Error {
	if err == nil {
		return nil
	}
	tag := types.ErrorOther
	switch {
	case errors.Is(err, crypto.ErrFailed):
		tag = types.ErrorFailed
	case errors.Is(err, crypto.ErrKeyNotFound):
		tag = types.ErrorKeyNotFound
	case errors.Is(err, crypto.ErrInvalidRequest):
		tag = types.ErrorInvalidRequest
	case errors.Is(err, crypto.ErrUnavailable):
		tag = types.ErrorUnavailable
	}
	return &types.Error{Tag: tag, Value: err.Error()}
}
