package standard_test

import (
	"os"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

// fails are components that cannot start, each with one credential, for which SECRET stands.
var fails = []struct {
	name, typ, fields, secret, value string
	// fatal tells that a host does not start with it; other failures show when the component is used.
	fatal bool
	// quoted tells that errors may quote the value where it was not given as a secret.
	quoted bool
}{
	{"redis refuses the password", "state.redis", "{name: redisHost, value: REDIS}", "redisPassword", "SECRET", true, false},
	{"redis is down", "state.redis", "{name: redisHost, value: '127.0.0.1:1'}", "redisPassword", "SECRET", true, false},
	{"redis as URL", "state.redis", "{name: enableTLS, value: false}", "redisHost", "redis://shop:SECRET@127.0.0.1:1", true, false},
	{"redis key that is none", "state.redis", "{name: redisHost, value: REDIS}, {name: enableTLS, value: true}, {name: clientCert, value: x}", "clientKey", "SECRET", true, false},
	{"a number that is none", "state.redis", "{name: redisHost, value: REDIS}", "poolSize", "SECRET", true, true},
	{"encryption key that is none", "state.sqlite", "{name: connectionString, value: DIR/s.db}", "primaryEncryptionKey", "notHex-SECRET", true, false},
	{"pubsub.redis", "pubsub.redis", "{name: redisHost, value: REDIS}", "redisPassword", "SECRET", true, false},
	{"bindings.redis", "bindings.redis", "{name: redisHost, value: REDIS}", "redisPassword", "SECRET", true, false},
	{"configuration.redis", "configuration.redis", "{name: redisHost, value: REDIS}", "redisPassword", "SECRET", true, false},
	{"lock.redis", "lock.redis", "{name: redisHost, value: REDIS}", "redisPassword", "SECRET", true, false},
	{"jetstream refuses the token", "pubsub.jetstream", "{name: natsURL, value: NATS}", "token", "SECRET", true, false},
	{"jetstream refuses the URL", "pubsub.jetstream", "{name: name, value: x}", "natsURL", "nats://shop:SECRET@NATSADDR", true, false},
	{"jetstream URL that is none", "pubsub.jetstream", "{name: name, value: x}", "natsURL", "nats://shop:SECRET@NATSADDR:x:y", true, false},
	{"jetstream seed that is none", "pubsub.jetstream", "{name: natsURL, value: NATS}, {name: jwt, value: x}", "seedKey", "SECRET", true, false},
	{"jetstream JWT that is none", "pubsub.jetstream", "{name: natsURL, value: NATS}, {name: seedKey, value: x}", "jwt", "SECRET", true, false},
	{"jetstream key that is none", "pubsub.jetstream", "{name: natsURL, value: NATS}, {name: tls_client_cert, value: x}", "tls_client_key", "SECRET", true, false},
	{"nats refuses the password", "bindings.nats", "{name: natsURL, value: NATS}, {name: subject, value: s}, {name: username, value: shop}", "password", "SECRET", true, false},
	{"nats refuses the URL", "bindings.nats", "{name: subject, value: s}", "natsURL", "nats://shop:SECRET@NATSADDR", true, false},
	{"http key that is none", "bindings.http", "{name: url, value: 'http://127.0.0.1:1'}, {name: MTLSClientCert, value: x}", "MTLSClientKey", "SECRET", true, false},
	{"http URL that is none", "bindings.http", "{name: errorIfNot2XX, value: true}", "url", "ftp://shop:SECRET@127.0.0.1:x", true, false},
	{"http token without header", "bindings.http", "{name: url, value: 'http://127.0.0.1:1'}", "securityToken", "SECRET", false, false},
	{"webhook", "bindings.webhook", "{name: path, value: nopath}", "secret", "SECRET", true, false},
	{"vault is down", "secretstores.hashicorp.vault", "{name: vaultAddr, value: 'http://127.0.0.1:1'}", "vaultToken", "SECRET", false, false},
	{"vault refuses the token", "secretstores.hashicorp.vault", "{name: vaultAddr, value: VAULT}", "vaultToken", "SECRET", false, false},
	{"vault URL that is none", "secretstores.hashicorp.vault", "{name: vaultToken, value: x}", "vaultAddr", "http://shop:SECRET@127.0.0.1:x", true, false},
	{"rabbitmq is down", "pubsub.rabbitmq", "{name: hostname, value: '127.0.0.1:1'}, {name: username, value: shop}", "password", "SECRET", true, false},
	{"rabbitmq as URL", "pubsub.rabbitmq", "{name: durable, value: true}", "connectionString", "amqp://shop:SECRET@127.0.0.1:1", true, false},
	{"rabbitmq URL that is none", "pubsub.rabbitmq", "{name: durable, value: true}", "connectionString", "amqp://shop:SECRET/%zz@127.0.0.1:x", true, false},
	{"rabbitmq key that is none", "pubsub.rabbitmq", "{name: hostname, value: '127.0.0.1:1'}, {name: protocol, value: amqps}, {name: clientCert, value: x}", "clientKey", "SECRET", true, false},
	{"bindings.rabbitmq", "bindings.rabbitmq", "{name: queueName, value: q}", "host", "amqp://shop:SECRET@127.0.0.1:1", true, false},
	{"bindings.smtp", "bindings.smtp", "{name: host, value: 127.0.0.1}, {name: port, value: 1}, {name: user, value: shop}, {name: emailFrom, value: a@example.com}, {name: emailTo, value: b@example.com}", "password", "SECRET", false, false},
	{"mysql is down", "state.mysql", "{name: tableName, value: t}", "connectionString", "shop:SECRET@tcp(127.0.0.1:1)/", true, false},
	{"mysql DSN that is none", "state.mysql", "{name: tableName, value: t}", "connectionString", "shop:SECRET@tcp(127.0.0.1:1", true, false},
	{"bindings.mysql", "bindings.mysql", "{name: maxOpenConns, value: 2}", "url", "shop:SECRET@tcp(127.0.0.1:1)/shop", true, false},
	{"bindings.mysql DSN that is none", "bindings.mysql", "{name: maxOpenConns, value: 2}", "url", "mysql://shop:SECRET@127.0.0.1:1/shop", true, false},
	{"postgresql is down", "state.postgresql", "{name: timeout, value: 1}", "connectionString", "host=127.0.0.1 port=1 user=shop password=SECRET database=shop", true, false},
	{"postgresql refuses the password", "state.postgresql", "{name: timeout, value: 20}, {name: connectionString, value: 'host=127.0.0.1 port=PGPORT user=app database=postgres'}", "password", "SECRET", true, false},
	{"postgresql URL that is none", "state.postgresql", "{name: timeout, value: 1}", "connectionString", "postgres://shop:SECRET@127.0.0.1:x/shop", true, false},
	{"postgresql v2", "state.postgresql/v2", "{name: timeout, value: 1}", "connectionString", "postgres://shop:SECRET@127.0.0.1:1/shop", true, false},
	{"postgresql v2 refuses the password", "state.postgresql/v2", "{name: timeout, value: 20}", "connectionString", "postgres://app:SECRET@127.0.0.1:PGPORT/postgres", true, false},
	{"configuration.postgresql", "configuration.postgresql", "{name: table, value: t}", "connectionString", "postgres://app:SECRET@127.0.0.1:PGPORT/postgres", true, false},
	{"bindings.postgresql", "bindings.postgresql", "{name: connectionString, value: 'host=127.0.0.1 port=1 user=shop database=shop'}", "password", "SECRET", true, false},
	{"mongodb is down", "state.mongodb", "{name: host, value: '127.0.0.1:1'}, {name: username, value: shop}, {name: operationTimeout, value: 1s}", "password", "SECRET", true, false},
	{"mongodb as URL", "state.mongodb", "{name: operationTimeout, value: 1s}", "connectionString", "mongodb://shop:SECRET@127.0.0.1:1/?serverSelectionTimeoutMS=100", true, false},
	{"mongodb URL that is none", "state.mongodb", "{name: operationTimeout, value: 1s}", "connectionString", "mongodb://shop:SECRET@127.0.0.1:x/%zz", true, false},
	{"state.jetstream refuses the token", "state.jetstream", "{name: natsURL, value: NATS}, {name: bucket, value: b}", "token", "SECRET", true, false},
	{"state.jetstream refuses the URL", "state.jetstream", "{name: bucket, value: b}", "natsURL", "nats://shop:SECRET@NATSADDR", true, false},
	{"state.jetstream seed that is none", "state.jetstream", "{name: natsURL, value: NATS}, {name: bucket, value: b}, {name: jwt, value: x}", "seedKey", "SECRET", true, false},
	{"state.jetstream JWT that is none", "state.jetstream", "{name: natsURL, value: NATS}, {name: bucket, value: b}, {name: seedKey, value: x}", "jwt", "SECRET", true, false},
	{"mqtt3 is down", "pubsub.mqtt3", "{name: qos, value: 1}", "url", "tcp://shop:SECRET@127.0.0.1:1", true, false},
	{"mqtt3 URL that is none", "pubsub.mqtt3", "{name: qos, value: 1}", "url", "tcp://shop:SECRET@127.0.0.1:x", true, false},
	{"mqtt5 is down", "pubsub.mqtt5", "{name: qos, value: 1}", "url", "mqtt://shop:SECRET@127.0.0.1:1", true, false},
	{"mqtt5 key that is none", "pubsub.mqtt5", "{name: url, value: 'ssl://127.0.0.1:1'}, {name: clientCert, value: x}", "clientKey", "SECRET", true, false},
	{"bindings.mqtt3", "bindings.mqtt3", "{name: topic, value: t}", "url", "tcp://shop:SECRET@127.0.0.1:1", true, false},
	{"kafka is down", "pubsub.kafka", "{name: brokers, value: '127.0.0.1:1'}, {name: disableTls, value: true}, {name: authType, value: password}, {name: saslUsername, value: shop}", "saslPassword", "SECRET", true, false},
	{"kafka with OIDC is down", "pubsub.kafka", "{name: brokers, value: '127.0.0.1:1'}, {name: disableTls, value: true}, {name: authType, value: oidc}, {name: oidcTokenEndpoint, value: 'http://127.0.0.1:1/token'}, {name: oidcClientID, value: shop}", "oidcClientSecret", "SECRET", true, false},
	{"kafka key that is none", "pubsub.kafka", "{name: brokers, value: '127.0.0.1:1'}, {name: authType, value: mtls}, {name: clientCert, value: x}", "clientKey", "SECRET", true, false},
	{"bindings.kafka", "bindings.kafka", "{name: brokers, value: '127.0.0.1:1'}, {name: publishTopic, value: t}, {name: disableTls, value: true}, {name: authType, value: password}, {name: saslUsername, value: shop}", "saslPassword", "SECRET", true, false},
	{"bindings.kafka with OIDC", "bindings.kafka", "{name: brokers, value: '127.0.0.1:1'}, {name: publishTopic, value: t}, {name: disableTls, value: true}, {name: authType, value: oidc}, {name: oidcTokenEndpoint, value: 'http://127.0.0.1:1/token'}, {name: oidcClientID, value: shop}", "oidcClientSecret", "SECRET", true, false},
	{"bindings.s3", "bindings.s3", "{name: bucket, value: objects}, {name: endpoint, value: 'http://127.0.0.1:1'}, {name: accessKey, value: shop}", "secretKey", "SECRET", true, false},
	{"bindings.aws.s3", "bindings.aws.s3", "{name: bucket, value: objects}, {name: endpoint, value: 'http://127.0.0.1:1'}, {name: accessKey, value: shop}, {name: secretKey, value: x}", "sessionToken", "SECRET", true, false},
	{"s3 endpoint that is none", "bindings.s3", "{name: bucket, value: objects}, {name: accessKey, value: shop}, {name: secretKey, value: x}", "endpoint", "http://shop:SECRET@127.0.0.1:x", true, false},
	{"key set that is none", "crypto.dapr.jwks", "{name: requestTimeout, value: 1s}", "jwks", `{"keys":[{"kty":"oct","kid":"k","k":"!SECRET"}]}`, true, false},
	{"key set that is no JSON", "crypto.dapr.jwks", "{name: requestTimeout, value: 1s}", "jwks", "SECRET", true, false},
	{"key set at a URL that is down", "crypto.dapr.jwks", "{name: requestTimeout, value: 1s}", "jwks", "http://shop:SECRET@127.0.0.1:1/keys?token=SECRET", true, false},
	{"key set at a URL that is none", "crypto.dapr.jwks", "{name: requestTimeout, value: 1s}", "jwks", "https://shop:SECRET@127.0.0.1:x/keys", true, false},
}

// TestCredentialsOfKubeconfig: the user of a cluster is in a file, whose path the metadata have.
func TestCredentialsOfKubeconfig(t *testing.T) {
	l := newLeaks()
	for _, user := range []string{
		"{token: SECRET}", "{username: shop, password: SECRET}", "{client-certificate-data: eA==, client-key-data: SECRET}", "{token: [SECRET}", "SECRET",
	} {
		config := strings.ReplaceAll(kubeconfig, "USER", strings.ReplaceAll(user, "SECRET", l.plant("credential of "+user)))
		p, err := launch(t, l, brokenHead+broken("cluster", "secretstores.kubernetes", "{name: kubeconfigPath, value: DIR/config}", true), map[string]string{
			"planted.json": "{}", "config": config,
		})
		if err != nil {
			t.Fatal(err)
		}
		p.facts(t)
		for _, call := range callsOf("secretstores.kubernetes", "cluster") {
			p.call(t, call)
		}
		p.stop(t)
	}
	l.check(t, "log", "API")
}

// TestCredentialsOfKeys: keys of a vault are in files, and what goes wrong with them is told without them.
func TestCredentialsOfKeys(t *testing.T) {
	l := newLeaks()
	manifest, files := brokenHead+broken("keys", "crypto.dapr.localstorage", "{name: path, value: DIR}", true), map[string]string{"planted.json": "{}"}
	var calls []string
	for name, content := range map[string]string{
		"secret": "SECRET", "text.json": "SECRET", "kty.json": `{"kty":"SECRET"}`, "member.json": `{"kty":"oct","k":"!SECRET"}`,
		"text.pem": "SECRET", "cut.pem": "-----BEGIN PRIVATE KEY-----\nSECRET", "label.pem": "-----BEGIN SECRET-----\nAAAA\n-----END SECRET-----\n",
	} {
		files[name] = strings.ReplaceAll(content, "SECRET", l.plant("key in "+name))
		for _, body := range []string{
			`getkey {"name":"NAME"}`, `sign {"keyName":"NAME","algorithm":"ES256","digest":"AAAA"}`,
			`encrypt {"keyName":"NAME","algorithm":"A128GCM","plaintext":"AAAA","nonce":"AAAA"}`,
			`unwrapkey {"keyName":"NAME","algorithm":"A256KW","wrappedKey":"AAAA"}`,
		} {
			calls = append(calls, "POST /v1.0-alpha1/subtlecrypto/keys/"+strings.ReplaceAll(body, "NAME", name))
		}
	}
	p, err := launch(t, l, manifest, files)
	if err != nil {
		t.Fatal(err)
	}
	p.facts(t)
	for _, call := range calls {
		p.call(t, call)
	}
	p.stop(t)
	l.check(t, "log", "API")
}

// kubeconfig is of a cluster that is down.
const kubeconfig = `
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: local, user: me, namespace: team}}]
clusters: [{name: local, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: USER}]
`
