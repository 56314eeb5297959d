package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

var (
	_ block.Single  = (*app)(nil)
	_ block.Savable = kept{}
)

// Keep makes an instance of the app's current code that is kept. Where that is being replaced, it is of the next one.
func (a *app) Keep(ctx context.Context, saved []byte) (block.Kept, error) {
	for {
		gen := a.current.Load()
		if gen == nil || gen.pool == nil {
			return nil, fmt.Errorf("app %s is not started", a.name)
		}
		k, err := gen.pool.Keep(ctx, saved)
		switch {
		case err == nil:
			return kept{k}, nil
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

// Single tells whether the app is a component.
func (a *app) Single() bool {
	gen := a.current.Load()
	return gen != nil && gen.module.IsComponent()
}

// kept is a kept instance whose errors blocks know.
type kept struct{ *engine.Kept }

// Mark is the engine's.
func (k kept) Mark() error { return held(k.Kept.Mark()) }

// Save is the engine's.
func (k kept) Save() ([]byte, error) {
	saved, err := k.Kept.Save()
	return saved, held(err)
}

// Savable is the engine's.
func (k kept) Savable() error { return held(k.Kept.Savable()) }

func held(err error) error {
	if errors.Is(err, engine.ErrHeld) {
		return &mapped{error: err, as: block.ErrHeld}
	}
	return err
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
