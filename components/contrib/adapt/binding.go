package adapt

import (
	"context"
	"errors"
	"sync"

	contrib "github.com/dapr/components-contrib/bindings"
	"github.com/dapr/kit/logger"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Output makes a driver of an output binding.
func Output[T contrib.OutputBinding](typ string, impl func(logger.Logger) T, aliases ...string) component.Spec[binding.Binding] {
	return spec(typ, aliases, func(ctx context.Context, cfg component.Config) (binding.Binding, error) {
		out := impl(log{cfg.Log})
		return &output{impl: out, cfg: cfg}, start(cfg, func() error {
			return out.Init(context.WithoutCancel(ctx), contrib.Metadata{Base: base(cfg)})
		})
	})
}

// Input makes a driver of an input binding.
func Input[T contrib.InputBinding](typ string, impl func(logger.Logger) T, aliases ...string) component.Spec[binding.Binding] {
	make := func(l logger.Logger) contrib.InputBinding { return impl(l) }
	return spec(typ, aliases, func(ctx context.Context, cfg component.Config) (binding.Binding, error) {
		in := &input{make: make, cfg: cfg}
		// Opened here already, so that wrong metadata end the start; each reader has one of its own.
		first, err := in.open(ctx)
		in.spare = first
		return in, err
	})
}

// InputOutput makes a driver of a binding with both directions.
func InputOutput[T contrib.InputOutputBinding](typ string, impl func(logger.Logger) T, aliases ...string) component.Spec[binding.Binding] {
	make := func(l logger.Logger) contrib.InputBinding { return impl(l) }
	return spec(typ, aliases, func(ctx context.Context, cfg component.Config) (binding.Binding, error) {
		out := impl(log{cfg.Log})
		b := &inputOutput{output: output{impl: out, cfg: cfg}, input: input{make: make, cfg: cfg}}
		return b, start(cfg, func() error {
			return out.Init(context.WithoutCancel(ctx), contrib.Metadata{Base: base(cfg)})
		})
	})
}

type output struct {
	impl contrib.OutputBinding
	cfg  component.Config
}

var (
	_ binding.Output = (*output)(nil)
	_ binding.Input  = (*input)(nil)
	_ binding.Pinger = (*output)(nil)
)

// Operations lists what Invoke takes.
func (o *output) Operations() []string {
	var out []string
	for _, op := range o.impl.Operations() {
		out = append(out, string(op))
	}
	return out
}

// Invoke calls an operation.
func (o *output) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	r, err := o.impl.Invoke(ctx, &contrib.InvokeRequest{
		Operation: contrib.OperationKind(req.Operation), Data: req.Data, Metadata: copied(req.Metadata),
	})
	if err != nil || r == nil {
		return nil, err
	}
	return &binding.Reply{Data: r.Data, ContentType: value(r.ContentType), Metadata: r.Metadata}, nil
}

// Ping asks the server if the component can.
func (o *output) Ping(ctx context.Context) error { return ping(ctx, o.impl) }

// Close closes the component.
func (o *output) Close(context.Context) error { return o.impl.Close() }

// input opens a component for every reader: Dapr's can be read once.
type input struct {
	make func(logger.Logger) contrib.InputBinding
	cfg  component.Config

	mu    sync.Mutex
	spare contrib.InputBinding // opened and not yet read
}

func (i *input) open(ctx context.Context) (contrib.InputBinding, error) {
	in := i.make(log{i.cfg.Log})
	return in, start(i.cfg, func() error {
		return in.Init(context.WithoutCancel(ctx), contrib.Metadata{Base: base(i.cfg)})
	})
}

// Read begins to read.
func (i *input) Read(ctx context.Context, _ string, h binding.Handler) (binding.Reader, error) {
	i.mu.Lock()
	in := i.spare
	i.spare = nil
	i.mu.Unlock()
	if in == nil {
		var err error
		if in, err = i.open(ctx); err != nil {
			return nil, err
		}
	}
	r := &reader{impl: in, cfg: i.cfg}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	//nolint:contextcheck // ctx bounds the start, r.ctx the reading
	err := in.Read(r.ctx, func(ctx context.Context, ev *contrib.ReadResponse) ([]byte, error) {
		if !r.begin() {
			return nil, errStopping
		}
		defer r.running.Done()
		return h(ctx, &binding.Event{Data: ev.Data, ContentType: value(ev.ContentType), Metadata: ev.Metadata})
	})
	if err != nil {
		r.cancel()
		return nil, errors.Join(err, in.Close())
	}
	return r, nil
}

// Close closes what was opened and is not read.
func (i *input) Close(context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.spare == nil {
		return nil
	}
	return i.spare.Close()
}

// inputOutput is both: the output's component, and one a reader.
type inputOutput struct {
	output
	input
}

// Close closes both directions.
func (b *inputOutput) Close(ctx context.Context) error {
	return errors.Join(b.output.Close(ctx), b.input.Close(ctx))
}

var errStopping = errors.New("the reader is being stopped")

// reader is a component that is being read.
type reader struct {
	impl   contrib.InputBinding
	cfg    component.Config
	ctx    context.Context //nolint:containedctx // reading lives as long as the reader
	cancel context.CancelFunc

	mu      sync.Mutex
	stopped bool
	running sync.WaitGroup
}

// begin counts a handler, unless the reader is being stopped: then the source keeps the event.
func (r *reader) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return false
	}
	r.running.Add(1)
	return true
}

// Stop takes no new events and waits for those that are being handled.
func (r *reader) Stop(ctx context.Context) error {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	err := await(ctx, &r.running)
	r.cancel()
	return errors.Join(err, r.impl.Close())
}

// await waits for handlers until ctx ends.
func await(ctx context.Context, running *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
