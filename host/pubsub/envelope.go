package pubsub

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The content types with a meaning of their own.
const (
	cloudEventType = "application/cloudevents+json"
	binaryType     = "application/octet-stream"
	defaultType    = "text/plain"
)

// The values that Dapr puts into an event where the publisher says nothing.
const (
	specVersion      = "1.0"
	defaultEventType = "com.dapr.event.sent"
	defaultSource    = "Dapr"
)

// overridable are the attributes that metadata cloudevent.<name> sets.
var overridable = [...]string{"id", "source", "type", "subject", "traceid", "traceparent", "tracestate"}

// envelope is what goes into an event beside the publisher's data.
type envelope struct {
	id, source, pubsub, topic string
	traceparent, tracestate   string
	// expires is when the event ends; zero when it does not, or the broker sees to it.
	expires  time.Time
	now      time.Time
	metadata component.Metadata
	// extensions are further attributes.
	extensions map[string]string
}

// own are the attributes that an event has by itself, beside those of known.
var own = map[string]bool{
	"pubsubname": true, "topic": true, "traceid": true, "traceparent": true, "tracestate": true, "expiration": true,
	replyToAttr: true, replyIDAttr: true,
}

// isExtension tells whether a name may be that of an extension attribute: CloudEvents wants lower-case letters and digits.
func isExtension(name string) bool {
	if name == "" || known[name] || own[name] {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// wrap makes a CloudEvent of a payload.
func (e *envelope) wrap(contentType string, data []byte) []byte {
	if contentType == "" {
		contentType = defaultType
	}
	set := e.attributes()
	out := make([]byte, 0, len(data)+len(data)/2+512)
	put := func(name, value string) {
		if v := set[name]; v != "" {
			value = v
		}
		if value == "" {
			return
		}
		separator := byte(',')
		if len(out) == 0 {
			separator = '{'
		}
		out = appendString(append(appendString(append(out, separator), name), ':'), value)
	}
	put("specversion", specVersion)
	put("id", e.id)
	put("source", e.source)
	put("type", defaultEventType)
	put("subject", "")
	put("time", e.now.UTC().Format(time.RFC3339Nano))
	put("pubsubname", e.pubsub)
	put("topic", e.topic)
	put("traceid", e.traceparent)
	put("traceparent", e.traceparent)
	put("tracestate", e.tracestate)
	if !e.expires.IsZero() {
		put("expiration", e.expires.UTC().Format(time.RFC3339Nano))
	}
	for _, name := range slices.Sorted(maps.Keys(e.extensions)) {
		put(name, e.extensions[name])
	}
	put("datacontenttype", contentType)
	return append(appendData(append(out, ','), contentType, data), '}')
}

// attributes are those that metadata sets; nil if there are none.
func (e *envelope) attributes() map[string]string {
	if len(e.metadata) == 0 {
		return nil
	}
	attrs := map[string]string{}
	for _, name := range overridable {
		if v, ok := e.metadata.Get("cloudevent." + name); ok && v != "" {
			attrs[name] = v
		}
	}
	return attrs
}

// complete takes an event as the publisher made it and fills in what is missing.
func (e *envelope) complete(event []byte) ([]byte, error) {
	var attrs map[string]json.RawMessage
	if err := json.Unmarshal(event, &attrs); err != nil || attrs == nil {
		return nil, fmt.Errorf("%w: content type %s wants a JSON object, found %.40q", ErrNotCloudEvent, cloudEventType, event)
	}
	for _, name := range [...]string{"id", "source", "type", "specversion", "datacontenttype", "subject", "time"} {
		if v := attrs[name]; len(v) > 0 && v[0] != '"' && string(v) != "null" {
			return nil, fmt.Errorf("%w: attribute %s: want a string, found %s", ErrNotCloudEvent, name, v)
		}
	}
	put := func(name, value string) { attrs[name] = appendString(nil, value) }
	for name, value := range e.attributes() {
		put(name, value)
	}
	for name, value := range e.extensions {
		put(name, value)
	}
	fill := func(name, value string) {
		if v := attrs[name]; value != "" && (len(v) == 0 || string(v) == "null" || string(v) == `""`) {
			put(name, value)
		}
	}
	fill("id", e.id)
	fill("source", e.source)
	fill("type", defaultEventType)
	fill("specversion", specVersion)
	fill("time", e.now.UTC().Format(time.RFC3339Nano))
	fill("traceid", e.traceparent)
	fill("traceparent", e.traceparent)
	fill("tracestate", e.tracestate)
	put("topic", e.topic)
	put("pubsubname", e.pubsub)
	if !e.expires.IsZero() {
		put("expiration", e.expires.UTC().Format(time.RFC3339Nano))
	}
	return appendObject(make([]byte, 0, len(event)+512), attrs), nil
}

// appendObject writes a JSON object with its values as they are.
func appendObject(out []byte, attrs map[string]json.RawMessage) []byte {
	out = append(out, '{')
	for i, name := range slices.Sorted(maps.Keys(attrs)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(appendString(out, name), ':'), attrs[name]...)
	}
	return append(out, '}')
}

// appendData writes the payload as JSON where it is JSON, as text where it is text, and else in base64.
func appendData(out []byte, contentType string, data []byte) []byte {
	media := mediaType(contentType)
	switch {
	case isJSON(media) && json.Valid(data):
		return append(append(out, `"data":`...), data...)
	case media != binaryType && utf8.Valid(data):
		return appendString(append(out, `"data":`...), string(data))
	default:
		out = append(out, `"data_base64":"`...)
		return append(base64.StdEncoding.AppendEncode(out, data), '"')
	}
}

// appendString writes a JSON string.
func appendString(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // a string always marshals
				quoted = []byte(`""`)
			}
			return append(out, quoted...)
		}
	}
	out = append(out, '"')
	return append(append(out, s...), '"')
}

func mediaType(contentType string) string {
	if strings.IndexByte(contentType, ';') < 0 {
		return strings.ToLower(strings.TrimSpace(contentType))
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, _, _ = strings.Cut(contentType, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	return media
}

func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

// ttl reads metadata ttlInSeconds; 0 when there is none.
func ttl(metadata component.Metadata) (time.Duration, error) {
	text, ok := metadata.Get("ttlInSeconds")
	if !ok || text == "" {
		return 0, nil
	}
	const most = int64(100 * 365 * 24 * time.Hour / time.Second)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%w: ttlInSeconds: want 1 to %d, found %q", ErrMetadata, most, text)
	}
	return time.Duration(n) * time.Second, nil
}

// truth reads a setting that is true or false.
func truth(metadata component.Metadata, name string) (bool, error) {
	text, ok := metadata.Get(name)
	if !ok {
		return false, nil
	}
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "y", "yes", "true", "t", "on", "1":
		return true, nil
	case "", "n", "no", "false", "f", "off", "0":
		return false, nil
	default:
		return false, fmt.Errorf("%w: %s: want true or false, found %q", ErrMetadata, name, text)
	}
}
