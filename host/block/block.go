// Package block is the shape of a building block as the host sees it. A block knows neither the engine nor
// other blocks; the host gives each app's Session the means to reach that app.
package block

import (
	"context"
	"net/http"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// Block is one building block of a host.
type Block interface {
	// Name is the block's folder name, for example "state".
	Name() string
	// Imports lists the interfaces that the block offers to apps, for example "mrt:state/store@0.1.0".
	Imports() []string
	// Exports lists the handler interfaces that the block calls in apps.
	Exports() []string
	// Open makes the block's side of one app. It checks what can be checked and starts nothing. The host opens
	// a session for every app, whether it imports the block or not, before any app runs.
	Open(ctx context.Context, app App) (Session, error)
	// Close ends the block after all sessions are closed; components are closed here.
	Close(ctx context.Context) error
}

// Session is a block's side of one app.
type Session interface {
	// Funcs are the host functions that the app may import.
	Funcs() []abi.Func
	// Close releases what the session holds. No call of the app is in flight.
	Close(ctx context.Context) error
}

// App is one app as its blocks see it. The methods that call the app work from the time its Session is started.
type App interface {
	// Name is the app's name, Dapr's app id.
	Name() string
	// Handles tells whether the app exports the interface, for example "mrt:pubsub/subscriber@0.1.0".
	Handles(iface string) bool
	// Do runs fn with a free instance of the app, waiting in the app's queue if all are busy. ctx gets the app's
	// timeout on top of its own. It fails with ErrOverloaded when the queue is full, and with a *abi.Trap when the
	// guest trapped; then nothing of the call is left in an instance.
	Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error
}

// Triggerer is a Block that also starts calls into apps by itself.
type Triggerer interface {
	Block
	// Triggers gives the block's triggers once all apps are open; the host starts and stops them.
	Triggers(ctx context.Context) ([]trigger.Trigger, error)
}

// Routes is a Block that has a part in the HTTP API.
type Routes interface {
	Block
	// Routes adds the block's routes. Patterns are those of http.ServeMux, for example
	// "GET /v1.0/state/{store}/{key}". Handlers answer errors through the APIError helper.
	Routes(handle func(pattern string, h http.HandlerFunc))
}

// Describer is a Block that reports its part of GET /v1.0/metadata, for example "components" or "subscriptions".
type Describer interface {
	Block
	Describe(ctx context.Context) map[string]any
}

// Checker is a Block that can say why it is not ready; nil when it is.
type Checker interface {
	Block
	Ready(ctx context.Context) error
}
