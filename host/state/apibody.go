package state

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"
)

// item is one write of a body, or one operation's request.
type item struct {
	Key      string            `json:"key"`
	Value    json.RawMessage   `json:"value"`
	ETag     *string           `json:"etag"`
	Metadata map[string]string `json:"metadata"`
	Options  struct {
		Concurrency string `json:"concurrency"`
		Consistency string `json:"consistency"`
	} `json:"options"`
}

func (i *item) check(store string) error {
	if i.Key == "" {
		return malformed(`"key" is a required field`)
	}
	if err := checkKey(i.Key); err != nil {
		return keyError(store, i.Key, err)
	}
	return nil
}

// setRequest gives the write; metadata of the query wins over that of the body.
func (i *item) setRequest(metadata map[string]string) (SetRequest, error) {
	concurrency, err := parseConcurrency(i.Options.Concurrency)
	if err != nil {
		return SetRequest{}, err
	}
	consistency, err := parseConsistency(i.Options.Consistency)
	if err != nil {
		return SetRequest{}, err
	}
	value := bytes.NewBuffer(nil)
	if len(i.Value) == 0 {
		value.WriteString("null")
	} else if err := json.Compact(value, i.Value); err != nil {
		return SetRequest{}, malformed("value of key %s: %s", i.Key, err)
	}
	return SetRequest{
		Key: i.Key, Value: value.Bytes(), ETag: i.ETag, Concurrency: concurrency, Consistency: consistency,
		Metadata: over(i.Metadata, metadata),
	}, nil
}

func (i *item) deleteRequest(metadata map[string]string) (DeleteRequest, error) {
	concurrency, err := parseConcurrency(i.Options.Concurrency)
	if err != nil {
		return DeleteRequest{}, err
	}
	consistency, err := parseConsistency(i.Options.Consistency)
	return DeleteRequest{
		Key: i.Key, ETag: i.ETag, Concurrency: concurrency, Consistency: consistency, Metadata: over(i.Metadata, metadata),
	}, err
}

// toJSON gives a value as it stands in a JSON answer.
func toJSON(value []byte) json.RawMessage {
	if json.Valid(value) {
		return value
	}
	text := string(value)
	if !utf8.ValidString(text) {
		text = base64.StdEncoding.EncodeToString(value)
	}
	out, err := json.Marshal(text)
	if err != nil {
		return nil // a valid string is always JSON
	}
	return out
}

// replyMetadata is the entry's metadata with its end.
func replyMetadata(e *Entry) map[string]string {
	if at := e.expireTime(); at != "" {
		return over(e.Metadata, map[string]string{expiresField: at})
	}
	return e.Metadata
}

func parseConcurrency(text string) (Concurrency, error) {
	switch strings.ToLower(text) {
	case "":
		return ConcurrencyUnspecified, nil
	case "first-write":
		return FirstWrite, nil
	case "last-write":
		return LastWrite, nil
	default:
		return 0, malformed("concurrency: want first-write or last-write, found %q", text)
	}
}

func parseConsistency(text string) (Consistency, error) {
	switch strings.ToLower(text) {
	case "":
		return ConsistencyUnspecified, nil
	case "eventual":
		return Eventual, nil
	case "strong":
		return Strong, nil
	default:
		return 0, malformed("consistency: want strong or eventual, found %q", text)
	}
}

// requestMetadata gives the metadata.<key>=<value> parameters of the query without the prefix.
func requestMetadata(r *http.Request) map[string]string {
	var out map[string]string
	for name, values := range r.URL.Query() {
		key, ok := strings.CutPrefix(name, "metadata.")
		if !ok {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[key] = values[0]
	}
	return out
}
