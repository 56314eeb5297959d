package pubsub

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
)

// event is a delivered message, unwrapped.
type event struct {
	msg Message
	abi abipubsub.Event
	// json is the whole event for routing rules; made when first needed.
	json map[string]any
	// traceparent and tracestate are the publisher's.
	traceparent, tracestate string
	expires                 time.Time
}

// known are the attributes that have a field of their own in WIT, or say nothing to a handler.
var known = map[string]bool{
	"id": true, "source": true, "type": true, "subject": true, "time": true, "specversion": true,
	"datacontenttype": true, "data": true, "data_base64": true,
}

// unwrap reads a CloudEvent.
func unwrap(msg Message, pubsub, topic string) (*event, error) {
	attrs, ok := parseObject(msg.Data)
	if !ok {
		return nil, fmt.Errorf("%w: want a JSON object, found %.40q; a subscription to raw messages needs metadata rawPayload: \"true\"", ErrNotCloudEvent, msg.Data)
	}
	e := &event{msg: msg, traceparent: text(attrs.get("traceparent")), tracestate: text(attrs.get("tracestate"))}
	e.abi = abipubsub.Event{
		ID: text(attrs.get("id")), Source: text(attrs.get("source")), EventType: text(attrs.get("type")), Subject: text(attrs.get("subject")),
		Time: text(attrs.get("time")), Pubsub: pubsub, Topic: topic, ContentType: text(attrs.get("datacontenttype")), Metadata: pairs(msg.Metadata),
	}
	if msg.Topic != "" {
		e.abi.Topic = msg.Topic
	}
	var err error
	if e.abi.Data, err = payload(attrs, e.abi.ContentType); err != nil {
		return nil, err
	}
	// Anything else under this name is the publisher's own and no end.
	if at, err := time.Parse(time.RFC3339, text(attrs.get("expiration"))); err == nil {
		e.expires = at
	}
	for _, a := range attrs {
		if known[a.name] {
			continue
		}
		value := text(a.value)
		if same := a.name == "topic" && value == e.abi.Topic || a.name == "pubsubname" && value == pubsub; !same {
			e.abi.Extensions = append(e.abi.Extensions, canon.Tuple2[string, string]{F0: a.name, F1: value})
		}
	}
	return e, nil
}

// payload gives the event's data as the publisher gave it.
func payload(attrs members, contentType string) ([]byte, error) {
	if encoded := attrs.get("data_base64"); encoded != nil {
		data, err := base64.StdEncoding.DecodeString(text(encoded))
		if err != nil {
			return nil, fmt.Errorf("%w: data_base64: %w", ErrNotCloudEvent, err)
		}
		return data, nil
	}
	data := attrs.get("data")
	// Without a content type data is JSON (CloudEvents JSON format 3.1.1).
	if contentType == "" || isJSON(mediaType(contentType)) || len(data) == 0 || data[0] != '"' {
		return data, nil
	}
	return []byte(text(data)), nil
}

// text gives a JSON string's text, and anything else as it is written; null is empty.
func text(v json.RawMessage) string {
	if len(v) == 0 || string(v) == "null" {
		return ""
	}
	if v[0] != '"' {
		return string(v)
	}
	plain := v[1 : len(v)-1]
	for _, c := range plain {
		if c == '\\' || c >= 0x80 {
			var s string
			if err := json.Unmarshal(v, &s); err != nil { // it was valid within the event
				return string(plain)
			}
			return s
		}
	}
	return string(plain)
}

// synthesise makes an event of a raw message, as Dapr does.
func synthesise(msg Message, pubsub, topic string) *event {
	e := &event{msg: msg, abi: abipubsub.Event{
		ID: uuid.NewString(), Source: defaultSource, EventType: defaultEventType, Time: time.Now().UTC().Format(time.RFC3339Nano),
		Pubsub: pubsub, Topic: topic, ContentType: msg.ContentType, Data: msg.Data, Metadata: pairs(msg.Metadata),
	}}
	if msg.Topic != "" {
		e.abi.Topic = msg.Topic
	}
	if e.abi.ContentType == "" {
		e.abi.ContentType = binaryType
	}
	return e
}

// tree gives the event for routing rules: JSON as it is, a raw message with data_base64.
func (e *event) tree(raw bool) (map[string]any, error) {
	if e.json != nil {
		return e.json, nil
	}
	if !raw {
		return e.json, json.Unmarshal(e.msg.Data, &e.json)
	}
	e.json = map[string]any{
		"id": e.abi.ID, "source": e.abi.Source, "type": e.abi.EventType, "specversion": specVersion, "time": e.abi.Time,
		"topic": e.abi.Topic, "pubsubname": e.abi.Pubsub, "datacontenttype": e.abi.ContentType,
		"data_base64": base64.StdEncoding.EncodeToString(e.msg.Data),
	}
	return e.json, nil
}

// withoutExpiration gives the event's JSON for the dead letter topic, where its time is over no more.
func (e *event) withoutExpiration() []byte {
	if e.expires.IsZero() {
		return e.msg.Data
	}
	var attrs map[string]json.RawMessage
	if json.Unmarshal(e.msg.Data, &attrs) != nil {
		return e.msg.Data
	}
	delete(attrs, "expiration")
	return appendObject(nil, attrs)
}

func pairs(m map[string]string) abipubsub.Metadata {
	if len(m) == 0 {
		return nil
	}
	out := make(abipubsub.Metadata, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, canon.Tuple2[string, string]{F0: k, F1: m[k]})
	}
	return out
}

func unpair(list abipubsub.Metadata) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := make(map[string]string, len(list))
	for _, kv := range list {
		out[kv.F0] = kv.F1
	}
	return out
}
