package conformance

import (
	"context"
	"fmt"

	contrib "github.com/dapr/components-contrib/bindings"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// bindings is a binding driver as both of Dapr's kinds.
type bindings struct {
	opener opener
	// emit makes something happen that an input binding tells; nil when it does so by itself.
	emit    func(binding.Binding) error
	binding binding.Binding
	reader  binding.Reader
}

var (
	_ contrib.InputBinding  = (*bindings)(nil)
	_ contrib.OutputBinding = (*bindings)(nil)
)

// Init opens the driver.
func (b *bindings) Init(ctx context.Context, md contrib.Metadata) (err error) {
	b.binding, err = start(ctx, b.opener, b.opener.drivers.Binding, md.Properties)
	return err
}

// Ping asks the driver.
func (b *bindings) Ping(ctx context.Context) error { return ping(ctx, b.binding) }

// Operations lists what the driver takes.
func (b *bindings) Operations() []contrib.OperationKind {
	var out []contrib.OperationKind
	if o, ok := b.binding.(binding.Output); ok {
		for _, name := range o.Operations() {
			out = append(out, contrib.OperationKind(name))
		}
	}
	return out
}

// Invoke calls an operation.
func (b *bindings) Invoke(ctx context.Context, req *contrib.InvokeRequest) (*contrib.InvokeResponse, error) {
	o, ok := b.binding.(binding.Output)
	if !ok {
		return nil, fmt.Errorf("%s is not an output binding", b.opener.typ)
	}
	reply, err := o.Invoke(ctx, &binding.Request{Operation: string(req.Operation), Data: req.Data, Metadata: req.Metadata})
	if err != nil || reply == nil {
		return nil, err
	}
	return &contrib.InvokeResponse{Data: reply.Data, Metadata: reply.Metadata, ContentType: &reply.ContentType}, nil
}

// Read reads until Close, and has something happen.
func (b *bindings) Read(ctx context.Context, h contrib.Handler) error {
	in, ok := b.binding.(binding.Input)
	if !ok {
		return fmt.Errorf("%s is not an input binding", b.opener.typ)
	}
	reader, err := in.Read(ctx, "conformance", func(ctx context.Context, ev *binding.Event) ([]byte, error) {
		return h(ctx, &contrib.ReadResponse{Data: ev.Data, Metadata: ev.Metadata, ContentType: &ev.ContentType})
	})
	if err != nil {
		return err
	}
	b.reader = reader
	if b.emit != nil {
		return b.emit(b.binding)
	}
	return nil
}

// Close stops reading and closes the driver. Handlers of the suite that nobody listens to do not end: they are not
// waited for.
func (b *bindings) Close() error {
	if b.reader != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = b.reader.Stop(ended) // its error is that a handler did not end
	}
	return b.opener.end(b.binding)
}
