// Package messaging implements wasi:messaging 0.2.0-draft over the pubsub block: a client is a pubsub component that the
// app sees, a message is a CloudEvent, and apps that export incoming-handler take what their subscriptions deliver.
package messaging

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	abimessaging "github.com/mrt-wasm/mrt-wasm/abi/wasi/messaging"
)

// Topics is the pubsub block as one app has it. Of an event it reads the pubsub, topic, content type, data, extensions and
// metadata.
type Topics interface {
	// Find gives the name of the component that the app means by a name; "" is its default.
	Find(pubsub string) (string, *abipubsub.Error)
	Send(ctx context.Context, e abipubsub.Event) *abipubsub.Error
	// Request is Send that gives the replies as soon as there are want of them, or those that came until timeout; 0 is
	// as long as ctx lasts.
	Request(ctx context.Context, e abipubsub.Event, want int, timeout time.Duration) ([]abipubsub.Event, *abipubsub.Error)
	// Reply answers an event that was delivered. It does nothing if that was no request.
	Reply(ctx context.Context, to, e abipubsub.Event) *abipubsub.Error
}

// Config says what an app's clients are.
type Config struct {
	Topics Topics
	// Denied tells that there is a pubsub component of this name, but not for this app; nil for never.
	Denied func(pubsub string) bool
}

// Host is wasi:messaging of one app. It is safe for concurrent use.
type Host struct{ cfg Config }

var (
	_ abimessaging.TypesHost        = (*Host)(nil)
	_ abimessaging.ProducerHost     = (*Host)(nil)
	_ abimessaging.RequestReplyHost = (*Host)(nil)
)

// defaultClient is what guests call the component that they have without saying which.
const defaultClient = "default"

// New makes the host's side.
func New(cfg Config) *Host { return &Host{cfg: cfg} }

// Funcs gives the functions of all interfaces.
func (h *Host) Funcs() []abi.Func {
	return slices.Concat(abimessaging.TypesFuncs(h), abimessaging.ProducerFuncs(h), abimessaging.RequestReplyFuncs(h))
}

// Client is the resource of a pubsub component that a guest uses.
type client struct {
	pubsub string
	closed bool
}

// Disconnect ends the client's use; the component stays for others.
func (c *client) Disconnect(context.Context) *abimessaging.Error {
	c.closed = true
	return nil
}

// Drop has nothing to release.
func (*client) Drop(context.Context) {}

// ClientConnect gives a component. One that is called "default" comes before the app's default.
func (h *Host) ClientConnect(_ context.Context, name string) (abimessaging.Client, *abimessaging.Error) {
	found, err := h.cfg.Topics.Find(name)
	if err != nil && err.Tag == abipubsub.ErrorPubsubNotFound && name == defaultClient {
		found, err = h.cfg.Topics.Find("")
	}
	switch {
	case err == nil:
		return &client{pubsub: found}, nil
	case err.Tag == abipubsub.ErrorPubsubNotFound && h.cfg.Denied != nil && h.cfg.Denied(name):
		return nil, &abimessaging.Error{Tag: abimessaging.ErrorPermissionDenied, Value: err.Value}
	default:
		return nil, fromPubsub(err)
	}
}

// use gives the component of a guest's client.
func use(c abimessaging.Client) (string, *abimessaging.Error) {
	own := c.(*client)
	if own.closed {
		return "", &abimessaging.Error{Tag: abimessaging.ErrorConnection, Value: "the client is disconnected; connect a new one"}
	}
	return own.pubsub, nil
}

// fromPubsub makes an error of the pubsub block one of this interface; nil stays nil.
func fromPubsub(err *abipubsub.Error) *abimessaging.Error {
	if err == nil {
		return nil
	}
	tag := abimessaging.ErrorOther
	switch err.Tag {
	case abipubsub.ErrorPubsubNotFound, abipubsub.ErrorUnavailable:
		tag = abimessaging.ErrorConnection
	case abipubsub.ErrorForbidden:
		tag = abimessaging.ErrorPermissionDenied
	default:
	}
	return &abimessaging.Error{Tag: tag, Value: err.Value}
}

// Send publishes a message; it returns when the broker has taken it.
func (h *Host) Send(ctx context.Context, c abimessaging.Client, topic string, m abimessaging.Message) *abimessaging.Error {
	pubsub, failed := use(c)
	if failed != nil {
		return failed
	}
	return fromPubsub(h.cfg.Topics.Send(ctx, m.(*message).event(pubsub, topic)))
}

// options are those of a request.
type options struct {
	timeout time.Duration
	replies int
}

// SetTimeoutMS says how long to wait for replies; 0 ends that.
func (o *options) SetTimeoutMS(_ context.Context, ms uint32) {
	o.timeout = time.Duration(ms) * time.Millisecond
}

// SetExpectedReplies says how many replies end the wait.
func (o *options) SetExpectedReplies(_ context.Context, n uint32) { o.replies = int(n) }

// Drop has nothing to release.
func (*options) Drop(context.Context) {}

// NewRequestOptions makes options without a timeout and for one reply.
func (h *Host) NewRequestOptions(context.Context) abimessaging.RequestOptions { return &options{} }

// Request publishes a message and waits for replies. Without options it waits for one, as long as the call lasts. It
// fails with timeout if none comes.
func (h *Host) Request(ctx context.Context, c abimessaging.Client, topic string, m abimessaging.Message, o abimessaging.RequestOptions) ([]abimessaging.Message, *abimessaging.Error) {
	pubsub, failed := use(c)
	if failed != nil {
		return nil, failed
	}
	var opts options
	if o != nil {
		opts = *o.(*options)
	}
	got, err := h.cfg.Topics.Request(ctx, m.(*message).event(pubsub, topic), opts.replies, opts.timeout)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, &abimessaging.Error{Tag: abimessaging.ErrorTimeout}
	case err != nil:
		return nil, fromPubsub(err)
	case len(got) == 0:
		return nil, &abimessaging.Error{Tag: abimessaging.ErrorTimeout}
	}
	out := make([]abimessaging.Message, len(got))
	for i, e := range got {
		out[i] = received(e)
	}
	return out, nil
}

// Reply answers a message that was delivered; nothing happens if the sender wants no reply.
func (h *Host) Reply(ctx context.Context, to, m abimessaging.Message) *abimessaging.Error {
	return fromPubsub(h.cfg.Topics.Reply(ctx, to.(*message).from, m.(*message).event("", "")))
}

// Handle gives an event to the guest's incoming-handler. An error of the handler asks for the message again.
func Handle(ctx context.Context, g abi.Guest, e abipubsub.Event) (abipubsub.Outcome, error) {
	err := abimessaging.CallIncomingHandlerHandle(ctx, g, received(e))
	if failed, ok := errors.AsType[*abimessaging.Error](err); ok {
		return abipubsub.Outcome{Tag: abipubsub.OutcomeRetry, Value: failed.Error()}, nil
	}
	return abipubsub.Outcome{Tag: abipubsub.OutcomeSuccess}, err
}

// pairs is a list of names and values in which each name stands once.
type pairs []canon.Tuple2[string, string]

func (p pairs) has(name string) bool {
	return slices.ContainsFunc(p, func(kv canon.Tuple2[string, string]) bool { return kv.F0 == name })
}
