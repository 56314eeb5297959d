//go:build wasip1

package pubsub

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/publisher"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/types"
)

func backendPublish(pubsub, topic, contentType string, data []byte, metadata map[string]string) error {
	return convert(publisher.Publish(pubsub, topic, contentType, data, pairs.From(metadata)))
}

func backendPublishBulk(pubsub, topic string, entries []Entry, metadata map[string]string) (map[string]error, error) {
	list := make([]publisher.Entry, len(entries))
	for i, e := range entries {
		list[i] = publisher.Entry{EntryID: e.ID, ContentType: e.ContentType, Data: e.Data, Metadata: pairs.From(e.Metadata)}
	}
	failed, err := publisher.BulkPublish(pubsub, topic, list, pairs.From(metadata))
	if err != nil {
		return nil, convert(err)
	}
	out := make(map[string]error, len(failed))
	for i := range failed {
		out[failed[i].EntryID] = convert(&failed[i].Reason)
	}
	return out, nil
}

func convert(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	var base error
	switch e.Tag {
	case types.ErrorPubsubNotFound:
		base = ErrNotFound
	case types.ErrorInvalidTopic:
		base = ErrInvalidTopic
	case types.ErrorForbidden:
		base = ErrForbidden
	case types.ErrorInvalidRequest:
		base = ErrInvalidRequest
	case types.ErrorUnavailable:
		base = ErrUnavailable
	default:
		return errors.New(e.Value)
	}
	return fmt.Errorf("%w: %s", base, e.Value)
}
