package host

import (
	"context"
	"io"
	"log/slog"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// The defaults of Options.
const (
	DefaultDataDir  = ".mrt"
	DefaultHTTPAddr = "127.0.0.1:8080"
	DefaultAPIAddr  = "127.0.0.1:3500"
)

// Options says what a Host runs and with what.
type Options struct {
	// Manifest is what to run; required.
	Manifest *manifest.Manifest
	// DataDir is where embedded stores and caches live; DefaultDataDir if empty. One process at a time.
	DataDir string
	// HTTPAddr is the front door's address, APIAddr that of Dapr's HTTP API; the defaults if empty. Port 0 takes a
	// free port.
	HTTPAddr, APIAddr string
	// APIToken is what callers of the API give in the header dapr-api-token; needed when APIAddr is not loopback.
	APIToken string
	// CacheDir keeps compiled code; <DataDir>/cache if empty. Several hosts may share one.
	CacheDir string
	// Namespace is Dapr's namespace; "default" if empty.
	Namespace string
	// Stdin is what WASI components read as their standard input; nothing if nil.
	Stdin io.Reader
	// Stdout and Stderr get what WASI components write to their standard streams; it goes to the log if nil.
	Stdout, Stderr io.Writer
	// Log gets the host's and the apps' lines; discarded if nil.
	Log *slog.Logger
	// Drivers are the components that the host knows; usually standard.Drivers().
	Drivers Drivers
	// Interpreter runs apps in the interpreter instead of compiled code: slow, for comparing.
	Interpreter bool
	// Loader turns an app's source into wasm; it reads spec.source.wasm if nil.
	Loader Loader
	// Version is shown in metadata; "dev" if empty.
	Version string
}

// Drivers are the sets of drivers, one a kind.
type Drivers struct {
	State         component.Set[state.Store]
	PubSub        component.Set[pubsub.Broker]
	Secret        component.Set[secret.Store]
	Configuration component.Set[configuration.Store]
	Lock          component.Set[lock.Store]
	Crypto        component.Set[crypto.Provider]
	Binding       component.Set[binding.Binding]
	Middleware    component.Set[http.Middleware]
}

// Describe documents all drivers, sorted by kind and type.
func (d Drivers) Describe() []component.Description {
	return slices.Concat(d.Binding.Describe(), d.Configuration.Describe(), d.Crypto.Describe(), d.Lock.Describe(),
		d.Middleware.Describe(), d.PubSub.Describe(), d.Secret.Describe(), d.State.Describe())
}

// Loader gives the wasm of an app.
type Loader interface {
	Load(ctx context.Context, app *manifest.App) ([]byte, error)
}

// AppStatus is what a running host tells of one app.
type AppStatus struct {
	Name string
	// Routes are the app's routes on the front door; empty if it serves no HTTP.
	Routes []string
	// Handles are the interfaces that the app exports.
	Handles []string
	// Subscriptions are "<pubsub>/<topic>".
	Subscriptions []string
}
