package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	abilock "github.com/mrt-wasm/mrt-wasm/abi/lock"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	abisecret "github.com/mrt-wasm/mrt-wasm/abi/secret"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/log"
	"github.com/mrt-wasm/mrt-wasm/host/wasi"
)

// offer is an interface that plugins may import.
type offer struct {
	// block is the building block that has it, kind the kind of component that has to be granted; empty for none.
	block, kind string
	// funcs are its functions without their code.
	funcs []abi.Func
}

// offers are the interfaces that plugins may import.
func offers() []offer {
	return []offer{
		{"http", "", abihttp.ClientFuncs(nil)},
		{"state", "state", abistate.StoreFuncs(nil)},
		{"pubsub", "pubsub", abipubsub.PublisherFuncs(nil)},
		{"binding", "bindings", abibinding.OutputFuncs(nil)},
		{"secret", "secretstores", abisecret.StoreFuncs(nil)},
		{"configuration", "configuration", abiconfiguration.StoreFuncs(nil)},
		{"lock", "lock", abilock.StoreFuncs(nil)},
		{"crypto", "crypto", slices.Concat(abicrypto.CipherFuncs(nil), abicrypto.SubtleFuncs(nil))},
	}
}

// guest is what one component's plugin has of the building blocks. It is linked before the blocks are there, since a
// block opens its components, plugins among them, before it is complete: each function finds its code when it is called.
type guest struct {
	name  string
	log   *slog.Logger
	hosts []string
	slots map[string]*slot // by block
	out   *requests
	wasi  *wasi.WASI
}

// slot is a block's part; funcs is nil until the block is there.
type slot struct {
	offer   offer
	funcs   atomic.Pointer[[]abi.Func]
	session block.Session
}

func newGuest(name string, log *slog.Logger, hosts []string) (*guest, error) {
	g := &guest{name: name, log: log, hosts: hosts, slots: map[string]*slot{}, out: &requests{name: name, log: log}}
	var err error
	if g.wasi, err = newWASI(name, g.out); err != nil {
		return nil, err
	}
	for _, o := range offers() {
		g.slots[o.block] = &slot{offer: o}
	}
	return g, nil
}

// provide opens the plugin's session of a block.
func (g *guest) provide(ctx context.Context, b block.Block) error {
	s := g.slots[b.Name()]
	if s == nil {
		return nil
	}
	session, err := b.Open(ctx, app(component.PluginApp(g.name)))
	if err != nil {
		return fmt.Errorf("component %s: %w", g.name, err)
	}
	byName := map[string]abi.Func{}
	for _, f := range session.Funcs() {
		byName[f.ExportName()] = f
	}
	funcs := make([]abi.Func, len(s.offer.funcs))
	for i, f := range s.offer.funcs {
		funcs[i] = byName[f.ExportName()]
		if funcs[i].Call == nil {
			return errors.Join(fmt.Errorf("block %s has no function %s", b.Name(), f.ExportName()), session.Close(ctx))
		}
	}
	var closed error
	if s.session != nil {
		closed = s.session.Close(ctx)
	}
	s.session = session
	s.funcs.Store(&funcs)
	g.out.provide(b)
	return closed
}

// functions are the host functions of an instance that is granted components of these kinds.
func (g *guest) functions(ctx context.Context, granted func(kind string) bool) ([]abi.Func, error) {
	logger, err := log.New(log.Config{Log: g.log}).Open(ctx, app(component.PluginApp(g.name)))
	if err != nil {
		return nil, err
	}
	out := append(logger.Funcs(), g.wasi.Funcs()...)
	for _, s := range g.slots {
		if s.offer.kind != "" && !granted(s.offer.kind) {
			continue
		}
		for i, f := range s.offer.funcs {
			f.Call = func(ctx context.Context, guest abi.Guest, stack []uint64) {
				funcs := s.funcs.Load()
				if funcs == nil {
					abi.Trapf("%s is called before the host has started its block %s; call it later than init", f.ExportName(), s.offer.block)
				}
				(*funcs)[i].Call(ctx, guest, stack)
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// missing says which kinds of component a module wants and is not granted.
func (g *guest) missing(imports []string, granted func(kind string) bool) error {
	for _, s := range g.slots {
		if s.offer.kind == "" || granted(s.offer.kind) {
			continue
		}
		for _, iface := range imports {
			if slices.ContainsFunc(s.offer.funcs, func(f abi.Func) bool { return abi.Track(iface) == abi.Track(f.Module) }) {
				return fmt.Errorf("the plugin imports %s, and no component of kind %s is granted to it: name one in the metadata field imports",
					iface, s.offer.kind)
			}
		}
	}
	return nil
}

func (g *guest) close(ctx context.Context) error {
	errs := []error{g.wasi.Close()}
	for _, s := range g.slots {
		if s.session != nil {
			errs = append(errs, s.session.Close(ctx))
		}
	}
	return errors.Join(errs...)
}

// app is a plugin as the blocks see it: an app that handles nothing.
type app string

var _ block.App = app("")

// Name is the name under which the plugin uses blocks.
func (a app) Name() string { return string(a) }

// Handles is false: blocks call nothing in a plugin.
func (app) Handles(string) bool { return false }

// Do fails: blocks call nothing in a plugin.
func (a app) Do(context.Context, func(context.Context, abi.Guest) error) error {
	return fmt.Errorf("%s is a plugin: it handles no calls of apps", string(a))
}
