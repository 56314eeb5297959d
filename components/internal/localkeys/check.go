package localkeys

import (
	"fmt"
	"slices"

	kit "github.com/dapr/kit/crypto"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// cipher is what an algorithm wants, in bytes.
type cipher struct {
	key jwa.KeyType
	// size is the key's, if it is symmetric.
	size       int
	nonce, tag int
	// unit is what a plaintext is a multiple of, where that matters; of at least least bytes.
	unit, least int
	// sealedUnit and sealedLeast are the same of a ciphertext without its tag.
	sealedUnit, sealedLeast int
}

// ciphers are the algorithms that encrypt and wrap keys.
var ciphers = families()

func families() map[string]cipher {
	all := map[string]cipher{}
	for bits, size := range map[string]int{"128": 16, "192": 24, "256": 32} {
		all["A"+bits+"CBC"] = cipher{key: jwa.OctetSeq, size: size, nonce: 16, sealedUnit: 16, sealedLeast: 16}
		all["A"+bits+"CBC-NOPAD"] = cipher{key: jwa.OctetSeq, size: size, nonce: 16, unit: 16, sealedUnit: 16}
		all["A"+bits+"GCM"] = cipher{key: jwa.OctetSeq, size: size, nonce: 12, tag: 16}
		// RFC 3394, section 2: at least two blocks of 64 bits.
		all["A"+bits+"KW"] = cipher{key: jwa.OctetSeq, size: size, unit: 8, least: 16, sealedUnit: 8, sealedLeast: 24}
	}
	for name, size := range map[string]int{kit.Algorithm_A128CBC_HS256: 16, kit.Algorithm_A192CBC_HS384: 24, kit.Algorithm_A256CBC_HS512: 32} {
		all[name] = cipher{key: jwa.OctetSeq, size: 2 * size, nonce: 16, tag: size, sealedUnit: 16, sealedLeast: 16}
	}
	for _, name := range []string{kit.Algorithm_C20P, kit.Algorithm_C20PKW} {
		all[name] = cipher{key: jwa.OctetSeq, size: 32, nonce: 12, tag: 16}
		all["X"+name] = cipher{key: jwa.OctetSeq, size: 32, nonce: 24, tag: 16}
	}
	for _, name := range kit.SupportedAsymmetricAlgorithms() {
		all[name] = cipher{key: jwa.RSA}
	}
	return all
}

// checkCipher holds everything but the data against the algorithm.
func checkCipher(key jwk.Key, op *crypto.Operation, decrypts bool) (cipher, error) {
	c, ok := ciphers[op.Algorithm]
	switch {
	case !ok:
		return c, fmt.Errorf("%w: no algorithm %.64q that encrypts; there are %q", crypto.ErrInvalid, op.Algorithm,
			slices.Concat(kit.SupportedSymmetricAlgorithms(), kit.SupportedAsymmetricAlgorithms()))
	case key.KeyType() != c.key:
		return c, mismatch(op.Key, op.Algorithm, fmt.Sprintf("a key of type %s, found %s", c.key, key.KeyType()))
	case c.key == jwa.OctetSeq && symmetricSize(key) != c.size:
		return c, mismatch(op.Key, op.Algorithm, fmt.Sprintf("a key of %d bytes, found %d", c.size, symmetricSize(key)))
	case c.key == jwa.RSA && decrypts && !private(key):
		return c, mismatch(op.Key, op.Algorithm, "the private key, found the public one only")
	case len(op.Nonce) != c.nonce && c.nonce > 0:
		return c, mismatch(op.Key, op.Algorithm, fmt.Sprintf("a nonce of %d bytes, found %d", c.nonce, len(op.Nonce)))
	case decrypts && len(op.Tag) != c.tag && c.tag > 0:
		return c, mismatch(op.Key, op.Algorithm, fmt.Sprintf("a tag of %d bytes, found %d", c.tag, len(op.Tag)))
	}
	return c, nil
}

func (c cipher) checkPlain(op *crypto.Operation) error {
	if n := len(op.Data); n < c.least || c.unit > 0 && n%c.unit != 0 {
		return mismatch(op.Key, op.Algorithm, fmt.Sprintf("at least %d bytes to encrypt, and a multiple of %d, found %d", c.least, c.unit, n))
	}
	return nil
}

// mayBeSealed tells whether a ciphertext can be this long.
func (c cipher) mayBeSealed(n int) bool {
	return n >= c.sealedLeast && (c.sealedUnit == 0 || n%c.sealedUnit == 0)
}

// signer is what an algorithm that signs wants.
type signer struct {
	key jwa.KeyType
	// digest is its length; 0 for any.
	digest int
	curve  jwa.EllipticCurveAlgorithm
}

var signers = map[string]signer{
	kit.Algorithm_RS256: {key: jwa.RSA, digest: 32}, kit.Algorithm_RS384: {key: jwa.RSA, digest: 48}, kit.Algorithm_RS512: {key: jwa.RSA, digest: 64},
	kit.Algorithm_PS256: {key: jwa.RSA, digest: 32}, kit.Algorithm_PS384: {key: jwa.RSA, digest: 48}, kit.Algorithm_PS512: {key: jwa.RSA, digest: 64},
	kit.Algorithm_ES256: {jwa.EC, 32, jwa.P256}, kit.Algorithm_ES384: {jwa.EC, 48, jwa.P384}, kit.Algorithm_ES512: {jwa.EC, 64, jwa.P521},
	kit.Algorithm_EdDSA: {key: jwa.OKP, curve: jwa.Ed25519},
}

func checkSigning(key jwk.Key, name, algorithm string, digest []byte, signs bool) error {
	s, ok := signers[algorithm]
	switch {
	case !ok:
		return fmt.Errorf("%w: no algorithm %.64q that signs; there are %q", crypto.ErrInvalid, algorithm, kit.SupportedSignatureAlgorithms())
	case key.KeyType() != s.key:
		return mismatch(name, algorithm, fmt.Sprintf("a key of type %s, found %s", s.key, key.KeyType()))
	case s.curve != "" && curve(key) != s.curve:
		return mismatch(name, algorithm, fmt.Sprintf("a key on the curve %s, found %s", s.curve, curve(key)))
	case signs && !private(key):
		return mismatch(name, algorithm, "the private key, found the public one only")
	case s.digest > 0 && len(digest) != s.digest:
		return mismatch(name, algorithm, fmt.Sprintf("a digest of %d bytes, found %d", s.digest, len(digest)))
	}
	return nil
}

func mismatch(name, algorithm, want string) error {
	return fmt.Errorf("%w: key %q with %s: want %s", crypto.ErrInvalid, name, algorithm, want)
}

func symmetricSize(key jwk.Key) int {
	if k, ok := key.(jwk.SymmetricKey); ok {
		return len(k.Octets())
	}
	return 0
}

func curve(key jwk.Key) jwa.EllipticCurveAlgorithm {
	if k, ok := key.(interface {
		Crv() jwa.EllipticCurveAlgorithm
	}); ok {
		return k.Crv()
	}
	return ""
}

func private(key jwk.Key) bool {
	switch key.(type) {
	case jwk.RSAPrivateKey, jwk.ECDSAPrivateKey, jwk.OKPPrivateKey:
		return true
	default:
		return false
	}
}
