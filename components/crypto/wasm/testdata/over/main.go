// A vault over another one, which metadata "inner" names: everything that plugins are given of the block is used, and
// everything that they may be.
package main

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/plugin"
)

type vault struct{ crypto.Subtle }

func init() {
	plugin.Stateless()
	driver.Register(&vault{})
}

func main() {}

// Init takes the name. The other operations are those of the inner vault, with its errors.
func (v *vault) Init(metadata map[string]string) error {
	v.Subtle = crypto.Subtle(metadata["inner"])
	return nil
}

// PublicKey is given as a JSON Web Key.
func (v *vault) PublicKey(key string) (string, error) {
	public, err := v.Subtle.PublicKey(key, crypto.JWK)
	return public.Key, err
}
