// Package standard lists the drivers of the standard binary.
package standard

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/components/binding/cron"
	"github.com/mrt-wasm/mrt-wasm/components/binding/file"
	httpbinding "github.com/mrt-wasm/mrt-wasm/components/binding/http"
	kafkabinding "github.com/mrt-wasm/mrt-wasm/components/binding/kafka"
	"github.com/mrt-wasm/mrt-wasm/components/binding/localstorage"
	mqtt3binding "github.com/mrt-wasm/mrt-wasm/components/binding/mqtt3"
	mysqlbinding "github.com/mrt-wasm/mrt-wasm/components/binding/mysql"
	"github.com/mrt-wasm/mrt-wasm/components/binding/nats"
	postgresqlbinding "github.com/mrt-wasm/mrt-wasm/components/binding/postgresql"
	rabbitmqbinding "github.com/mrt-wasm/mrt-wasm/components/binding/rabbitmq"
	redisbinding "github.com/mrt-wasm/mrt-wasm/components/binding/redis"
	"github.com/mrt-wasm/mrt-wasm/components/binding/s3"
	"github.com/mrt-wasm/mrt-wasm/components/binding/smtp"
	wasmbinding "github.com/mrt-wasm/mrt-wasm/components/binding/wasm"
	"github.com/mrt-wasm/mrt-wasm/components/binding/webhook"
	postgresqlconfiguration "github.com/mrt-wasm/mrt-wasm/components/configuration/postgresql"
	redisconfiguration "github.com/mrt-wasm/mrt-wasm/components/configuration/redis"
	sqliteconfiguration "github.com/mrt-wasm/mrt-wasm/components/configuration/sqlite"
	wasmconfiguration "github.com/mrt-wasm/mrt-wasm/components/configuration/wasm"
	jwkscrypto "github.com/mrt-wasm/mrt-wasm/components/crypto/jwks"
	localcrypto "github.com/mrt-wasm/mrt-wasm/components/crypto/localstorage"
	wasmcrypto "github.com/mrt-wasm/mrt-wasm/components/crypto/wasm"
	wasmmiddleware "github.com/mrt-wasm/mrt-wasm/components/http/wasm"
	memorylock "github.com/mrt-wasm/mrt-wasm/components/lock/memory"
	redislock "github.com/mrt-wasm/mrt-wasm/components/lock/redis"
	sqlitelock "github.com/mrt-wasm/mrt-wasm/components/lock/sqlite"
	wasmlock "github.com/mrt-wasm/mrt-wasm/components/lock/wasm"
	jetstreampubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/jetstream"
	kafkapubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/kafka"
	memorypubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/memory"
	mqtt3pubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/mqtt3"
	"github.com/mrt-wasm/mrt-wasm/components/pubsub/mqtt5"
	rabbitmqpubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/rabbitmq"
	redispubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/redis"
	wasmpubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/wasm"
	"github.com/mrt-wasm/mrt-wasm/components/secret/kubernetes"
	localsecret "github.com/mrt-wasm/mrt-wasm/components/secret/local"
	"github.com/mrt-wasm/mrt-wasm/components/secret/localenv"
	"github.com/mrt-wasm/mrt-wasm/components/secret/localfile"
	"github.com/mrt-wasm/mrt-wasm/components/secret/vault"
	wasmsecret "github.com/mrt-wasm/mrt-wasm/components/secret/wasm"
	jetstreamstate "github.com/mrt-wasm/mrt-wasm/components/state/jetstream"
	"github.com/mrt-wasm/mrt-wasm/components/state/memcached"
	memorystate "github.com/mrt-wasm/mrt-wasm/components/state/memory"
	"github.com/mrt-wasm/mrt-wasm/components/state/mongodb"
	mysqlstate "github.com/mrt-wasm/mrt-wasm/components/state/mysql"
	postgresqlstate "github.com/mrt-wasm/mrt-wasm/components/state/postgresql"
	redisstate "github.com/mrt-wasm/mrt-wasm/components/state/redis"
	sqlitestate "github.com/mrt-wasm/mrt-wasm/components/state/sqlite"
	wasmstate "github.com/mrt-wasm/mrt-wasm/components/state/wasm"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Drivers gives the drivers. The error is a fault of the list itself.
func Drivers() (host.Drivers, error) {
	binding, errBinding := bindings()
	configuration, errConfiguration := component.NewSet("configuration",
		postgresqlconfiguration.Spec,
		redisconfiguration.Spec,
		sqliteconfiguration.Spec,
		wasmconfiguration.Spec,
	)
	crypto, errCrypto := component.NewSet("crypto",
		jwkscrypto.Spec,
		localcrypto.Spec,
		wasmcrypto.Spec,
	)
	lock, errLock := component.NewSet("lock",
		memorylock.Spec,
		redislock.Spec,
		sqlitelock.Spec,
		wasmlock.Spec,
	)
	middleware, errMiddleware := component.NewSet("middleware",
		wasmmiddleware.Spec,
	)
	pubsub, errPubSub := component.NewSet("pubsub",
		jetstreampubsub.Spec,
		kafkapubsub.Spec,
		memorypubsub.Spec,
		mqtt3pubsub.Spec,
		mqtt5.Spec,
		rabbitmqpubsub.Spec,
		redispubsub.Spec,
		wasmpubsub.Spec,
	)
	secret, errSecret := component.NewSet("secretstores",
		kubernetes.Spec,
		localsecret.Spec,
		localenv.Spec,
		localfile.Spec,
		vault.Spec,
		wasmsecret.Spec,
	)
	state, errState := component.NewSet("state",
		jetstreamstate.Spec,
		memcached.Spec,
		memorystate.Spec,
		mongodb.Spec,
		mysqlstate.Spec,
		postgresqlstate.Spec,
		redisstate.Spec,
		sqlitestate.Spec,
		wasmstate.Spec,
	)
	return host.Drivers{
		Binding: binding, Configuration: configuration, Crypto: crypto, Lock: lock, Middleware: middleware, PubSub: pubsub, Secret: secret, State: state,
	}, errors.Join(errBinding, errConfiguration, errCrypto, errLock, errMiddleware, errPubSub, errSecret, errState)
}

func bindings() (component.Set[binding.Binding], error) {
	return component.NewSet("bindings",
		cron.Spec,
		file.Spec,
		httpbinding.Spec,
		kafkabinding.Spec,
		localstorage.Spec,
		mqtt3binding.Spec,
		mysqlbinding.Spec,
		nats.Spec,
		postgresqlbinding.Spec,
		rabbitmqbinding.Spec,
		redisbinding.Spec,
		s3.Spec,
		smtp.Spec,
		webhook.Spec,
		wasmbinding.Spec,
	)
}
