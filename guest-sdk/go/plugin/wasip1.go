//go:build wasip1

package plugin

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/plugin/info"

func init() { info.Exports.Stateless = IsStateless }
