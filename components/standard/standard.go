// Package standard lists the drivers of the standard binary.
package standard

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/components/binding/cron"
	"github.com/mrt-wasm/mrt-wasm/components/binding/file"
	httpbinding "github.com/mrt-wasm/mrt-wasm/components/binding/http"
	"github.com/mrt-wasm/mrt-wasm/components/binding/localstorage"
	natsbinding "github.com/mrt-wasm/mrt-wasm/components/binding/nats"
	redisbinding "github.com/mrt-wasm/mrt-wasm/components/binding/redis"
	wasmbinding "github.com/mrt-wasm/mrt-wasm/components/binding/wasm"
	"github.com/mrt-wasm/mrt-wasm/components/binding/webhook"
	redisconfiguration "github.com/mrt-wasm/mrt-wasm/components/configuration/redis"
	sqliteconfiguration "github.com/mrt-wasm/mrt-wasm/components/configuration/sqlite"
	wasmconfiguration "github.com/mrt-wasm/mrt-wasm/components/configuration/wasm"
	wasmmiddleware "github.com/mrt-wasm/mrt-wasm/components/http/wasm"
	jetstreampubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/jetstream"
	memorypubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/memory"
	redispubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/redis"
	wasmpubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/wasm"
	localsecret "github.com/mrt-wasm/mrt-wasm/components/secret/local"
	"github.com/mrt-wasm/mrt-wasm/components/secret/localenv"
	"github.com/mrt-wasm/mrt-wasm/components/secret/localfile"
	"github.com/mrt-wasm/mrt-wasm/components/secret/vault"
	wasmsecret "github.com/mrt-wasm/mrt-wasm/components/secret/wasm"
	memorystate "github.com/mrt-wasm/mrt-wasm/components/state/memory"
	redisstate "github.com/mrt-wasm/mrt-wasm/components/state/redis"
	sqlitestate "github.com/mrt-wasm/mrt-wasm/components/state/sqlite"
	wasmstate "github.com/mrt-wasm/mrt-wasm/components/state/wasm"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Drivers gives the drivers. The error is a fault of the list itself.
func Drivers() (host.Drivers, error) {
	state, errState := component.NewSet("state", memorystate.Spec, redisstate.Spec, sqlitestate.Spec, wasmstate.Spec)
	pubsub, errPubSub := component.NewSet("pubsub", jetstreampubsub.Spec, memorypubsub.Spec, redispubsub.Spec, wasmpubsub.Spec)
	secret, errSecret := component.NewSet("secretstores", localsecret.Spec, localenv.Spec, localfile.Spec, vault.Spec, wasmsecret.Spec)
	configuration, errConfiguration := component.NewSet("configuration", redisconfiguration.Spec, sqliteconfiguration.Spec, wasmconfiguration.Spec)
	binding, errBinding := component.NewSet("bindings",
		cron.Spec, file.Spec, httpbinding.Spec, localstorage.Spec, natsbinding.Spec, redisbinding.Spec, webhook.Spec, wasmbinding.Spec)
	middleware, errMiddleware := component.NewSet("middleware", wasmmiddleware.Spec)
	return host.Drivers{
		State: state, PubSub: pubsub, Secret: secret, Configuration: configuration, Binding: binding, Middleware: middleware,
	}, errors.Join(errState, errPubSub, errSecret, errConfiguration, errBinding, errMiddleware)
}
