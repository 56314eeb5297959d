package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

var (
	_ block.Keeper = (*app)(nil)
	_ block.Kept   = (*engine.Kept)(nil)
)

// Keep makes an instance of the app's current code that is kept. Where that is being replaced, it is of the next one.
func (a *app) Keep(ctx context.Context, saved []byte) (block.Kept, error) {
	for {
		gen := a.current.Load()
		if gen == nil || gen.pool == nil {
			return nil, fmt.Errorf("app %s is not started", a.name)
		}
		kept, err := gen.pool.Keep(ctx, saved)
		switch {
		case err == nil:
			return kept, nil
		case errors.Is(err, engine.ErrClosed) && a.current.Load() != gen:
		case errors.Is(err, engine.ErrChanged):
			return nil, &mapped{error: err, as: block.ErrChanged}
		case errors.Is(err, engine.ErrNoRoom):
			return nil, &mapped{error: err, as: block.ErrNoRoom}
		default:
			return nil, err
		}
	}
}

// mapped is an error of the engine that blocks know by another name.
type mapped struct {
	error
	as error
}

// Is tells whether target is the name that blocks know.
func (m *mapped) Is(target error) bool { return target == m.as }

// Unwrap gives the engine's error.
func (m *mapped) Unwrap() error { return m.error }
