package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/crypto/cryptotest"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/http/httptest"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
	"github.com/mrt-wasm/mrt-wasm/host/lock/locktest"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub/pubsubtest"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/secret/secrettest"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

// largest is the size of the largest message and object that suites test, in bytes.
const largest = 256 << 10

// suite gives the conformance suite of the kind.
func (c *componentTest) suite() (func(t *testing.T), error) {
	switch c.kind {
	case "pubsub":
		return c.pubsub, nil
	case "binding":
		return c.binding, nil
	case "lock":
		return c.lock, nil
	case "crypto":
		if c.plant == "" {
			return nil, usagef("the suite of vaults plants keys: give --plant FIELD, the metadata field by which init gets them")
		}
		return c.crypto, nil
	case "middleware":
		return c.middleware, nil
	case "secret":
		if c.plant == "" {
			return nil, usagef("the suite of secret stores plants secrets: give --plant FIELD, the metadata field by which init gets them")
		}
		return c.secret, nil
	case "configuration":
		if c.store == "" || c.components[c.store] == "" {
			return nil, usagef("the suite of configuration stores changes values: give --store NAME, a state store of --component where it writes them")
		}
		return c.configuration, nil
	default:
		return c.state, nil
	}
}

func (c *componentTest) state(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store {
		s, _ := driver[state.Store](t, c, nil)
		return s
	}, statetest.Caps{BadETag: c.badETag, Tag: c.tag})
}

// lock opens a host for each store: whether they share anything depends on the module.
func (c *componentTest) lock(t *testing.T) {
	locktest.Run(t, func(t *testing.T) lock.Store {
		s, _ := driver[lock.Store](t, c, nil)
		return s
	}, locktest.Caps{Alone: true})
}

// crypto asks the vault which algorithms it knows, and runs the suite with the keys that are good for some of them.
func (c *componentTest) crypto(t *testing.T) {
	planted := map[string]string{}
	keys := cryptotest.Keys(t)
	for _, key := range keys {
		if raw, symmetric := key.Raw.([]byte); symmetric {
			planted[key.Name] = base64.StdEncoding.EncodeToString(raw)
		} else {
			planted[key.Name] = string(key.PEM(t))
		}
	}
	text, err := json.Marshal(planted)
	if err != nil {
		t.Fatal(err)
	}
	open := func(t *testing.T) crypto.Provider {
		v, _ := driver[crypto.Provider](t, c, map[string]string{c.plant: base64.StdEncoding.EncodeToString(text)})
		return v
	}
	known, err := open(t).Algorithms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var good []cryptotest.Key
	for _, key := range keys {
		key.Algorithms = slices.DeleteFunc(key.Algorithms, func(a string) bool {
			return !slices.Contains(known.Encryption, a) && !slices.Contains(known.Signature, a)
		})
		if len(key.Algorithms) > 0 {
			good = append(good, key)
		}
	}
	if len(good) == 0 {
		t.Fatalf("the vault lists the algorithms %q and %q, and the suite knows none of them", known.Encryption, known.Signature)
	}
	cryptotest.Run(t, open, good)
}

func (c *componentTest) middleware(t *testing.T) {
	httptest.Run(t, func(t *testing.T) http.Middleware {
		m, _ := driver[http.Middleware](t, c, nil)
		return m
	})
}

// openBroker is a broker that its host closes, and not the suite.
type openBroker struct{ pubsub.Broker }

// Close leaves it to the host.
func (openBroker) Close(context.Context) error { return nil }

// openBulkBroker is one that publishes many messages at once.
type openBulkBroker struct {
	openBroker
	pubsub.BulkPublisher
}

func (c *componentTest) pubsub(t *testing.T) {
	b, _ := driver[pubsub.Broker](t, c, nil)
	var broker pubsub.Broker = openBroker{b}
	if bulk, ok := b.(pubsub.BulkPublisher); ok {
		broker = openBulkBroker{openBroker{b}, bulk}
	}
	pubsubtest.Run(t, func(testing.TB) pubsub.Broker { return broker }, pubsubtest.Caps{Shared: true, Large: largest})
}

func (c *componentTest) secret(t *testing.T) {
	secrettest.Run(t, func(t *testing.T, planted map[string]secret.Values) secret.Store {
		text, err := json.Marshal(planted)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := driver[secret.Store](t, c, map[string]string{c.plant: base64.StdEncoding.EncodeToString(text)})
		return s
	}, secrettest.Caps{})
}

func (c *componentTest) configuration(t *testing.T) {
	configurationtest.Run(t, func(t *testing.T) configurationtest.Fixture {
		s, h := driver[configuration.Store](t, c, nil)
		values := of[state.Store](t, h, c.store)
		ctx := context.WithoutCancel(t.Context())
		return configurationtest.Fixture{
			Store: s,
			Set: func(key, value string) error {
				return values.Set(ctx, state.SetRequest{Key: key, Value: []byte(value)})
			},
			Delete: func(key string) error { return values.Delete(ctx, state.DeleteRequest{Key: key}) },
		}
	}, configurationtest.Caps{})
}

// Bindings that their host closes, and not the suite.
type (
	openOutput struct{ binding.Output }
	openBoth   struct {
		binding.Output
		binding.Input
	}
)

// Close leaves it to the host.
func (openOutput) Close(context.Context) error { return nil }

// Close leaves it to the host.
func (openBoth) Close(context.Context) error { return nil }

func (c *componentTest) binding(t *testing.T) {
	b, _ := driver[binding.Binding](t, c, nil)
	out, isOut := b.(binding.Output)
	in, isIn := b.(binding.Input)
	caps := bindingtest.Caps{Large: largest}
	if isOut {
		caps.Operations = out.Operations()
	}
	if c.key != "" {
		caps.Key = func(name string) map[string]string { return map[string]string{c.key: name} }
	}
	if isIn && isOut && c.emit != "" {
		caps.Emit = func(t testing.TB, _ binding.Binding, text string) {
			if _, err := out.Invoke(context.Background(), &binding.Request{Operation: c.emit, Data: []byte(text)}); err != nil {
				t.Errorf("%s: %v", c.emit, err)
			}
		}
	}
	var under binding.Binding
	switch {
	case caps.Emit != nil:
		under = openBoth{out, in}
	case isOut:
		under = openOutput{out} // how its events are made is not known
	default:
		t.Fatal("the suite cannot make events of an input binding that has no operation: give --emit OPERATION, of a module that is an output binding too")
	}
	bindingtest.Run(t, func(testing.TB) binding.Binding { return under }, caps)
}
