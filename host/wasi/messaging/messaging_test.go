package messaging

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	abimessaging "github.com/mrt-wasm/mrt-wasm/abi/wasi/messaging"
	"github.com/mrt-wasm/mrt-wasm/components/pubsub/memory"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// testApp is an app whose incoming-handler is Go.
type testApp struct {
	name   string
	handle func(ctx context.Context, m abimessaging.Message) *abimessaging.Error
}

func (a *testApp) Name() string { return a.name }
func (a *testApp) Handles(iface string) bool {
	return a.handle != nil && iface == abimessaging.IncomingHandlerModule
}

func (a *testApp) Do(ctx context.Context, fn func(context.Context, abi.Guest) error) error {
	g := &testGuest{app: a, memory: make([]byte, 1<<12)}
	err := fn(ctx, g)
	g.handles.Reset(ctx)
	return err
}

// testGuest is one call's instance.
type testGuest struct {
	app     *testApp
	memory  []byte
	handles canon.Handles
}

func (g *testGuest) Memory() []byte { return g.memory }
func (g *testGuest) Realloc(context.Context, uint32, uint32, uint32, uint32) uint32 {
	panic("nothing is lowered")
}
func (g *testGuest) Has(string) bool                         { return false }
func (g *testGuest) Handles() *canon.Handles                 { return &g.handles }
func (g *testGuest) Encoding() canon.Encoding                { return canon.UTF8 }
func (g *testGuest) Resource(string, string) *canon.Resource { return nil }

// Call writes result<_, error> at 8: the tag, and for an error its case and text.
func (g *testGuest) Call(ctx context.Context, _ string, stack []uint64) error {
	m := g.handles.Take(abimessaging.MessageResource, uint32(stack[0])).Obj.(abimessaging.Message)
	failed := g.app.handle(ctx, m)
	stack[0] = 8
	clear(g.memory[8:24])
	if failed != nil {
		g.memory[8], g.memory[12] = 1, byte(failed.Tag)
		g.memory[16], g.memory[20] = 64, byte(copy(g.memory[64:], failed.Value))
	}
	return nil
}

// broker makes a pubsub block over the in-memory broker with a component "pubsub" and one of somebody else's, starts the
// subscriptions of app "answerer" to the topics, and gives the interface as app "asker" has it.
func broker(t *testing.T, handle func(h *Host) func(context.Context, abimessaging.Message) *abimessaging.Error, topics ...string) *Host {
	t.Helper()
	set, err := component.NewSet("pubsub", memory.Spec)
	if err != nil {
		t.Fatal(err)
	}
	cfg := pubsub.Config{
		Drivers: set, Apps: []string{"asker", "answerer"},
		Receivers: []pubsub.Receiver{{Interface: abimessaging.IncomingHandlerModule, Handle: Handle}},
		Decls: []component.Decl{
			{Name: "pubsub", Type: memory.Spec.Type, Where: "test", Metadata: component.Metadata{"publishingScopes": "asker=news,questions,secret;answerer=", "protectedTopics": "secret2"}},
			{Name: "hidden", Type: memory.Spec.Type, Where: "test", Scopes: []string{"somebody"}},
		},
	}
	for _, topic := range topics {
		cfg.Subscriptions = append(cfg.Subscriptions, pubsub.SubscriptionDecl{Name: topic, PubSub: "pubsub", Topic: topic, Scopes: []string{"answerer"}, Where: "test"})
	}
	b, err := pubsub.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	answerer := &testApp{name: "answerer", handle: func(context.Context, abimessaging.Message) *abimessaging.Error { return nil }}
	other := hostOf(t, b, answerer)
	if handle != nil {
		answerer.handle = handle(other)
	}
	h := hostOf(t, b, &testApp{name: "asker"})
	triggers, err := b.Triggers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range triggers {
		if err := one.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		var errs []error
		for _, one := range triggers {
			errs = append(errs, one.Stop(ctx))
		}
		if err := errors.Join(append(errs, b.Close(ctx))...); err != nil {
			t.Error(err)
		}
	})
	return h
}

func hostOf(t *testing.T, b *pubsub.Block, app *testApp) *Host {
	t.Helper()
	s, err := b.Open(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	topics, ok := s.(Topics)
	if !ok {
		t.Fatal("the pubsub block's session has not what wasi:messaging needs")
	}
	return New(Config{Topics: topics, Denied: func(name string) bool { return name == "hidden" }})
}

func connect(t *testing.T, h *Host) abimessaging.Client {
	t.Helper()
	c, err := h.ClientConnect(t.Context(), "pubsub")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConnect(t *testing.T) {
	h := broker(t, nil)
	tests := map[string]*abimessaging.ErrorTag{"pubsub": nil, "": nil, "default": nil}
	connection, denied := abimessaging.ErrorConnection, abimessaging.ErrorPermissionDenied
	tests["nowhere"], tests["hidden"] = &connection, &denied
	for name, want := range tests {
		c, err := h.ClientConnect(t.Context(), name)
		if (err == nil) != (want == nil) || err != nil && err.Tag != *want {
			t.Errorf("%q: got %v", name, err)
		}
		if err != nil {
			continue
		}
		if err := c.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
		if err := h.Send(t.Context(), c, "news", &message{}); err == nil || err.Tag != abimessaging.ErrorConnection {
			t.Errorf("%q: send after disconnect: got %v", name, err)
		}
	}
}

// told is a message as a handler saw it.
type told struct {
	topic, contentType, data string
	metadata                 []string
}

func tell(ctx context.Context, m abimessaging.Message) told {
	out := told{data: string(m.Data(ctx))}
	if topic := m.Topic(ctx); topic != nil {
		out.topic = *topic
	}
	if format := m.ContentType(ctx); format != nil {
		out.contentType = *format
	}
	if meta := m.Metadata(ctx); meta != nil {
		for _, kv := range *meta {
			if kv.F0 != "cloudevent.id" && kv.F0 != "cloudevent.time" {
				out.metadata = append(out.metadata, kv.F0+"="+kv.F1)
			}
		}
	}
	slices.Sort(out.metadata)
	return out
}

func TestSend(t *testing.T) {
	got := make(chan told, 10)
	h := broker(t, func(*Host) func(context.Context, abimessaging.Message) *abimessaging.Error {
		return func(ctx context.Context, m abimessaging.Message) *abimessaging.Error {
			got <- tell(ctx, m)
			return nil
		}
	}, "news")
	c := connect(t, h)
	const fixed = "cloudevent.source=asker cloudevent.type=com.dapr.event.sent"
	tests := []struct {
		name, format, data, metadata string
		want                         told
	}{
		{"bytes", "", "\x00\xff", "", told{"news", "application/octet-stream", "\x00\xff", strings.Fields(fixed)}},
		{"text", "text/plain", "hello", "", told{"news", "text/plain", "hello", strings.Fields(fixed)}},
		{"json", "application/json", `{"a": 1}`, "", told{"news", "application/json", `{"a": 1}`, strings.Fields(fixed)}},
		{
			"metadata", "text/plain", "m", "colour=blue X-Upper=kept data=mine topic=mine",
			told{"news", "text/plain", "m", strings.Fields("X-Upper=kept " + fixed + " colour=blue data=mine topic=mine")},
		},
		{"type", "text/plain", "m", "cloudevent.type=order.made", told{"news", "text/plain", "m", []string{"cloudevent.source=asker", "cloudevent.type=order.made"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := h.NewMessage(t.Context(), []byte(tt.data))
			if tt.format != "" {
				m.SetContentType(t.Context(), tt.format)
			}
			for kv := range strings.FieldsSeq(tt.metadata) {
				k, v, _ := strings.Cut(kv, "=")
				m.AddMetadata(t.Context(), k, v)
			}
			if err := h.Send(t.Context(), c, "news", m); err != nil {
				t.Fatal(err)
			}
			if seen := <-got; fmt.Sprint(seen) != fmt.Sprint(tt.want) {
				t.Errorf("got  %v\nwant %v", seen, tt.want)
			}
		})
	}
	if err := h.Send(t.Context(), c, "weather", h.NewMessage(t.Context(), nil)); err == nil || err.Tag != abimessaging.ErrorPermissionDenied {
		t.Errorf("a topic that the app may not publish to: got %v", err)
	}
	if err := h.Send(t.Context(), c, "", h.NewMessage(t.Context(), nil)); err == nil || err.Tag != abimessaging.ErrorOther {
		t.Errorf("no topic: got %v", err)
	}
}

func TestRefusedOnce(t *testing.T) {
	tries := make(chan int, 10)
	n := 0
	h := broker(t, func(*Host) func(context.Context, abimessaging.Message) *abimessaging.Error {
		return func(context.Context, abimessaging.Message) *abimessaging.Error {
			n++ // one message is handled at a time: it is one and the same
			tries <- n
			if n == 1 {
				return &abimessaging.Error{Tag: abimessaging.ErrorOther, Value: "not now"}
			}
			return nil
		}
	}, "news")
	if err := h.Send(t.Context(), connect(t, h), "news", h.NewMessage(t.Context(), []byte("m"))); err != nil {
		t.Fatal(err)
	}
	if first, second := <-tries, <-tries; first != 1 || second != 2 {
		t.Errorf("got %d, %d", first, second)
	}
}

func TestRequestReply(t *testing.T) {
	h := broker(t, func(own *Host) func(context.Context, abimessaging.Message) *abimessaging.Error {
		return func(ctx context.Context, m abimessaging.Message) *abimessaging.Error {
			if strings.HasPrefix(string(m.Data(ctx)), "silent") {
				return nil
			}
			for n := range 2 {
				// The answerer may publish nowhere: a reply needs no scope.
				if err := own.Reply(ctx, m, own.NewMessage(ctx, fmt.Appendf(nil, "%s %d", m.Data(ctx), n))); err != nil {
					return err
				}
			}
			return nil
		}
	}, "questions")
	c := connect(t, h)
	ask := func(data string, o abimessaging.RequestOptions) (string, *abimessaging.Error) {
		got, err := h.Request(t.Context(), c, "questions", h.NewMessage(t.Context(), []byte(data)), o)
		var texts []string
		for _, m := range got {
			texts = append(texts, string(m.Data(t.Context())))
		}
		slices.Sort(texts)
		return strings.Join(texts, ","), err
	}
	opts := func(timeout, replies uint32) abimessaging.RequestOptions {
		o := h.NewRequestOptions(t.Context())
		o.SetTimeoutMS(t.Context(), timeout)
		o.SetExpectedReplies(t.Context(), replies)
		return o
	}
	if got, err := ask("why", nil); err != nil || !strings.HasPrefix(got, "why ") || strings.Contains(got, ",") {
		t.Errorf("without options: got %q, %v; want one reply", got, err)
	}
	if got, err := ask("how", opts(30_000, 2)); err != nil || got != "how 0,how 1" {
		t.Errorf("two: got %q, %v", got, err)
	}
	if got, err := ask("who", opts(2000, 5)); err != nil || got != "who 0,who 1" {
		t.Errorf("fewer than expected: got %q, %v; want those that came", got, err)
	}
	if got, err := ask("silent", opts(20, 1)); err == nil || err.Tag != abimessaging.ErrorTimeout {
		t.Errorf("none: got %q, %v; want timeout", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Request(ctx, c, "questions", h.NewMessage(ctx, []byte("silent")), nil); err == nil || err.Tag != abimessaging.ErrorTimeout {
		t.Errorf("the call ends: got %v; want timeout", err)
	}
	if _, err := h.Request(t.Context(), c, "weather", h.NewMessage(t.Context(), nil), nil); err == nil || err.Tag != abimessaging.ErrorPermissionDenied {
		t.Errorf("a topic that the app may not publish to: got %v", err)
	}
	raw := h.NewMessage(t.Context(), nil)
	raw.AddMetadata(t.Context(), "rawPayload", "true")
	if _, err := h.Request(t.Context(), c, "questions", raw, nil); err == nil || !strings.Contains(err.Value, "rawPayload") {
		t.Errorf("raw: got %v", err)
	}
}

// TestForgedReplyTo publishes to no topic that is no host's inbox, whatever a request says.
func TestForgedReplyTo(t *testing.T) {
	h := broker(t, nil)
	forged := received(abipubsub.Event{ID: "1", Pubsub: "pubsub", Extensions: abipubsub.Metadata{{F0: "mrtreplyto", F1: "secret"}, {F0: "mrtreplyid", F1: "x"}}})
	if err := h.Reply(t.Context(), forged, h.NewMessage(t.Context(), nil)); err == nil || err.Tag != abimessaging.ErrorPermissionDenied {
		t.Errorf("got %v; want permission-denied", err)
	}
	if err := h.Reply(t.Context(), h.NewMessage(t.Context(), nil), h.NewMessage(t.Context(), nil)); err != nil {
		t.Errorf("a message that is no request: got %v; want nothing", err)
	}
}

func TestMessageMetadata(t *testing.T) {
	m := (&Host{}).NewMessage(t.Context(), []byte("a"))
	if m.Metadata(t.Context()) != nil || m.Topic(t.Context()) != nil || m.ContentType(t.Context()) != nil {
		t.Error("a new message has more than data")
	}
	m.SetMetadata(t.Context(), abimessaging.Metadata{{F0: "a", F1: "1"}, {F0: "b", F1: "2"}, {F0: "a", F1: "3"}})
	m.AddMetadata(t.Context(), "c", "4")
	m.AddMetadata(t.Context(), "b", "5")
	m.RemoveMetadata(t.Context(), "none")
	if got := fmt.Sprint(*m.Metadata(t.Context())); got != "[{a 3} {b 5} {c 4}]" {
		t.Errorf("got %s", got)
	}
	for _, name := range []string{"a", "b", "c"} {
		m.RemoveMetadata(t.Context(), name)
	}
	if m.Metadata(t.Context()) != nil {
		t.Error("want none when all are removed")
	}
	for i := range maxMetadata + 1 {
		m.AddMetadata(t.Context(), fmt.Sprint(i), "")
	}
	if got := len(*m.Metadata(t.Context())); got != maxMetadata {
		t.Errorf("got %d pairs; want at most %d", got, maxMetadata)
	}
	m.SetData(t.Context(), []byte("b"))
	if string(m.Data(t.Context())) != "b" {
		t.Error("set-data changed nothing")
	}
}
