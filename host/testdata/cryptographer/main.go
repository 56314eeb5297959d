// Command cryptographer encrypts and signs what a request says, with keys that it never sees.
package main

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
)

func init() {
	http.Handle(func(r *http.Request) *http.Response {
		var c Command
		if err := r.Decode(&c); err != nil {
			return http.Error(400, "%v", err)
		}
		text, err := c.run(r.Path[strings.LastIndexByte(r.Path, '/')+1:])
		if err != nil {
			return http.Error(status(err), "%v", err)
		}
		return http.Text(200, text)
	})
}

func main() {}

// Command is what a request asks for.
type Command struct {
	Component, Key, Algorithm string
	ChaCha                    bool
	Data, Signature           []byte
	Nonce, Tag, Associated    []byte
	JWK                       bool
}

func status(err error) int {
	for is, code := range map[error]int{
		crypto.ErrProviderNotFound: 410, crypto.ErrKeyNotFound: 404, crypto.ErrInvalidRequest: 400, crypto.ErrFailed: 422, crypto.ErrUnavailable: 503,
	} {
		if errors.Is(err, is) {
			return code
		}
	}
	return 500
}

func encoded(data []byte, err error) (string, error) {
	return base64.StdEncoding.EncodeToString(data), err
}

func (c *Command) run(op string) (string, error) {
	s := crypto.Subtle(c.Component)
	on := crypto.Operation{Key: c.Key, Algorithm: c.Algorithm, Data: c.Data, Nonce: c.Nonce, Tag: c.Tag, AssociatedData: c.Associated}
	switch op {
	case "encrypt":
		o := crypto.Options{Key: c.Key, Algorithm: c.Algorithm}
		if c.ChaCha {
			o.Cipher = crypto.ChaCha20Poly1305
		}
		return encoded(crypto.Encrypt(c.Component, c.Data, o))
	case "decrypt":
		return encoded(crypto.DecryptWith(c.Component, c.Data, c.Key))
	case "seal":
		out, err := s.Encrypt(on)
		return base64.StdEncoding.EncodeToString(out.Data) + " " + base64.StdEncoding.EncodeToString(out.Tag), err
	case "open":
		return encoded(s.Decrypt(on))
	case "wrap":
		out, err := s.WrapKey(on)
		return encoded(out.Data, err)
	case "unwrap":
		return encoded(s.UnwrapKey(on))
	case "sign":
		return encoded(s.Sign(c.Key, c.Algorithm, c.Data))
	case "verify":
		valid, err := s.Verify(c.Key, c.Algorithm, c.Data, c.Signature)
		return strconv.FormatBool(valid), err
	case "key":
		format := crypto.PEM
		if c.JWK {
			format = crypto.JWK
		}
		k, err := s.PublicKey(c.Key, format)
		return k.Name + " " + k.Key, err
	case "knows":
		known, err := s.Algorithms()
		return strconv.FormatBool(slices.Contains(slices.Concat(known.Encryption, known.Signature), c.Algorithm)), err
	default:
		return "", errors.New("no such thing: " + op)
	}
}
