package pubsub

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func TestScopes(t *testing.T) {
	for _, test := range []struct {
		name              string
		metadata          component.Metadata
		app, topic        string
		publish, subscrib bool
	}{
		{"nothing said", nil, "a", "t", true, true},
		{"listed", component.Metadata{"publishingScopes": "a=t,u;b=v", "subscriptionScopes": "a=u"}, "a", "t", true, false},
		{"listed with none", component.Metadata{"publishingScopes": "a=;b=t"}, "a", "t", false, true},
		{"not listed", component.Metadata{"publishingScopes": "b=u"}, "a", "t", true, true},
		{"twice", component.Metadata{"publishingScopes": "a=u;a=t"}, "a", "t", true, true},
		{"spaces and case", component.Metadata{"PublishingScopes": " a = t , u ; b = "}, "a", "u", true, true},
		{"no equals sign", component.Metadata{"publishingScopes": "a"}, "a", "t", true, true},
		{"not allowed", component.Metadata{"allowedTopics": "u, v"}, "a", "t", false, false},
		{"allowed", component.Metadata{"allowedTopics": "u, t"}, "a", "t", true, true},
		{"allowed and scoped elsewhere", component.Metadata{"allowedTopics": "t", "publishingScopes": "a=u"}, "a", "t", false, true},
		{"protected", component.Metadata{"protectedTopics": "t"}, "a", "t", false, false},
		{"protected and granted", component.Metadata{"protectedTopics": "t", "subscriptionScopes": "a=t"}, "a", "t", false, true},
		{"another is protected", component.Metadata{"protectedTopics": "u"}, "a", "t", true, true},
	} {
		s := newTopicScopes(test.metadata, test.app)
		if got := s.mayPublish(test.topic) == nil; got != test.publish {
			t.Errorf("%s: publish: got %t", test.name, got)
		}
		if got := s.maySubscribe(test.topic) == nil; got != test.subscrib {
			t.Errorf("%s: subscribe: got %t", test.name, got)
		}
	}
}

// FuzzUnwrap gives any bytes as a message: it never panics, and what a publisher wraps comes out as it went in.
func FuzzUnwrap(f *testing.F) {
	for _, seed := range []string{`{"id":"1","data":{"a":1}}`, `{"data_base64":"AA=="}`, `{"data":"\ud800"}`, `[]`, `null`, `{"id":1,"expiration":"x"}`, "\xff"} {
		f.Add([]byte(seed), "application/json")
	}
	f.Fuzz(func(t *testing.T, data []byte, contentType string) {
		if e, err := unwrap(Message{Data: data}, "bus", "t"); err == nil {
			if _, err := e.tree(false); err != nil {
				t.Errorf("an event without a tree: %v", err)
			}
			if !json.Valid(e.withoutExpiration()) {
				t.Error("without expiration it is no JSON")
			}
		}
		got, ok := parseObject(data)
		var want map[string]json.RawMessage
		if wantOK := json.Unmarshal(data, &want) == nil && want != nil; ok != wantOK {
			t.Fatalf("an object: got %t, want %t", ok, wantOK)
		}
		for name, value := range want {
			if !bytes.Equal(got.get(name), value) {
				t.Errorf("member %q: got %s, want %s", name, got.get(name), value)
			}
		}
		env := envelope{id: "i", source: "a", pubsub: "bus", topic: "t", now: time.Now()}
		wire := env.wrap(contentType, data)
		e, err := unwrap(Message{Data: wire}, "bus", "t")
		if err != nil {
			t.Fatalf("wrapped: %v: %s", err, wire)
		}
		payload := string(data)
		if isJSON(mediaType(contentType)) && !json.Valid(data) && utf8.Valid(data) {
			payload = string(appendString(nil, payload)) // as in Dapr, JSON that is none is text
		}
		if string(e.abi.Data) != payload {
			t.Errorf("content type %q: got data %q, want %q; %s", contentType, e.abi.Data, payload, wire)
		}
		if whole, err := env.complete(data); err == nil {
			if _, err := unwrap(Message{Data: whole}, "bus", "t"); err != nil && string(whole) != "" {
				t.Logf("an event of the publisher's own that is not readable: %v", err)
			}
		}
	})
}
