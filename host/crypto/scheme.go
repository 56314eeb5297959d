package crypto

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	enc "github.com/dapr/kit/schemes/enc/v1"
	"golang.org/x/crypto/chacha20poly1305"

	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
)

// A message in Dapr's scheme is three lines, the scheme's name, a manifest in JSON and the authentication code of both,
// and then the content in segments of 64 KiB, each of which has its number and whether it is the last in its nonce. The
// message has a random key; the keys of the authentication code and of the content are derived from it.
//
// The parts of the manifest are those of the library; the rest is here, since the library's Decrypt gives the buffer that
// it has read the header into to others while it still uses it, which breaks concurrent calls.
const (
	fileKeySize = 32
	maxHeader   = enc.SegmentSize
)

// messageOptions say how a message is encrypted.
type messageOptions struct {
	key, algorithm string
	// cipher is empty for AES-GCM.
	cipher        string
	omitKey       bool
	decryptionKey string
}

// dataCipher gives the scheme's name of a cipher.
func dataCipher(c abicrypto.DataCipher) string {
	if c == abicrypto.DataCipherChacha20Poly1305 {
		return string(enc.CipherChaCha20Poly1305)
	}
	return string(enc.CipherAESGCM)
}

// manifest checks the options and begins a manifest of them; letters may be small.
func (o *messageOptions) manifest() (*enc.Manifest, error) {
	if err := checkName("key name", o.key); err != nil {
		return nil, err
	}
	if o.algorithm == "" {
		return nil, fmt.Errorf("%w: the key wrap algorithm is missing", ErrInvalid)
	}
	m := &enc.Manifest{KeyName: o.key, Cipher: enc.CipherAESGCM}
	var err error
	if m.KeyWrappingAlgorithm, err = enc.KeyAlgorithm(strings.ToUpper(o.algorithm)).Validate(); err != nil {
		return nil, fmt.Errorf("%w: key wrap algorithm %.64q: want A256KW (or AES), A128CBC-NOPAD, A192CBC-NOPAD, A256CBC-NOPAD or RSA-OAEP-256 (or RSA)",
			ErrInvalid, o.algorithm)
	}
	if o.cipher != "" {
		if m.Cipher, err = enc.Cipher(strings.ToUpper(o.cipher)).Validate(); err != nil {
			return nil, fmt.Errorf("%w: data encryption cipher %.64q: want aes-gcm or chacha20-poly1305", ErrInvalid, o.cipher)
		}
	}
	switch {
	case o.omitKey:
		m.KeyName = ""
	case o.decryptionKey != "":
		m.KeyName = o.decryptionKey
		err = checkName("decryption key name", o.decryptionKey)
	}
	return m, err
}

// encryptMessage encrypts a message.
func (p *bound) encryptMessage(ctx context.Context, plaintext []byte, o *messageOptions) ([]byte, error) {
	m, err := o.manifest()
	if err != nil {
		return nil, p.wrap(err)
	}
	fileKey := make([]byte, fileKeySize)
	defer clear(fileKey)
	m.NoncePrefix = make([]byte, enc.NoncePrefixLength)
	_, _ = rand.Read(fileKey) // never fails
	_, _ = rand.Read(m.NoncePrefix)
	wrapped, err := do(ctx, p, p.wrapKey, &Operation{Key: o.key, Algorithm: string(m.KeyWrappingAlgorithm), Data: fileKey})
	if err != nil {
		return nil, err
	}
	if len(wrapped.Data) == 0 || len(wrapped.Tag) > 0 {
		return nil, p.wrap(fmt.Errorf("failed to wrap key: %w: %s gave %d bytes and a tag of %d: want some, and no tag",
			errVault, m.KeyWrappingAlgorithm, len(wrapped.Data), len(wrapped.Tag)))
	}
	m.WFK = wrapped.Data
	out, err := seal(ctx, m, fileKey, plaintext)
	if err != nil {
		return nil, p.wrap(fmt.Errorf("failed to encrypt the message: %w", err))
	}
	return out, nil
}

// decryptMessage decrypts a message. key overrides the name in it if it is not empty.
func (p *bound) decryptMessage(ctx context.Context, message []byte, key string) ([]byte, error) {
	m, signed, mac, content, err := parse(message)
	if err != nil {
		return nil, p.wrap(err)
	}
	if key == "" {
		key = m.KeyName
	}
	if key == "" {
		return nil, p.wrap(fmt.Errorf("%w: the message does not name its key: give the key's name", ErrInvalid))
	}
	if err := checkName("key name", key); err != nil {
		return nil, p.wrap(err)
	}
	fileKey, err := do(ctx, p, p.unwrapKey, &Operation{Key: key, Algorithm: string(m.KeyWrappingAlgorithm), Data: m.WFK})
	if err != nil && !errors.Is(err, ErrFailed) {
		return nil, err
	}
	if err != nil || len(fileKey) != fileKeySize {
		// It goes on with a key that fits nothing, so that a wrong wrapped key and a wrong code take the same way.
		fileKey = make([]byte, fileKeySize)
	}
	defer clear(fileKey)
	k, err := deriveKeys(m, fileKey)
	if err != nil {
		return nil, p.wrap(err)
	}
	if !hmac.Equal(k.mac(signed), mac) {
		return nil, p.wrap(errMessage)
	}
	out, err := k.open(ctx, content)
	if err != nil {
		return nil, p.wrap(err)
	}
	return out, nil
}

// errMessage is ErrFailed for messages. It does not say which of its reasons it is.
var errMessage error = &messageError{}

type messageError struct{}

// Error gives the possible reasons.
func (*messageError) Error() string {
	return "failed to decrypt the message: it was changed or cut off, or this is not its key"
}

// Unwrap gives ErrFailed.
func (*messageError) Unwrap() error { return ErrFailed }

// parse gives the parts of a message: its manifest, what the authentication code is of, the code, and the content.
func parse(message []byte) (m *enc.Manifest, signed, mac, content []byte, err error) {
	bad := func(what string) (*enc.Manifest, []byte, []byte, []byte, error) {
		return nil, nil, nil, nil, fmt.Errorf("%w: not a message of the scheme %s: %s", ErrInvalid, enc.SchemeName, what)
	}
	head := message[:min(len(message), maxHeader)]
	scheme, rest, ok := bytes.Cut(head, []byte("\n"))
	if !ok || string(scheme) != enc.SchemeName {
		return bad("it does not begin with the scheme's name")
	}
	text, rest, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return bad("it has no manifest")
	}
	code, _, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return bad("it has no authentication code")
	}
	m = &enc.Manifest{}
	// What is wrong with it is not told: nobody writes manifests by hand.
	if json.Unmarshal(text, m) != nil || m.Validate() != nil {
		return bad("its manifest is not valid")
	}
	if mac, err = base64.StdEncoding.DecodeString(string(code)); err != nil {
		return bad("its authentication code is not base64")
	}
	end := len(scheme) + 1 + len(text) + 1
	return m, message[:end], mac, message[end+len(code)+1:], nil
}

// messageKeys are what a message is encrypted and authenticated with.
type messageKeys struct {
	header []byte
	aead   cipher.AEAD
	nonce  [12]byte // the prefix, the segment's number, and 1 for the last one
}

func deriveKeys(m *enc.Manifest, fileKey []byte) (*messageKeys, error) {
	k := &messageKeys{}
	copy(k.nonce[:], m.NoncePrefix)
	var err error
	if k.header, err = hkdf.Key(sha256.New, fileKey, nil, "header", sha256.Size); err != nil {
		return nil, fmt.Errorf("message keys: %w", err)
	}
	payload, err := hkdf.Key(sha256.New, fileKey, m.NoncePrefix, "payload", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("message keys: %w", err)
	}
	defer clear(payload)
	if m.Cipher == enc.CipherChaCha20Poly1305 {
		k.aead, err = chacha20poly1305.New(payload)
		return k, err
	}
	block, err := aes.NewCipher(payload)
	if err != nil {
		return nil, err
	}
	k.aead, err = cipher.NewGCM(block)
	return k, err
}

func (k *messageKeys) mac(signed []byte) []byte {
	h := hmac.New(sha256.New, k.header)
	_, _ = h.Write(signed) // never fails
	return h.Sum(nil)
}

func (k *messageKeys) segment(number uint32, last bool) []byte {
	binary.BigEndian.PutUint32(k.nonce[enc.NoncePrefixLength:], number)
	k.nonce[len(k.nonce)-1] = 0
	if last {
		k.nonce[len(k.nonce)-1] = 1
	}
	return k.nonce[:]
}

// seal makes the message of a complete manifest.
func seal(ctx context.Context, m *enc.Manifest, fileKey, plaintext []byte) ([]byte, error) {
	k, err := deriveKeys(m, fileKey)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	segments := (len(plaintext) + enc.SegmentSize - 1) / enc.SegmentSize
	code := base64.StdEncoding.EncodedLen(sha256.Size)
	header := len(enc.SchemeName) + 1 + len(text) + 1 + code + 1
	if header > maxHeader {
		return nil, fmt.Errorf("%w: the header has %d bytes, want %d or fewer: the name or the wrapped key is too long", ErrInvalid, header, maxHeader)
	}
	out := make([]byte, 0, header+len(plaintext)+segments*enc.SegmentOverhead)
	out = append(append(append(append(out, enc.SchemeName...), '\n'), text...), '\n')
	out = append(base64.StdEncoding.AppendEncode(out, k.mac(out)), '\n')
	for number := uint32(0); len(plaintext) > 0; number++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(len(plaintext), enc.SegmentSize)
		out = k.aead.Seal(out, k.segment(number, n == len(plaintext)), plaintext[:n], nil)
		plaintext = plaintext[n:]
	}
	return out, nil
}

// open gives the plaintext of a message's content. A message without any is an empty one: the scheme cannot tell it from
// one that is cut off right behind its header.
func (k *messageKeys) open(ctx context.Context, content []byte) ([]byte, error) {
	const size = enc.SegmentSize + enc.SegmentOverhead
	out := make([]byte, 0, len(content))
	for number := uint32(0); len(content) > 0; number++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(len(content), size)
		var err error
		if out, err = k.aead.Open(out, k.segment(number, n == len(content)), content[:n], nil); err != nil {
			return nil, errMessage
		}
		content = content[n:]
	}
	return out, nil
}
