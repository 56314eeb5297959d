package pubsub

import (
	"context"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
)

// session is what one app has of the block.
type session struct {
	b   *Block
	app string
}

var _ abipubsub.PublisherHost = (*session)(nil)

// Funcs are the host functions.
func (s *session) Funcs() []abi.Func { return abipubsub.PublisherFuncs(s) }

// Close has nothing to release: components belong to the block.
func (s *session) Close(context.Context) error { return nil }

// Publish is the host function of this name.
func (s *session) Publish(ctx context.Context, pubsub, topic, contentType string, data []byte, metadata abipubsub.Metadata) *abipubsub.Error {
	return wireError(s.b.Publish(ctx, s.app, Request{
		PubSub: pubsub, Topic: topic, ContentType: contentType, Data: data, Metadata: unpair(metadata),
	}))
}

// BulkPublish is the host function of this name.
func (s *session) BulkPublish(ctx context.Context, pubsub, topic string, entries []abipubsub.Entry, metadata abipubsub.Metadata) ([]abipubsub.FailedEntry, *abipubsub.Error) {
	list := make([]Entry, len(entries))
	for i, e := range entries {
		list[i] = Entry{ID: e.EntryID, ContentType: e.ContentType, Data: e.Data, Metadata: unpair(e.Metadata)}
	}
	errs, err := s.b.BulkPublish(ctx, s.app, pubsub, topic, list, unpair(metadata))
	if err != nil {
		return nil, wireError(err)
	}
	var failed []abipubsub.FailedEntry
	for i, err := range errs {
		if err != nil {
			failed = append(failed, abipubsub.FailedEntry{EntryID: list[i].ID, Reason: *wireError(err)})
		}
	}
	return failed, nil
}

// Find gives the name of the component that the app means by a pubsub's name.
func (s *session) Find(pubsub string) (string, *abipubsub.Error) {
	to, err := s.b.bus(s.app, pubsub)
	if err != nil {
		return "", wireError(err)
	}
	return to.name, nil
}

// Send publishes an event's data with its extensions, under its content type, to its topic. Metadata are the settings.
func (s *session) Send(ctx context.Context, e abipubsub.Event) *abipubsub.Error {
	return wireError(s.b.Publish(ctx, s.app, requestOf(e)))
}

// Request is Send that waits for replies; see RequestReply.
func (s *session) Request(ctx context.Context, e abipubsub.Event, want int, timeout time.Duration) ([]abipubsub.Event, *abipubsub.Error) {
	got, err := s.b.RequestReply(ctx, s.app, requestOf(e), want, timeout)
	return got, wireError(err)
}

// Reply sends e as the answer to an event that was delivered; see Block.Reply.
func (s *session) Reply(ctx context.Context, to, e abipubsub.Event) *abipubsub.Error {
	return wireError(s.b.Reply(ctx, s.app, to, requestOf(e)))
}

func requestOf(e abipubsub.Event) Request {
	return Request{
		PubSub: e.Pubsub, Topic: e.Topic, ContentType: e.ContentType, Data: e.Data, Metadata: unpair(e.Metadata), Extensions: unpair(e.Extensions),
	}
}
