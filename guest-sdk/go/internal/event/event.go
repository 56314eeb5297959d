// Package event has the message that the subscriber packages share under their own names.
package event

import (
	"encoding/json"
	"fmt"
)

// Event is one message: a CloudEvent, unwrapped.
type Event struct {
	// ID, Source, Type, Subject and Time are the event's attributes; Time is RFC 3339.
	ID, Source, Type, Subject, Time string
	// PubSub and Topic are where it came from; Route is the path of the rule that matched.
	PubSub, Topic, Route string
	// ContentType is the type of Data.
	ContentType string
	Data        []byte
	// Extensions are further attributes as text; Metadata are the broker's own facts.
	Extensions, Metadata map[string]string
}

// Decode reads the data as JSON into v.
func (e *Event) Decode(v any) error {
	if err := json.Unmarshal(e.Data, v); err != nil {
		return fmt.Errorf("data of event %s is not the JSON of a %T: %w", e.ID, v, err)
	}
	return nil
}
