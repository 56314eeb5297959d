// Package conformance runs the conformance suites of Dapr's components-contrib against the drivers of this host, each
// on its real server, through one adapter per building block. It is a module of its own so that the product does not
// depend on Dapr. What is left out or set differently, and why, is in Exceptions and in README.md.
package conformance

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// opener opens one driver: what an adapter's Init needs beside the suite's properties.
type opener struct {
	drivers host.Drivers
	typ     string
	version string // of the type; v1 if it is empty
	dataDir string
	// plugin is the driver of a component that a host runs already, in place of all that is above.
	plugin any
}

// newOpener is for the driver of a type. dataDir is the host's data folder.
func newOpener(typ, dataDir string) (opener, error) {
	drivers, err := standard.Drivers()
	return opener{drivers: drivers, typ: typ, dataDir: dataDir}, err
}

// start opens a driver once, as the host's component manager does.
func start[T any](ctx context.Context, o opener, set component.Set[T], properties map[string]string) (T, error) {
	var none T
	if o.plugin != nil {
		driver, ok := o.plugin.(T)
		if !ok {
			return none, fmt.Errorf("the plugin is a %T, which is of another block", o.plugin)
		}
		return driver, nil
	}
	spec, ok := set.Lookup(o.typ)
	if !ok {
		return none, fmt.Errorf("the standard binary has no driver %s; it has %v", o.typ, set.Types())
	}
	return spec.New(ctx, component.Config{
		Name: "conformance", Type: spec.Type, Version: cmp.Or(o.version, "v1"), Metadata: properties, DataDir: o.dataDir,
		Log: slog.New(slog.DiscardHandler), InitTimeout: component.DefaultInitTimeout,
	})
}

// closer is what all drivers are.
type closer interface {
	Close(ctx context.Context) error
}

// end closes a driver, unless it is a plugin's: its host does that.
func (o opener) end(driver closer) error {
	if o.plugin != nil {
		return nil
	}
	return driver.Close(context.Background())
}

// pinger is what drivers of every block may have.
type pinger interface {
	Ping(ctx context.Context) error
}

// ping asks a driver whether its server answers; one that cannot be asked has nothing to answer for.
func ping(ctx context.Context, driver any) error {
	if p, ok := driver.(pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}
