//go:build wasip1

package expirer

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/expirer"

func init() {
	expirer.Exports.Expires = Expires
}
