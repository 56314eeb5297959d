package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiplugin "github.com/mrt-wasm/mrt-wasm/abi/plugin"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// Open starts a plugin.
func (r *Runner) Open(ctx context.Context, cfg component.PluginConfig) (component.Plugin, error) {
	var fields component.PluginFields
	if err := cfg.Config.Decode(&fields); err != nil {
		return nil, err
	}
	limits, err := limitsOf(fields)
	if err != nil {
		return nil, component.Permanent(err)
	}
	m, err := r.compile(ctx, cfg.Config.Name, fields.Source)
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field source: %w", err))
	}
	if err := wants(m, cfg.OneOf); err != nil {
		return nil, component.Permanent(err)
	}
	funcs, err := r.funcs(ctx, cfg.Config, m, fields)
	if err != nil {
		return nil, component.Permanent(err)
	}
	stateless := has(m.Interfaces(), abiplugin.InfoModule)
	if !stateless {
		limits.MaxInstances = 1
	}
	pool, err := m.Pool(ctx, engine.PoolConfig{
		App: component.PluginApp(cfg.Config.Name), Funcs: funcs, Exports: append(abiplugin.InfoExports(), cfg.Exports...),
		Log: cfg.Config.Log, Warm: 1, Policy: engine.Reuse, Limits: limits, StartTimeout: cfg.Config.InitTimeout,
	})
	if err != nil {
		return nil, component.Permanent(own(err))
	}
	p := newPlugin(cfg, pool, m.Interfaces(), fields.Timeout)
	if err := p.begin(ctx, stateless, limits.MaxInstances); err != nil {
		return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
	}
	return p, nil
}

// funcs are the host functions that a plugin may import.
func (r *Runner) funcs(ctx context.Context, cfg component.Config, m *engine.Module, fields component.PluginFields) ([]abi.Func, error) {
	kinds, err := r.grants(component.Names(fields.Imports))
	if err != nil {
		return nil, err
	}
	granted := func(kind string) bool { return slices.Contains(kinds, kind) }
	g, err := r.guest(ctx, cfg, component.Names(fields.AllowHosts))
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, i := range m.Imports() {
		imports = append(imports, i.Module)
	}
	if err := g.missing(imports, granted); err != nil {
		return nil, err
	}
	return g.functions(ctx, granted)
}

// limitsOf reads the fields that bound a plugin.
func limitsOf(f component.PluginFields) (engine.Limits, error) {
	memory, err := manifest.ParseBytes(f.Memory)
	switch {
	case err != nil:
		return engine.Limits{}, fmt.Errorf("metadata field memory: %w, found %q", err, f.Memory)
	case memory == 0 || memory > manifest.MaxMemory || memory%manifest.WasmPage != 0:
		return engine.Limits{}, fmt.Errorf("metadata field memory: want a multiple of 64Ki up to 4Gi, found %q", f.Memory)
	case f.Timeout <= 0:
		return engine.Limits{}, fmt.Errorf("metadata field timeout: want a duration over 0, found %s", f.Timeout)
	case f.MaxInstances < 1 || f.MaxInstances > maxInstances:
		return engine.Limits{}, fmt.Errorf("metadata field maxInstances: want 1 to %d, found %d", maxInstances, f.MaxInstances)
	}
	// The plugin itself sees to the timeout of its calls.
	return engine.Limits{Memory: uint64(memory), Timeout: -1, MaxInstances: f.MaxInstances, Queue: -1}, nil
}

const maxInstances = 65536

// wants refuses a module that is no driver of the block.
func wants(m *engine.Module, oneOf []string) error {
	have := m.Interfaces()
	for _, iface := range oneOf {
		if has(have, iface) {
			return nil
		}
	}
	found := "nothing"
	if len(have) > 0 {
		found = strings.Join(have, ", ")
	}
	return fmt.Errorf("metadata field source: want a plugin that exports %s, and %s exports %s; "+
		"in Go, import the block's driver package of the SDK and build with -buildmode=c-shared; in other languages, "+
		"export what the block's world in wit/world.wit has", strings.Join(oneOf, " or "), m.Name(), found)
}

// has tells whether a plugin exports the interface, in this version or one that is compatible.
func has(list []string, iface string) bool {
	if slices.Contains(list, iface) {
		return true
	}
	track := abi.Track(iface)
	return slices.ContainsFunc(list, func(have string) bool { return abi.Track(have) == track })
}

// own gives an error of the engine with the names that limits have in a component's metadata.
func own(err error) error {
	if err == nil {
		return nil
	}
	text := names.Replace(err.Error())
	if text == err.Error() {
		return err
	}
	return &renamed{text: text, err: err}
}

var names = strings.NewReplacer("spec.limits.", "metadata field ")

type renamed struct {
	text string
	err  error
}

// Error gives the text.
func (r *renamed) Error() string { return r.text }

// Unwrap gives the error as it was.
func (r *renamed) Unwrap() error { return r.err }
