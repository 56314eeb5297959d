package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// Of gives the source of an app of a manifest.
func Of(app *manifest.App) Spec {
	s := app.Spec.Source
	return Spec{App: app.Name(), Go: s.Go, Wasm: s.Wasm, OCI: s.OCI, Where: s.Pos.String()}
}

// All gives the sources of apps.
func All(apps []*manifest.App) []Spec {
	specs := make([]Spec, len(apps))
	for i, app := range apps {
		specs[i] = Of(app)
	}
	return specs
}

// Loader is a Builder in the form that a host takes.
type Loader struct{ Builder *Builder }

// Load gives the wasm of an app; see Builder.Load.
func (l Loader) Load(ctx context.Context, app *manifest.App) ([]byte, error) {
	wasm, err := l.Builder.Load(ctx, Of(app))
	if named, ok := errors.AsType[*Error](err); ok {
		return nil, fmt.Errorf("%s: %w", named.Where, named.Err) // the host names the app
	}
	return wasm, err
}
