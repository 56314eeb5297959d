package pubsub_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

func TestDelivery(t *testing.T) {
	shop, mail := newApp("shop", nil), newApp("mail", nil)
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", Default: "/t", Scopes: []string{"mail"}}), shop, mail)
	f.publish(t, "shop", "t", "application/json", `{"qty": 2}`, "cloudevent.subject", "book", "own", "kept")
	e := mail.next(t)
	if e.Source != "shop" || e.EventType != "com.dapr.event.sent" || e.Subject != "book" || e.Pubsub != "bus" || e.Topic != "t" || e.Route != "/t" ||
		e.ContentType != "application/json" || string(e.Data) != `{"qty": 2}` || len(e.ID) != 36 {
		t.Errorf("got %+v", e)
	}
	if _, err := time.Parse(time.RFC3339, e.Time); err != nil {
		t.Errorf("time: %v", err)
	}
	if !slices.ContainsFunc(e.Metadata, func(kv canon.Tuple2[string, string]) bool { return kv.F0 == "own" && kv.F1 == "kept" }) {
		t.Errorf("metadata: got %v", e.Metadata)
	}
	if extension(e, "topic") != "" || extension(e, "pubsubname") != "" {
		t.Errorf("extensions: got %v, want none that repeat a field", e.Extensions)
	}
	f.publish(t, "shop", "t", "application/octet-stream", "\x00\xff")
	if e := mail.next(t); string(e.Data) != "\x00\xff" || e.ContentType != "application/octet-stream" {
		t.Errorf("binary: got %q (%s)", e.Data, e.ContentType)
	}
	f.publish(t, "shop", "t", "", "a \"é\"\n")
	if e := mail.next(t); string(e.Data) != "a \"é\"\n" || e.ContentType != "text/plain" {
		t.Errorf("text: got %q (%s)", e.Data, e.ContentType)
	}
	f.publish(t, "shop", "t", "application/cloudevents+json", `{"id":"1","source":"x","type":"y","num":7,"flag":true,"nul":null,"data":[1]}`)
	if e := mail.next(t); string(e.Data) != "[1]" || e.ContentType != "" || extension(e, "num") != "7" || extension(e, "flag") != "true" {
		t.Errorf("event of the app's own: got %+v", e)
	}
	shop.nothing(t)
}

func TestRouting(t *testing.T) {
	rules := []pubsub.RuleDecl{
		{Match: `event.type == "vip" && event.data.qty >= 10`, Path: "/vip-bulk"},
		{Match: `event.data.qty >= 10`, Path: "/bulk"},
		{Match: `has(event.data.items) && event.data.items[0].name.startsWith("b")`, Path: "/b"},
		{Match: `event.ext == "x" || event.subject == "s"`, Path: "/attr"},
		{Match: `event.data == 2.5 || event.data == 3`, Path: "/number"},
	}
	var defaulted atomic.Bool
	for _, test := range []struct{ kind, data, want string }{
		{"vip", `{"qty":10}`, "/vip-bulk"},
		{"x", `{"qty":10}`, "/bulk"},
		{"x", `{"qty":9.5}`, "/rest"},
		{"x", `{"items":[{"name":"book"}]}`, "/b"},
		{"x", `{"items":[]}`, "/rest"},
		{"x", `3`, "/number"},
		{"x", `2.5`, "/number"},
		{"x", `"text"`, "/rest"},
		{"x", `null`, "/rest"},
	} {
		for _, fallback := range []string{"/rest", ""} {
			app := newApp("shop", nil)
			f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", Rules: rules, Default: fallback}), app)
			f.publish(t, "shop", "t", "application/json", test.data, "cloudevent.type", test.kind)
			if fallback == "" && test.want == "/rest" {
				eventually(t, "message without a route is dropped", func() bool { return f.logs.contains("no routing rule matches") })
				app.nothing(t)
				defaulted.Store(true)
				continue
			}
			if e := app.next(t); e.Route != test.want {
				t.Errorf("type %s, data %s: got route %s, want %s", test.kind, test.data, e.Route, test.want)
			}
		}
	}
	if !defaulted.Load() {
		t.Error("no case without a route")
	}
}

func TestEmptyMatchIsAlways(t *testing.T) {
	app := newApp("shop", nil)
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", Rules: []pubsub.RuleDecl{{Path: "/all"}, {Match: "true", Path: "/never"}}}), app)
	f.publish(t, "shop", "t", "", "x")
	if e := app.next(t); e.Route != "/all" {
		t.Errorf("got route %s", e.Route)
	}
}

func TestRaw(t *testing.T) {
	app := newApp("shop", nil)
	f := start(t, config(nil, pubsub.SubscriptionDecl{
		Topic: "t", Metadata: map[string]string{"RawPayload": "True"},
		Rules: []pubsub.RuleDecl{{Match: `event.data_base64 == "AAEC" && event.topic == "t"`, Path: "/raw"}}, Default: "/rest",
	}), app)
	f.publish(t, "shop", "t", "", "\x00\x01\x02", "rawPayload", "true")
	e := app.next(t)
	if string(e.Data) != "\x00\x01\x02" || e.EventType != "com.dapr.event.sent" || e.Source != "Dapr" || e.Route != "/raw" || e.ContentType != "application/octet-stream" || e.ID == "" {
		t.Errorf("got %+v", e)
	}
}

func TestRawToOrdinarySubscription(t *testing.T) {
	app := newApp("shop", nil)
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", Scopes: []string{"shop"}, DeadLetterTopic: "dead"},
		pubsub.SubscriptionDecl{Topic: "dead", Metadata: map[string]string{"rawPayload": "true"}, Default: "/dead"}), app)
	f.publish(t, "shop", "t", "text/plain", "no event", "rawPayload", "true")
	if e := app.next(t); e.Route != "/dead" || string(e.Data) != "no event" {
		t.Errorf("got %+v", e)
	}
	eventually(t, "the log says what to do", func() bool { return f.logs.contains("rawPayload") })
}

func TestTimeToLive(t *testing.T) {
	block := make(chan struct{})
	var first atomic.Bool
	app := newApp("shop", nil)
	app.handle = func(e event) outcome {
		if e.Topic == "t" && first.CompareAndSwap(false, true) {
			<-block
		}
		app.got <- e
		return success
	}
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", DeadLetterTopic: "dead", Scopes: []string{"shop"}},
		pubsub.SubscriptionDecl{Topic: "dead", Default: "/dead"}), app)
	// An expiration of the past stands for a message that has waited.
	f.publish(t, "shop", "t", "", "kept", "ttlInSeconds", "1000")
	f.publish(t, "shop", "t", "application/cloudevents+json", `{"data":"expired","expiration":"2020-01-01T00:00:00Z"}`)
	e := app.next(t)
	if e.Route != "/dead" || string(e.Data) != `"expired"` || extension(e, "expiration") != "" || extension(e, "topic") != "t" {
		t.Errorf("expired: got %+v", e)
	}
	close(block)
	e = app.next(t)
	at, err := time.Parse(time.RFC3339, extension(e, "expiration"))
	if string(e.Data) != "kept" || err != nil || time.Until(at) < 900*time.Second {
		t.Errorf("not expired: got %+v, %v", e, err)
	}
	f.publish(t, "shop", "t", "application/cloudevents+json", `{"data":"x","expiration":"soon"}`)
	if e := app.next(t); e.Route == "/dead" || extension(e, "expiration") != "soon" {
		t.Errorf("expiration that is no time: got %+v", e)
	}
}

func TestDeadLetters(t *testing.T) {
	for _, test := range []struct {
		name     string
		metadata map[string]string
		answer   outcome
		want     int // deliveries before the dead letter
	}{
		{"drop", nil, drop, 1},
		{"retry", map[string]string{"maxRetries": "1"}, retry, 2},
		{"retry at once", map[string]string{"maxRetries": "0"}, retry, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := newApp("shop", func(e event) outcome {
				if e.Route == "/dead" {
					return success
				}
				return test.answer
			})
			f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", DeadLetterTopic: "dead", Metadata: test.metadata, Scopes: []string{"shop"}},
				pubsub.SubscriptionDecl{Topic: "dead", Default: "/dead"}), app)
			f.publish(t, "shop", "t", "", "poison")
			id := ""
			for range test.want {
				e := app.next(t)
				if e.Route == "/dead" || id != "" && e.ID != id {
					t.Fatalf("got %+v before its time", e)
				}
				id = e.ID
			}
			if e := app.next(t); e.Route != "/dead" || e.ID != id || string(e.Data) != "poison" || e.Topic != "dead" || extension(e, "topic") != "t" {
				t.Errorf("dead letter: got %+v", e)
			}
		})
	}
}

func TestDropWithoutDeadLetterTopic(t *testing.T) {
	app := newApp("shop", func(event) outcome { return drop })
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t"}), app)
	f.publish(t, "shop", "t", "", "x")
	app.next(t)
	eventually(t, "the drop is logged with the app's text", func() bool { return f.logs.contains("no good") })
	app.nothing(t)
}

func TestRetryWithoutDeadLetterTopic(t *testing.T) {
	var n atomic.Int64
	app := newApp("shop", func(event) outcome {
		if n.Add(1) <= 2 {
			return retry
		}
		return success
	})
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t"}), app)
	f.publish(t, "shop", "t", "", "x")
	for range 3 {
		app.next(t)
	}
	eventually(t, "the log has the app's text", func() bool { return f.logs.contains("not now") })
}

func TestTrapIsRetry(t *testing.T) {
	var n atomic.Int64
	app := newApp("shop", nil)
	app.admit = func() error {
		if n.Add(1) == 1 {
			return &abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable"}
		}
		return nil
	}
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", DeadLetterTopic: "dead"}), app)
	f.publish(t, "shop", "t", "", "x")
	if e := app.next(t); string(e.Data) != "x" {
		t.Errorf("got %+v", e)
	}
}

// A full queue is no failure: nothing is lost and nothing becomes a dead letter, however often it happens.
func TestFullQueue(t *testing.T) {
	var n atomic.Int64
	app := newApp("shop", nil)
	app.admit = func() error {
		if n.Add(1) <= 15 {
			return &block.ErrOverloaded{App: "shop", RetryAfter: time.Millisecond}
		}
		return nil
	}
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", DeadLetterTopic: "dead", Metadata: map[string]string{"maxRetries": "0"}, Scopes: []string{"shop"}},
		pubsub.SubscriptionDecl{Topic: "dead", Default: "/dead"}), app)
	f.publish(t, "shop", "t", "", "x")
	if e := app.next(t); e.Route == "/dead" || string(e.Data) != "x" {
		t.Errorf("got %+v", e)
	}
}

func TestBulkSubscribe(t *testing.T) {
	var failed atomic.Bool
	batches := make(chan []event, 100)
	app := newApp("shop", nil)
	app.bulk = func(events []event) []outcome {
		batches <- events
		outs := make([]outcome, len(events))
		if len(events) > 1 && failed.CompareAndSwap(false, true) {
			outs[0] = retry
			return outs[:len(outs)-1] // and nothing about the last
		}
		return outs
	}
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", Default: "/t", Bulk: pubsub.BulkDecl{Enabled: true, MaxMessages: 4, MaxAwait: 200 * time.Millisecond}}), app)
	for i := range 10 {
		f.publish(t, "shop", "t", "", fmt.Sprint(i))
	}
	seen, total, largest := map[string]int{}, 0, 0
	for total < 12 { // two of them twice
		select {
		case batch := <-batches:
			largest = max(largest, len(batch))
			for _, e := range batch {
				seen[string(e.Data)]++
				total++
				if e.Route != "/t" {
					t.Errorf("route: got %s", e.Route)
				}
			}
		case <-time.After(deadline):
			t.Fatalf("got %v", seen)
		}
	}
	if len(seen) != 10 || largest != 4 {
		t.Errorf("got %v, largest batch %d; want 10 messages in batches of up to 4", seen, largest)
	}
	app.nothing(t)
}

func TestBulkSubscribeWithoutBulkHandler(t *testing.T) {
	app := newApp("shop", nil)
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t", Bulk: pubsub.BulkDecl{Enabled: true}}), app)
	f.publish(t, "shop", "t", "", "x")
	if e := app.next(t); string(e.Data) != "x" {
		t.Errorf("got %+v", e)
	}
}

func TestSubscriptionScopes(t *testing.T) {
	app, other := newApp("shop", nil), newApp("other", nil)
	f := start(t, config(component.Metadata{"subscriptionScopes": "other=u"}, pubsub.SubscriptionDecl{Topic: "t"}), app, other)
	f.publish(t, "other", "t", "", "x")
	app.next(t)
	other.nothing(t)
	if len(f.trig) != 1 || !f.logs.contains("subscriptionScopes") {
		t.Errorf("%d subscriptions run; want one, and a word in the log about the other", len(f.trig))
	}
}

func TestConsumerGroups(t *testing.T) {
	// Apps have groups of their own unless consumerID says otherwise.
	a, b := newApp("a", nil), newApp("b", nil)
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t"}), a, b)
	f.publish(t, "a", "t", "", "x")
	a.next(t)
	b.next(t)

	a, b = newApp("a", nil), newApp("b", nil)
	f = start(t, config(component.Metadata{"consumerID": "shared"}, pubsub.SubscriptionDecl{Topic: "t"}), a, b)
	f.publish(t, "a", "t", "", "x")
	select {
	case <-a.got:
	case <-b.got:
	case <-time.After(deadline):
		t.Fatal("nobody gets the message")
	}
	a.nothing(t)
	b.nothing(t)

	// A tag makes one component of each app's own.
	a, b = newApp("a", nil), newApp("b", nil)
	start(t, config(component.Metadata{"consumerID": "{appID}"}, pubsub.SubscriptionDecl{Topic: "t"}), a, b)
}

func TestStop(t *testing.T) {
	app := newApp("shop", nil)
	f := start(t, config(nil, pubsub.SubscriptionDecl{Topic: "t"}), app)
	tr := f.trig[0]
	if want := "subscription sub-t of app shop"; tr.Name() != want {
		t.Errorf("name: got %s, want %s", tr.Name(), want)
	}
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.publish(t, "shop", "t", "", "waits")
	app.nothing(t)
	if err := tr.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := app.next(t); string(e.Data) != "waits" {
		t.Errorf("got %+v", e)
	}
}

type traceKey struct{}

// fakeTrace puts the trace context into the context as it is.
type fakeTrace struct{}

func (fakeTrace) Inject(ctx context.Context) (string, string) {
	tp, _ := ctx.Value(traceKey{}).(string)
	return tp, "state=1"
}

func (fakeTrace) Extract(ctx context.Context, tp, _ string) context.Context {
	return context.WithValue(ctx, traceKey{}, tp)
}

// spans begins a span around every outbound call, and keeps the trace of inbound ones.
type spans struct{ inbound chan string }

func (s spans) Bind(op chain.Op) chain.Probe { return spanProbe{s, op} }

type spanProbe struct {
	spans
	op chain.Op
}

func (p spanProbe) Begin(ctx context.Context) context.Context {
	if p.op.Direction == chain.Outbound {
		return context.WithValue(ctx, traceKey{}, "span-of-"+p.op.Name)
	}
	tp, _ := ctx.Value(traceKey{}).(string)
	p.inbound <- fmt.Sprintf("%s %s %s %s", tp, p.op.Name, p.op.Target, p.op.App)
	return ctx
}

func (spanProbe) End(context.Context, time.Duration, error) {}

func TestTrace(t *testing.T) {
	s := spans{make(chan string, 10)}
	cfg := config(nil, pubsub.SubscriptionDecl{Topic: "t"})
	cfg.Trace, cfg.Chain = fakeTrace{}, chain.New([]chain.Observer{s}, nil)
	app := newApp("shop", nil)
	f := start(t, cfg, app)
	f.publish(t, "shop", "t", "", "x")
	if got, want := <-s.inbound, "span-of-publish handle bus shop"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if e := app.next(t); extension(e, "traceparent") != "span-of-publish" || extension(e, "traceid") != "span-of-publish" || extension(e, "tracestate") != "state=1" {
		t.Errorf("got %v", e.Extensions)
	}
}
