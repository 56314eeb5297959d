// Package wire turns the contract's events into those of the SDK, for the packages that handle them.
package wire

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/event"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/types"
)

// Event gives the SDK's form of an event.
func Event(in types.Event) *event.Event {
	return &event.Event{
		ID: in.ID, Source: in.Source, Type: in.EventType, Subject: in.Subject, Time: in.Time,
		PubSub: in.Pubsub, Topic: in.Topic, Route: in.Route, ContentType: in.ContentType, Data: in.Data,
		Extensions: pairs.Map(in.Extensions), Metadata: pairs.Map(in.Metadata),
	}
}

// Outcome gives a handler's answer in the contract's form.
func Outcome(err error, drop bool) types.Outcome {
	switch {
	case err == nil:
		return types.Outcome{Tag: types.OutcomeSuccess}
	case drop:
		return types.Outcome{Tag: types.OutcomeDrop, Value: err.Error()}
	default:
		return types.Outcome{Tag: types.OutcomeRetry, Value: err.Error()}
	}
}
