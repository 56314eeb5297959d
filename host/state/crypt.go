package state

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// crypt encrypts a store's values: base64 of nonce and AES-GCM ciphertext, the separator, and the key's name, as Dapr
// has it. Dapr names a key by its secret; here the name is made from the key itself, so that it is the same wherever
// the key comes from and stays with a key that moves from primary to secondary. A value under a name that is not
// known, such as one that Dapr wrote, is tried with both keys; GCM tells whether the key was the right one.
type crypt struct {
	primary, secondary *cryptKey
}

type cryptKey struct {
	name string
	aead cipher.AEAD
}

// newCrypt reads primaryEncryptionKey and secondaryEncryptionKey; nil if the store is not encrypted. Errors never
// show a key.
func newCrypt(m component.Metadata) (*crypt, error) {
	primary, err := newCryptKey(m, "primaryEncryptionKey")
	if err != nil {
		return nil, err
	}
	secondary, err := newCryptKey(m, "secondaryEncryptionKey")
	if err != nil {
		return nil, err
	}
	if text, ok := m.Get("primaryEncryptionKey"); ok && text == "" {
		return nil, errors.New("metadata field primaryEncryptionKey is empty: values would be stored in clear; give the key by envRef or value, or take the field out")
	}
	if primary == nil && secondary == nil {
		return nil, nil
	}
	if primary == nil {
		return nil, errors.New("metadata field primaryEncryptionKey is missing: secondaryEncryptionKey only decrypts what an earlier primary key encrypted")
	}
	return &crypt{primary: primary, secondary: secondary}, nil
}

func newCryptKey(m component.Metadata, field string) (*cryptKey, error) {
	text, ok := m.Get(field)
	if !ok || text == "" {
		return nil, nil
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("metadata field %s: want 16, 24 or 32 bytes in hexadecimal, found other characters or an odd number of digits", field)
	}
	blockCipher, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("metadata field %s: want 16, 24 or 32 bytes in hexadecimal, found %d bytes", field, len(key))
	}
	aead, err := cipher.NewGCM(blockCipher)
	if err != nil {
		return nil, fmt.Errorf("metadata field %s: %w", field, err)
	}
	const nameBytes = 8
	sum := sha256.Sum256(append([]byte("mrt-wasm state key "), key...))
	return &cryptKey{name: hex.EncodeToString(sum[:nameBytes]), aead: aead}, nil
}

// encrypt gives a value as it is stored.
func (c *crypt) encrypt(value []byte) []byte {
	nonce := make([]byte, c.primary.aead.NonceSize(), c.primary.aead.NonceSize()+len(value)+c.primary.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails, by its documentation
	sealed := c.primary.aead.Seal(nonce, nonce, value, nil)
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(sealed))+len(Separator)+len(c.primary.name))
	out = base64.StdEncoding.AppendEncode(out, sealed)
	return append(append(out, Separator...), c.primary.name...)
}

// decrypt gives a stored value in clear.
func (c *crypt) decrypt(stored []byte) ([]byte, error) {
	cut := bytes.LastIndex(stored, []byte(Separator))
	if cut < 0 {
		return nil, errors.New("the value is not encrypted: the store had no encryption key when it was written; write it again")
	}
	sealed, err := base64.StdEncoding.AppendDecode(nil, stored[:cut])
	if err != nil || len(sealed) < c.primary.aead.NonceSize() {
		return nil, errors.New("the value is neither encrypted as this store encrypts, nor clear text")
	}
	name := string(stored[cut+len(Separator):])
	keys := []*cryptKey{c.primary, c.secondary}
	for _, k := range keys {
		if k != nil && k.name == name {
			keys = []*cryptKey{k}
			break
		}
	}
	for _, k := range keys {
		if k == nil {
			continue
		}
		size := k.aead.NonceSize()
		if clear, err := k.aead.Open(nil, sealed[:size], sealed[size:], nil); err == nil {
			if clear == nil {
				clear = []byte{}
			}
			return clear, nil
		}
	}
	return nil, fmt.Errorf("the value cannot be decrypted: it was encrypted with key %q, which is neither primaryEncryptionKey nor secondaryEncryptionKey, or it was changed", name)
}
