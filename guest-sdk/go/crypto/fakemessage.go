//go:build !wasip1

package crypto

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
)

// fakeHeader is the first line of a message of the fake. The rest is encrypted with the message's key; that key is used
// once, and so the nonce can be nothing.
type fakeHeader struct {
	Fake      string // what it is
	Key       string `json:",omitempty"`
	Algorithm string
	Wrapped   []byte
}

const fakeScheme = "message of the fake"

func backendEncryptMessage(component string, plaintext []byte, o Options) ([]byte, error) {
	h := fakeHeader{Fake: fakeScheme, Key: o.Key, Algorithm: strings.ToUpper(o.Algorithm)}
	switch h.Algorithm {
	case "A256KW", "RSA-OAEP-256":
	case "AES":
		h.Algorithm = "A256KW"
	case "RSA":
		h.Algorithm = "RSA-OAEP-256"
	default:
		return nil, fmt.Errorf("%w: key wrap algorithm %q: want A256KW (or AES) or RSA-OAEP-256 (or RSA) of the fake", ErrInvalidRequest, o.Algorithm)
	}
	if o.Cipher > ChaCha20Poly1305 {
		return nil, fmt.Errorf("%w: data cipher %d: want AESGCM or ChaCha20Poly1305", ErrInvalidRequest, o.Cipher)
	}
	if o.DecryptionKey != "" {
		h.Key = o.DecryptionKey
	}
	if o.OmitKeyName {
		h.Key = ""
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	wrapped, err := backendWrapKey(component, &Operation{Key: o.Key, Algorithm: h.Algorithm, Data: key})
	if err != nil {
		return nil, err
	}
	h.Wrapped = wrapped.Data
	head, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	aead, err := fakeGCM(key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(append(head, '\n'), make([]byte, aead.NonceSize()), plaintext, head), nil
}

func backendDecryptMessage(component string, message []byte, key string) ([]byte, error) {
	if err := fakeFailure(); err != nil {
		return nil, err
	}
	var h fakeHeader
	head, sealed, ok := bytes.Cut(message, []byte("\n"))
	if !ok || json.Unmarshal(head, &h) != nil || h.Fake != fakeScheme {
		return nil, fmt.Errorf("%w: not a message of the fake", ErrInvalidRequest)
	}
	if key == "" {
		key = h.Key
	}
	if key == "" {
		return nil, fmt.Errorf("%w: the message does not name its key: use DecryptWith", ErrInvalidRequest)
	}
	fileKey, err := backendUnwrapKey(component, &Operation{Key: key, Algorithm: h.Algorithm, Data: h.Wrapped})
	if err != nil {
		return nil, err
	}
	aead, err := fakeGCM(fileKey)
	if err != nil {
		return nil, ErrFailed
	}
	out, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed, head)
	if err != nil {
		return nil, ErrFailed
	}
	return out, nil
}
