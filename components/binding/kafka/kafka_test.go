package kafka

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// server is the one of all tests: it takes long to start.
var server = sync.OnceValue(func() *testserver.KafkaServer { return testserver.Kafka(testserver.Shared) })

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

func tryOpen(ctx context.Context, fields component.Metadata) (binding.Binding, error) {
	all := component.Metadata{"authType": "none", "heartbeatInterval": "200ms", "consumeRetryInterval": "20ms"}
	maps.Copy(all, fields)
	return Spec.New(ctx, component.Config{Name: "events", Metadata: all, Log: slog.New(slog.DiscardHandler)})
}

func openWith(t testing.TB, fields component.Metadata) binding.Binding {
	t.Helper()
	all := component.Metadata{"brokers": server().Addr}
	maps.Copy(all, fields)
	b, err := tryOpen(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func create(topic, data string, metadata ...string) binding.Request {
	r := binding.Request{Operation: "create", Data: []byte(data), Metadata: map[string]string{}}
	if topic != "" {
		r.Metadata["topic"] = topic
	}
	for i := 0; i < len(metadata); i += 2 {
		r.Metadata[metadata[i]] = metadata[i+1]
	}
	return r
}

func TestConformance(t *testing.T) {
	fields := component.Metadata{"topics": "in, in2", "publishTopic": "in", "consumeRetryEnabled": "true"}
	var emits sync.Map
	bindingtest.Run(t, func(t testing.TB) binding.Binding { return openWith(t, fields) }, bindingtest.Caps{
		Operations: []string{"create"}, Works: []binding.Request{create("", "x"), create("in2", "x", "partitionKey", "k", "partitionNumber", "0")},
		Invalid: []binding.Request{create("no topic", "x"), create("", "x", "partitionNumber", "-1"), create("", "x", "partitionNumber", "4")},
		Stop:    func(testing.TB) { server().Stop() }, Start: func(testing.TB) { server().Start() },
		Emit: func(t testing.TB, b binding.Binding, text string) {
			n, _ := emits.LoadOrStore(t, new(int))
			*n.(*int)++
			req := create([]string{"in", "in2"}[*n.(*int)%2], text)
			if _, err := b.(binding.Output).Invoke(t.Context(), &req); err != nil {
				t.Errorf("emit %s: %v", text, err)
			}
		},
		Redelivers: true, Keeps: true, Groups: true,
	})
}

// As in Dapr, what failed is left out without consumeRetryEnabled.
func TestFailedEventIsLeftOut(t *testing.T) {
	b := openWith(t, component.Metadata{"topics": "failing", "publishTopic": "failing", "consumerGroup": "own"})
	got := make(chan string, 10)
	r, err := b.(binding.Input).Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		got <- string(ev.Data)
		return nil, errors.New("refused")
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		req := create("", text, "partitionKey", "k")
		if _, err := b.(binding.Output).Invoke(t.Context(), &req); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"one", "two"} {
		select {
		case text := <-got:
			if text != want {
				t.Errorf("got %q, want %q", text, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%q does not come", want)
		}
	}
	if err := errors.Join(r.Stop(t.Context()), b.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

// What is published is what Dapr publishes: value, key and headers.
func TestRecords(t *testing.T) {
	b := openWith(t, component.Metadata{"publishTopic": "records"})
	defer func() { _ = b.Close(context.Background()) }()
	if _, ok := b.(binding.Input); ok {
		t.Error("a binding without topics is an input")
	}
	out := b.(binding.Output)
	reply, err := out.Invoke(t.Context(), new(create("", `"text"`, "partitionKey", "k", "colour", "blue", "partitionNumber", "2")))
	if err != nil || reply.Metadata["topic"] != "records" || reply.Metadata["partition"] != "2" || reply.Metadata["offset"] != "0" {
		t.Fatalf("got %v, %v", reply, err)
	}
	if _, err := out.Invoke(t.Context(), &binding.Request{Operation: "create", Metadata: map[string]string{"partitionKey": "k", "partitionNumber": "2"}}); err != nil {
		t.Fatal(err)
	}
	client := server().Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"records": {2: kgo.NewOffset().AtStart()}}))
	defer client.Close()
	var records []*kgo.Record
	for len(records) < 2 {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		records = append(records, fetches.Records()...)
	}
	headers := map[string]string{}
	for _, h := range records[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	want := map[string]string{"partitionKey": "k", "colour": "blue", "partitionNumber": "2"}
	if string(records[0].Value) != `"text"` || string(records[0].Key) != "k" || !maps.Equal(headers, want) {
		t.Errorf("got value %s, key %s, headers %v", records[0].Value, records[0].Key, headers)
	}
	if records[1].Value != nil || string(records[1].Key) != "k" {
		t.Errorf("without data: got value %q, want a tombstone", records[1].Value)
	}
}

func TestBadSettings(t *testing.T) {
	for _, test := range []struct {
		fields component.Metadata
		want   string
	}{
		{component.Metadata{"brokers": ""}, "brokers"},
		{component.Metadata{"direction": "input"}, "topics"},
		{component.Metadata{"authType": "password"}, "saslUsername"},
	} {
		all := component.Metadata{"brokers": "127.0.0.1:1"}
		maps.Copy(all, test.fields)
		_, err := tryOpen(t.Context(), all)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want a permanent error that names %s", test.fields, err, test.want)
		}
	}
	b := openWith(t, nil)
	defer func() { _ = b.Close(context.Background()) }()
	if _, err := b.(binding.Output).Invoke(t.Context(), new(create("", "x"))); !errors.Is(err, binding.ErrInvalid) || !strings.Contains(err.Error(), "publishTopic") {
		t.Errorf("no topic: got %v, want ErrInvalid that names publishTopic", err)
	}
}
