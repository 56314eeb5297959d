package pubsub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	ce "github.com/cloudevents/sdk-go/v2/event"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// onWire publishes and gives what reaches the broker: a raw subscription sees it.
func onWire(t *testing.T, cfg pubsub.Config, contentType, data string, metadata ...string) []byte {
	t.Helper()
	cfg.Subscriptions = append(cfg.Subscriptions, pubsub.SubscriptionDecl{
		Name: "wire", PubSub: "bus", Topic: "t", Metadata: map[string]string{"rawPayload": "true"},
	})
	app := newApp("shop", nil)
	f := start(t, cfg, app)
	f.publish(t, "shop", "t", contentType, data, metadata...)
	return app.next(t).Data
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		name, contentType, data string
		wantType                string
		attribute, want         string
	}{
		{"json", "application/json", `{"a":[1,"<é>"]}`, "application/json", "data", `{"a":[1,"<é>"]}`},
		{"json with charset", "application/json; charset=utf-8", `"x"`, "application/json; charset=utf-8", "data", `"x"`},
		{"structured suffix", "application/vnd.x+json", `1`, "application/vnd.x+json", "data", `1`},
		{"no json", "application/json", `{`, "application/json", "data", `"{"`},
		{"text", "text/plain", "a \"b\"\n", "text/plain", "data", `"a \"b\"\n"`},
		{"no content type", "", "a", "text/plain", "data", `"a"`},
		{"no utf-8", "text/plain", "\xff", "text/plain", "data_base64", `"/w=="`},
		{"binary", "application/octet-stream", "abc", "application/octet-stream", "data_base64", `"YWJj"`},
		{"empty", "text/plain", "", "text/plain", "data", `""`},
	} {
		t.Run(test.name, func(t *testing.T) {
			wire := onWire(t, config(nil), test.contentType, test.data)
			read := wire
			if test.wantType == "application/vnd.x+json" {
				// The reader takes the suffix +json for text, against 3.1.1 of the format.
				read = bytes.ReplaceAll(wire, []byte(test.wantType), []byte("application/json"))
				test.wantType = "application/json"
			}
			var e ce.Event // an independent reader of the format
			if err := json.Unmarshal(read, &e); err != nil {
				t.Fatalf("%v: %s", err, wire)
			}
			if err := e.Validate(); err != nil {
				t.Errorf("not a valid CloudEvent: %v: %s", err, wire)
			}
			if e.Source() != "shop" || e.Type() != "com.dapr.event.sent" || e.DataContentType() != test.wantType || len(e.ID()) != 36 ||
				e.Extensions()["topic"] != "t" || e.Extensions()["pubsubname"] != "bus" || time.Since(e.Time()) > time.Minute {
				t.Errorf("got %s", wire)
			}
			var attrs map[string]json.RawMessage
			if err := json.Unmarshal(wire, &attrs); err != nil || string(attrs[test.attribute]) != test.want {
				t.Errorf("%s: got %s, want %s", test.attribute, attrs[test.attribute], test.want)
			}
		})
	}
}

func TestOverrides(t *testing.T) {
	wire := onWire(t, config(nil), "text/plain", "x", "cloudevent.id", "i", "cloudevent.source", "s", "cloudevent.type", "t",
		"cloudevent.subject", "su", "cloudevent.traceid", "ti", "cloudevent.traceparent", "tp", "CloudEvent.TraceState", "ts", "cloudevent.topic", "no")
	var got map[string]string
	if err := json.Unmarshal(wire, &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]string{
		"id": "i", "source": "s", "type": "t", "subject": "su", "traceid": "ti", "traceparent": "tp", "tracestate": "ts",
		"topic": "t", "pubsubname": "bus", "specversion": "1.0", "datacontenttype": "text/plain", "data": "x",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestPublishedCloudEvents(t *testing.T) {
	const whole = `{"specversion":"1.0","id":"1","source":"me","type":"x","time":"2020-01-01T00:00:00Z","datacontenttype":"application/json","data":{"n":12345678901234567890,"s":"<"},"ext":7,"topic":"forged"}`
	wire := onWire(t, config(nil), "application/CloudEvents+json; charset=utf-8", whole)
	var got map[string]json.RawMessage
	if err := json.Unmarshal(wire, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"id": `"1"`, "source": `"me"`, "type": `"x"`, "time": `"2020-01-01T00:00:00Z"`, "data": `{"n":12345678901234567890,"s":"<"}`,
		"ext": `7`, "topic": `"t"`, "pubsubname": `"bus"`,
	} {
		if string(got[name]) != want {
			t.Errorf("%s: got %s, want %s", name, got[name], want)
		}
	}
	wire = onWire(t, config(nil), "application/cloudevents+json", `{"data":1,"source":null,"id":""}`, "cloudevent.type", "mine")
	var e ce.Event
	if err := json.Unmarshal(wire, &e); err != nil || e.Validate() != nil {
		t.Fatalf("got %v, %v: %s", err, e.Validate(), wire)
	}
	if e.Source() != "shop" || e.Type() != "mine" || string(e.Data()) != "1" {
		t.Errorf("got %s", wire)
	}
}

func TestPublishErrors(t *testing.T) {
	cfg := config(component.Metadata{"publishingScopes": "shop=t,u; other=", "protectedTopics": "secret", "allowedTopics": "t,u,v,secret"})
	app, free, other := newApp("shop", nil), newApp("free", nil), newApp("other", nil)
	f := start(t, cfg, app, free, other)
	for _, test := range []struct {
		app, pubsub, topic, contentType, data, key, value string
		want                                              abipubsub.ErrorTag
		text                                              string
	}{
		{"shop", "nope", "t", "", "", "", "", abipubsub.ErrorPubsubNotFound, "it sees bus"},
		{"shop", "bus", "", "", "", "", "", abipubsub.ErrorInvalidTopic, "empty"},
		{"shop", "bus", "v", "", "", "", "", abipubsub.ErrorForbidden, "publishingScopes"},
		{"shop", "bus", "w", "", "", "", "", abipubsub.ErrorForbidden, "allowedTopics"},
		{"free", "bus", "secret", "", "", "", "", abipubsub.ErrorForbidden, "protectedTopics"},
		{"other", "bus", "t", "", "", "", "", abipubsub.ErrorForbidden, "publishingScopes"},
		{"shop", "bus", "t", "", "", "ttlInSeconds", "soon", abipubsub.ErrorInvalidRequest, "ttlInSeconds"},
		{"shop", "bus", "t", "", "", "ttlInSeconds", "-1", abipubsub.ErrorInvalidRequest, "ttlInSeconds"},
		{"shop", "bus", "t", "", "", "rawPayload", "maybe", abipubsub.ErrorInvalidRequest, "rawPayload"},
		{"shop", "bus", "t", "application/cloudevents+json", "[]", "", "", abipubsub.ErrorInvalidRequest, "CloudEvent"},
		{"shop", "bus", "t", "application/cloudevents+json", "null", "", "", abipubsub.ErrorInvalidRequest, "CloudEvent"},
		{"shop", "bus", "t", "application/cloudevents+json", `{"id":1}`, "", "", abipubsub.ErrorInvalidRequest, "id"},
	} {
		var meta abipubsub.Metadata
		if test.key != "" {
			meta = abipubsub.Metadata{{F0: test.key, F1: test.value}}
		}
		err := f.host[test.app].Publish(t.Context(), test.pubsub, test.topic, test.contentType, []byte(test.data), meta)
		if err == nil || err.Tag != test.want || !strings.Contains(err.Value, test.text) {
			t.Errorf("%+v: got %v", test, err)
		}
	}
	for app, topics := range map[string][]string{"shop": {"t", "u"}, "free": {"t", "v"}} {
		for _, topic := range topics {
			if err := f.host[app].Publish(t.Context(), "", topic, "", nil, nil); err != nil {
				t.Errorf("app %s, topic %s: %v", app, topic, err)
			}
		}
	}
}

func TestBulkPublish(t *testing.T) {
	app := newApp("shop", nil)
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t"}), app)
	entry := func(id, contentType, data string, meta ...canon.Tuple2[string, string]) abipubsub.Entry {
		return abipubsub.Entry{EntryID: id, ContentType: contentType, Data: []byte(data), Metadata: meta}
	}
	entries := []abipubsub.Entry{
		entry("1", "text/plain", "one"),
		entry("2", "application/cloudevents+json", "no event"),
		entry("3", "application/json", "3", canon.Tuple2[string, string]{F0: "cloudevent.type", F1: "own"}),
	}
	all := abipubsub.Metadata{{F0: "cloudevent.type", F1: "common"}}
	failed, err := f.host["shop"].BulkPublish(t.Context(), "bus", "t", entries, all)
	if err != nil || len(failed) != 1 || failed[0].EntryID != "2" || failed[0].Reason.Tag != abipubsub.ErrorInvalidRequest {
		t.Fatalf("got %v, %v", failed, err)
	}
	types := map[string]string{}
	for range 2 {
		e := app.next(t)
		types[string(e.Data)] = e.EventType
	}
	if want := map[string]string{"one": "common", "3": "own"}; !maps.Equal(types, want) {
		t.Errorf("got %v, want %v", types, want)
	}
	for _, bad := range [][]abipubsub.Entry{{entry("", "", "")}, {entry("1", "", ""), entry("1", "", "")}} {
		if _, err := f.host["shop"].BulkPublish(t.Context(), "bus", "t", bad, nil); err == nil || err.Tag != abipubsub.ErrorInvalidRequest {
			t.Errorf("%v: got %v", bad, err)
		}
	}
	if _, err := f.host["shop"].BulkPublish(t.Context(), "nope", "t", entries, nil); err == nil || err.Tag != abipubsub.ErrorPubsubNotFound {
		t.Errorf("unknown pubsub: got %v", err)
	}
}

func TestBadDeclarations(t *testing.T) {
	sub := func(change func(*pubsub.SubscriptionDecl)) pubsub.SubscriptionDecl {
		d := pubsub.SubscriptionDecl{Name: "s", PubSub: "bus", Topic: "t"}
		change(&d)
		return d
	}
	for _, test := range []struct {
		d    pubsub.SubscriptionDecl
		want string
	}{
		{sub(func(d *pubsub.SubscriptionDecl) { d.Topic = "" }), "topic"},
		{sub(func(d *pubsub.SubscriptionDecl) { d.PubSub = "nope" }), "nope"},
		{sub(func(d *pubsub.SubscriptionDecl) { d.DeadLetterTopic = "t" }), "deadLetterTopic"},
		{sub(func(d *pubsub.SubscriptionDecl) { d.Metadata = map[string]string{"maxRetries": "-1"} }), "maxRetries"},
		{sub(func(d *pubsub.SubscriptionDecl) { d.Metadata = map[string]string{"rawPayload": "x"} }), "rawPayload"},
		{sub(func(d *pubsub.SubscriptionDecl) { d.Rules = []pubsub.RuleDecl{{Match: "event.", Path: "/"}} }), "rule 1"},
		{sub(func(d *pubsub.SubscriptionDecl) { d.Rules = []pubsub.RuleDecl{{Match: "1 + 1", Path: "/"}} }), "true or false"},
		{sub(func(d *pubsub.SubscriptionDecl) { d.Rules = []pubsub.RuleDecl{{Match: "evnt.x == 1", Path: "/"}} }), "evnt"},
	} {
		_, err := pubsub.New(t.Context(), config(nil, test.d))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "manifest.yaml:7") {
			t.Errorf("%+v: got %v, want an error with its place and %q", test.d, err, test.want)
		}
	}
}

func TestSubscriptionsNeedHandlers(t *testing.T) {
	none := &fakeApp{name: "none"}
	cfg := config(nil, pubsub.SubscriptionDecl{Topic: "t", Scopes: []string{"none"}})
	cfg.Apps = []string{"none"}
	b, err := pubsub.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), none); err == nil || !strings.Contains(err.Error(), "manifest.yaml:7") || !strings.Contains(err.Error(), "mrt:pubsub/subscriber") {
		t.Errorf("open of an app without the handler: got %v", err)
	}
	for name, subs := range map[string][]pubsub.SubscriptionDecl{
		"no app exports": {{Topic: "t"}},
		"already":        {{Name: "a", Topic: "t"}, {Name: "b", Topic: "t"}},
	} {
		cfg := config(nil, subs...)
		cfg.Apps = []string{"none", "some"}
		b, err := pubsub.New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		apps := []*fakeApp{none}
		if name == "already" {
			apps = append(apps, newApp("some", nil))
		}
		for _, a := range apps {
			if _, err := b.Open(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Triggers(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDescribeAndReady(t *testing.T) {
	app := newApp("shop", nil)
	f := start(t, config(nil, pubsub.SubscriptionDecl{
		Topic: "t", DeadLetterTopic: "dead", Rules: []pubsub.RuleDecl{{Match: "event.type == 'a'", Path: "/a"}}, Default: "/rest",
	}), app)
	got, err := json.Marshal(f.Describe(t.Context()))
	want := `{"components":[{"capabilities":[],"name":"bus","type":"pubsub.in-memory","version":"v1"}],` +
		`"subscriptions":[{"deadLetterTopic":"dead","pubsubname":"bus","rules":[{"match":"event.type == 'a'","path":"/a"},{"match":"","path":"/rest"}],"topic":"t","type":"DECLARATIVE"}]}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	if err := f.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if f.Name() != "pubsub" || !slices.Contains(f.Exports(), abipubsub.SubscriberModule) || !slices.Contains(f.Imports(), abipubsub.PublisherModule) {
		t.Errorf("name %s, exports %v, imports %v", f.Name(), f.Exports(), f.Imports())
	}
}

func TestCancelledPublish(t *testing.T) {
	f := start(t, config(nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Publish(ctx, "", pubsub.Request{PubSub: "bus", Topic: "t"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
