// Package contrib has every component of Dapr (components-contrib) as a driver of this host, beside the native ones, which
// take precedence. It is a module of its own: the standard binary has none of its dependencies.
package contrib

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/host"
)

//go:generate go run ./internal/fields/generate adapt/fields.json

// Drivers gives the native drivers with Dapr's behind them.
func Drivers(native host.Drivers) (host.Drivers, error) {
	var errs [7]error
	native.State, errs[0] = native.State.With(stateSpecs()...)
	native.PubSub, errs[1] = native.PubSub.With(pubsubSpecs()...)
	native.Binding, errs[2] = native.Binding.With(bindingSpecs()...)
	native.Secret, errs[3] = native.Secret.With(secretSpecs()...)
	native.Configuration, errs[4] = native.Configuration.With(configurationSpecs()...)
	native.Lock, errs[5] = native.Lock.With(lockSpecs()...)
	native.Crypto, errs[6] = native.Crypto.With(cryptoSpecs()...)
	return native, errors.Join(errs[:]...)
}
