package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/plugin"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// goSource begins the source of a plugin that is a folder of Go code.
const goSource = "go:"

// openPlugins makes what runs components that are wasm modules, compiles these, and puts all components of the manifest
// into an order in which each comes after those that its plugin may use.
func (h *Host) openPlugins(ctx context.Context) error {
	h.opened = map[string]any{}
	h.plugins = plugin.New(plugin.Config{Engine: h.engine, Load: h.loadPlugin, Log: h.log})
	decls := make([]component.Decl, 0, len(h.opts.Manifest.Components))
	for _, c := range h.opts.Manifest.Components {
		decls = append(decls, declOf(c))
	}
	var err error
	if h.declared, err = plugin.Order(decls); err != nil {
		return err
	}
	h.plugins.Declare(ctx, h.declared)
	return nil
}

// earlyBlocks gives plugins that are secret stores what they may use before the host's own blocks are there, which need
// secrets themselves. These take their place later.
func (h *Host) earlyBlocks(ctx context.Context, stores *secret.Resolver) error {
	none := chain.New(nil, nil)
	client, err := http.New(http.Config{Apps: h.httpConfig, Chain: none, Log: h.log})
	if err != nil {
		return err
	}
	secrets := secret.New(secret.Config{Resolver: stores, Apps: h.opts.Manifest.AppNames(), Scopes: h.secretScopes, Chain: none})
	return errors.Join(h.provide(ctx, client), h.provide(ctx, secrets))
}

// loadPlugin reads or builds the wasm of a component.
func (h *Host) loadPlugin(ctx context.Context, name, source string) ([]byte, error) {
	dir, isGo := strings.CutPrefix(source, goSource)
	if !isGo {
		return readWasm(source)
	}
	app := &manifest.App{Header: manifest.Header{Metadata: manifest.Meta{Name: "component-" + name}}}
	app.Spec.Source.Go = dir
	return h.opts.Loader.Load(ctx, app)
}

func readWasm(path string) ([]byte, error) {
	wasm, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist; build it first, or give go: and its Go folder", path)
	case err != nil:
		return nil, err
	case !strings.HasPrefix(string(wasm[:min(len(wasm), len("\x00asm"))]), "\x00asm"):
		return nil, fmt.Errorf(`%s is not a wasm file: want one that starts with "\x00asm"`, path)
	}
	return wasm, nil
}

// atManifest makes the source of a plugin relative to the file that declares it.
func atManifest(d *component.Decl, file string) {
	if !d.IsPlugin() {
		return
	}
	for name, value := range d.Metadata {
		if !strings.EqualFold(name, "source") || value == "" {
			continue
		}
		path, isGo := strings.CutPrefix(value, goSource)
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(file), path)
		}
		if isGo {
			path = goSource + path
		}
		d.Metadata = maps.Clone(d.Metadata)
		d.Metadata[name] = path
		return
	}
}

// provide gives a block to plugins.
func (h *Host) provide(ctx context.Context, b block.Block) error { return h.plugins.Provide(ctx, b) }

// noteOpened keeps a component that has been opened.
func (h *Host) noteOpened(name string, driver any) {
	h.openedMu.Lock()
	defer h.openedMu.Unlock()
	h.opened[name] = driver
}

// Component gives the driver of a component that the host has opened, for example a state.Store: for the conformance
// suites. It is still the host's.
func (h *Host) Component(name string) (any, error) {
	h.openedMu.Lock()
	defer h.openedMu.Unlock()
	if d := h.opened[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("component %s is not open", name)
}
