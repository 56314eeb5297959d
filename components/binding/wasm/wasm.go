// Package wasm is the binding bindings.wasm: a wasm module that exports mrt:binding/output-driver, mrt:binding/input-driver
// or both.
package wasm

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.wasm",
	Doc: `Calls systems outside, and is started by their events, by a plugin: a WebAssembly module that exports
mrt:binding/output-driver, mrt:binding/input-driver or both.

Each app that handles the events has an instance of the plugin to itself, which is asked for events and told what became
of them; its init gets the app's name as the field consumer. All metadata but the fields below goes to init.`,
	Fields:  func() any { return new(wasmplugin.Settings) },
	Further: true,
	New:     func(ctx context.Context, cfg component.Config) (binding.Binding, error) { return open(ctx, cfg) },
}

// inFlight is how many events of a reader are handled at a time.
const inFlight = 16

// consumerField is what init gets the name of the reading app by.
const consumerField = "consumer"

// plugin is what input and output have in common.
type plugin struct {
	cfg    component.Config
	run    component.Plugins
	plugin component.Plugin
}

// output is a plugin that can be called, input one that brings events, and both does both.
type (
	output struct {
		*plugin
		operations []string
	}
	input struct{ *plugin }
	both  struct {
		*output
		in *input
	}
)

var (
	_ binding.Output = (*output)(nil)
	_ binding.Input  = (*input)(nil)
	_ binding.Input  = (*both)(nil)
)

// Read begins to bring events to a consumer.
func (b *both) Read(ctx context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	return b.in.Read(ctx, consumer, h)
}

func open(ctx context.Context, cfg component.Config) (binding.Binding, error) {
	run, err := wasmplugin.Runner(cfg)
	if err != nil {
		return nil, err
	}
	p := &plugin{cfg: cfg, run: run}
	if p.plugin, err = run.Open(ctx, p.config("")); err != nil {
		return nil, err
	}
	if !p.plugin.Has(abibinding.OutputDriverModule) {
		return &input{p}, nil
	}
	out := &output{plugin: p}
	err = p.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		out.operations, err = abibinding.CallOutputDriverOperations(ctx, g)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
	}
	if p.plugin.Has(abibinding.InputDriverModule) {
		return &both{out, &input{p}}, nil
	}
	return out, nil
}

// config is what is said of an instance, which is to bring events to a consumer, or to be called if that is empty.
func (p *plugin) config(consumer string) component.PluginConfig {
	metadata := wasmplugin.Init(p.cfg)
	if consumer != "" {
		metadata = wasmplugin.With(metadata, consumerField, consumer)
	}
	return component.PluginConfig{
		Config: p.cfg, Exports: append(abibinding.OutputDriverExports(), abibinding.InputDriverExports()...),
		OneOf: []string{abibinding.OutputDriverModule, abibinding.InputDriverModule}, Unavailable: binding.ErrUnavailable,
		Init: func(ctx context.Context, g abi.Guest) error {
			init := abibinding.CallInputDriverInit
			if g.Has(abibinding.OutputDriverModule + "#init") {
				init = abibinding.CallOutputDriverInit
			}
			return wasmplugin.Started(toError(init(ctx, g, metadata)), binding.ErrUnavailable)
		},
	}
}

// Close ends the plugin.
func (p *plugin) Close(ctx context.Context) error { return p.plugin.Close(ctx) }

// Operations lists what the plugin said when it was opened.
func (o *output) Operations() []string { return slices.Clone(o.operations) }

// Invoke calls an operation.
func (o *output) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	if !slices.Contains(o.operations, req.Operation) {
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: o.Operations()}
	}
	var reply abibinding.Reply
	err := o.plugin.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		reply, err = abibinding.CallOutputDriverInvoke(ctx, g, req.Operation, req.Data, wasmplugin.From(req.Metadata))
		return err
	})
	if e, ok := errors.AsType[*abibinding.Error](err); ok && e.Tag == abibinding.ErrorUnknownOperation {
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: o.Operations()}
	}
	if err != nil {
		return nil, toError(err)
	}
	out := &binding.Reply{ContentType: reply.ContentType, Metadata: wasmplugin.Map(reply.Metadata)}
	if reply.Data != nil {
		out.Data = *reply.Data
		if out.Data == nil {
			out.Data = []byte{} // there are data, though empty ones
		}
	}
	return out, nil
}

// Read begins to bring events to a consumer, in an instance of its own.
func (i *input) Read(ctx context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	p, err := i.run.Open(ctx, i.config(consumer))
	if err != nil {
		return nil, err
	}
	return wasmplugin.Start(wasmplugin.Source[abibinding.Delivery]{
		Pull: func(ctx context.Context, limit int, wait time.Duration) (out []abibinding.Delivery, err error) {
			err = p.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
				out, err = abibinding.CallInputDriverPull(ctx, g, uint32(limit), uint32(wait.Milliseconds())) //nolint:gosec // small
				return err
			})
			return out, toError(err)
		},
		Handle: func(ctx context.Context, d abibinding.Delivery) bool { return handle(ctx, d, h) },
		Settle: func(ctx context.Context, d abibinding.Delivery, done bool) error {
			return toError(p.Do(ctx, func(ctx context.Context, g abi.Guest) error {
				return abibinding.CallInputDriverSettle(ctx, g, d.ID, done)
			}))
		},
		End:      p.Close,
		InFlight: inFlight, Log: i.cfg.Log.With("consumer", consumer),
	}), nil
}

// handle brings one event to its handler, again as long as the app has no place for it.
func handle(ctx context.Context, d abibinding.Delivery, h binding.Handler) bool {
	ev := &binding.Event{Data: d.Event.Data, ContentType: d.Event.ContentType, Metadata: wasmplugin.Map(d.Event.Metadata)}
	if ev.Metadata == nil {
		ev.Metadata = map[string]string{}
	}
	for {
		_, err := h(ctx, ev)
		full, ok := errors.AsType[*binding.OverloadedError](err)
		if !ok {
			return err == nil
		}
		select {
		case <-time.After(full.After):
		case <-ctx.Done():
			return false
		}
	}
}

// toError gives the block's error for one of the contract; others stay as they are.
func toError(err error) error {
	e, ok := errors.AsType[*abibinding.Error](err)
	if !ok {
		return err
	}
	switch e.Tag {
	case abibinding.ErrorInvalidRequest:
		return wasmplugin.As(binding.ErrInvalid, e.Value)
	case abibinding.ErrorNotFound:
		return wasmplugin.As(binding.ErrNotFound, e.Value)
	case abibinding.ErrorUnavailable:
		return wasmplugin.As(binding.ErrUnavailable, e.Value)
	default:
		return errors.New(e.Value)
	}
}
