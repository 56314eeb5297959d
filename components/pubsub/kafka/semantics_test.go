package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

func fresh(name string) string { return name + "-" + strings.ToLower(rand.Text()[:8]) }

// openClosed opens a broker that is closed at the end, after its consumers are stopped.
func openClosed(t *testing.T, fields component.Metadata) *broker {
	t.Helper()
	b := openWith(t, fields).(*broker)
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

func send(t *testing.T, b pubsub.Broker, topic, data string, metadata ...string) {
	t.Helper()
	msg := pubsub.Message{Topic: topic, Data: []byte(data), Metadata: map[string]string{}}
	for i := 0; i < len(metadata); i += 2 {
		msg.Metadata[metadata[i]] = metadata[i+1]
	}
	if err := b.Publish(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

// subscribe starts a consumer of group g.
func subscribe(t *testing.T, b pubsub.Broker, sub pubsub.Subscription, handle func(pubsub.Message) error) (pubsub.Consumer, <-chan pubsub.Message) {
	t.Helper()
	got := make(chan pubsub.Message, 10000)
	if sub.Consumer == "" {
		sub.Consumer = "g"
	}
	c, err := b.Subscribe(t.Context(), sub, func(_ context.Context, msg pubsub.Message) error {
		got <- msg
		if handle == nil {
			return nil
		}
		return handle(msg)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c, got
}

func consume(t *testing.T, b pubsub.Broker, topic string, handle func(pubsub.Message) error) <-chan pubsub.Message {
	t.Helper()
	_, got := subscribe(t, b, pubsub.Subscription{Topic: topic}, handle)
	return got
}

func stop(t *testing.T, c pubsub.Consumer) {
	t.Helper()
	if err := c.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func next(t *testing.T, got <-chan pubsub.Message) pubsub.Message {
	t.Helper()
	select {
	case msg := <-got:
		return msg
	case <-time.After(patience):
		t.Fatalf("no message within %s", patience)
		return pubsub.Message{}
	}
}

// What Dapr writes: metadata as headers, no content type, the key of partitionKey.
func TestRecordsOfDapr(t *testing.T) {
	b := openClosed(t, component.Metadata{"excludeHeaderMetaRegex": "^hidden"})
	topic := fresh("dapr")
	got := consume(t, b, topic, nil)
	client := server().Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer client.Close()
	at := time.UnixMilli(1_700_000_000_123)
	rec := &kgo.Record{
		Topic: topic, Partition: 3, Key: []byte("k/1"), Value: []byte(`{"id":"1"}`), Timestamp: at,
		Headers: []kgo.RecordHeader{{Key: "partitionKey", Value: []byte("k/1")}, {Key: "hidden-1", Value: []byte("x")}, {Key: "content-type", Value: []byte("application/json")}},
	}
	if err := client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
	msg := next(t, got)
	want := map[string]string{
		"__key": "k/1", "__offset": "0", "__partition": "3", "__topic": topic, "__timestamp": "1700000000123", "partitionKey": "k/1", "content-type": "application/json",
	}
	if string(msg.Data) != `{"id":"1"}` || msg.Topic != topic || msg.ContentType != "application/json" || !maps.Equal(msg.Metadata, want) || msg.Attempt != 1 {
		t.Errorf("got %+v, want metadata %v", msg, want)
	}
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("k/1")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if msg := next(t, got); string(msg.Data) != "null" {
		t.Errorf("tombstone: got %q, want null", msg.Data)
	}
}

func TestEscapedHeaders(t *testing.T) {
	b := openClosed(t, component.Metadata{"escapeHeaders": "true"})
	topic := fresh("escape")
	got := consume(t, b, topic, nil)
	send(t, b, topic, "x", "partitionKey", "a b/ü", "line", "a\nb")
	msg := next(t, got)
	if msg.Metadata["__key"] != "a+b%2F%C3%BC" || msg.Metadata["line"] != "a%0Ab" {
		t.Errorf("got %v", msg.Metadata)
	}
}

func TestPartitions(t *testing.T) {
	b := openClosed(t, nil)
	topic := fresh("partitions")
	got := consume(t, b, topic, nil)
	for _, n := range []string{"2", "0", "3"} {
		send(t, b, topic, "x", "partitionNumber", n, "partitionKey", "same")
		if msg := next(t, got); msg.Metadata["__partition"] != n || msg.Metadata["__key"] != "same" {
			t.Errorf("partition %s: got %v", n, msg.Metadata)
		}
	}
	for _, n := range []string{"-1", "4", "one"} {
		err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Metadata: map[string]string{"partitionNumber": n}})
		if !errors.Is(err, pubsub.ErrInvalid) || !strings.Contains(err.Error(), "partitionNumber") {
			t.Errorf("partition %s: got %v, want ErrInvalid", n, err)
		}
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Metadata: map[string]string{"valueSchemaType": "Avro"}}); !errors.Is(err, pubsub.ErrInvalid) {
		t.Errorf("with a schema: got %v, want ErrInvalid", err)
	}
	_, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: topic, Consumer: "g", Metadata: map[string]string{"valueSchemaType": "Avro"}}, nil)
	if !errors.Is(err, pubsub.ErrInvalid) {
		t.Errorf("subscribe with a schema: got %v, want ErrInvalid", err)
	}
}

func TestInitialOffset(t *testing.T) {
	topic := fresh("initial")
	newest, oldest := openClosed(t, nil), openClosed(t, component.Metadata{"initialOffset": "oldest", "consumerGroup": fresh("own")})
	send(t, newest, topic, "before")
	late := consume(t, newest, topic, nil)
	send(t, newest, topic, "after")
	if msg := next(t, late); string(msg.Data) != "after" {
		t.Errorf("newest: got %q", msg.Data)
	}
	all := consume(t, oldest, topic, nil)
	texts := []string{string(next(t, all).Data), string(next(t, all).Data)}
	slices.Sort(texts)
	if !slices.Equal(texts, []string{"after", "before"}) {
		t.Errorf("oldest: got %v", texts)
	}
}

// A group that has members for another topic already cannot be given offsets from outside.
func TestNewTopicInBusyGroup(t *testing.T) {
	b, group := openClosed(t, component.Metadata{"consumerGroup": fresh("busy")}), ""
	first := fresh("first")
	got := consume(t, b, first, nil)
	send(t, b, first, "x")
	next(t, got)
	second := fresh("second")
	send(t, b, second, "before")
	_, more := subscribe(t, b, pubsub.Subscription{Topic: second, Consumer: group}, nil)
	send(t, b, second, "after")
	if msg := next(t, more); string(msg.Data) != "after" {
		t.Errorf("got %q", msg.Data)
	}
	send(t, b, first, "y")
	if msg := next(t, got); string(msg.Data) != "y" {
		t.Errorf("got %q", msg.Data)
	}
}

// A message that fails holds up its partition, and no other.
func TestOrderAcrossFailures(t *testing.T) {
	b := openClosed(t, nil)
	topic := fresh("failures")
	open := make(chan struct{})
	got := consume(t, b, topic, func(msg pubsub.Message) error {
		select {
		case <-open:
			return nil
		default:
		}
		if string(msg.Data) == "0-0" {
			return errors.New("refused")
		}
		return nil
	})
	for i := range 5 {
		for p := range 2 {
			send(t, b, topic, fmt.Sprintf("%d-%d", p, i), "partitionNumber", strconv.Itoa(p))
		}
	}
	seen := map[string][]string{}
	for tries := 0; len(seen["1"]) < 5 || tries < 3; {
		msg := next(t, got)
		if string(msg.Data) == "0-0" {
			if tries++; msg.Attempt != tries {
				t.Errorf("attempt %d: got %d", tries, msg.Attempt)
			}
			continue
		}
		p := msg.Metadata["__partition"]
		seen[p] = append(seen[p], string(msg.Data))
	}
	if len(seen["0"]) > 0 {
		t.Errorf("messages came before one that failed: %v", seen["0"])
	}
	close(open)
	for len(seen["0"]) < 4 {
		if msg := next(t, got); string(msg.Data) != "0-0" {
			seen["0"] = append(seen["0"], string(msg.Data))
		}
	}
	for p, want := range map[string][]string{"0": {"0-1", "0-2", "0-3", "0-4"}, "1": {"1-0", "1-1", "1-2", "1-3", "1-4"}} {
		if !slices.Equal(seen[p], want) {
			t.Errorf("partition %s: got %v, want %v", p, seen[p], want)
		}
	}
}

func TestRetryDisabled(t *testing.T) {
	b := openClosed(t, component.Metadata{"consumeRetryEnabled": "false"})
	topic := fresh("once")
	got := consume(t, b, topic, func(pubsub.Message) error { return errors.New("refused") })
	for _, text := range []string{"one", "two"} {
		send(t, b, topic, text, "partitionKey", "k")
		if msg := next(t, got); string(msg.Data) != text || msg.Attempt != 1 {
			t.Errorf("got %q, attempt %d", msg.Data, msg.Attempt)
		}
	}
}

// Many more messages than are read ahead come, and in order.
func TestReadAheadIsBounded(t *testing.T) {
	b := openClosed(t, component.Metadata{"channelBufferSize": "3"})
	topic := fresh("ahead")
	msgs := make([]pubsub.Message, 500)
	for i := range msgs {
		msgs[i] = pubsub.Message{Topic: topic, Data: []byte(strconv.Itoa(i)), Metadata: map[string]string{"partitionKey": "k"}}
	}
	got := consume(t, b, topic, nil)
	errs, err := b.BulkPublish(t.Context(), msgs)
	if err = errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	for i := range msgs {
		if msg := next(t, got); string(msg.Data) != strconv.Itoa(i) {
			t.Fatalf("got %s, want %d", msg.Data, i)
		}
	}
}

// As apps take messages in bulk: many of one partition at once, of which one fails for a while.
func TestManyAtOnceOfOnePartition(t *testing.T) {
	b := openClosed(t, nil)
	topic := fresh("many")
	const n = 20
	var mu sync.Mutex
	waiting, all := 0, make(chan struct{})
	failed := false
	c, got := subscribe(t, b, pubsub.Subscription{Topic: topic, InFlight: n}, func(msg pubsub.Message) error {
		mu.Lock()
		if waiting++; waiting == n {
			close(all)
		}
		fails := string(msg.Data) == "3" && !failed
		failed = failed || fails
		mu.Unlock()
		<-all
		if fails {
			return errors.New("refused")
		}
		return nil
	})
	for i := range n {
		send(t, b, topic, strconv.Itoa(i), "partitionKey", "k")
	}
	for range n + 1 {
		next(t, got)
	}
	stop(t, c)
	// All of them are committed.
	client := server().Client()
	defer client.Close()
	offsets, err := kadm.NewClient(client).FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic {
			sum += o.At
		}
	})
	if sum != n {
		t.Errorf("offsets add up to %d, want %d", sum, n)
	}
}

// A member of Dapr's knows only its own strategy; the group then takes that one.
func TestGroupWithDapr(t *testing.T) {
	topic, group := fresh("mixed"), fresh("group")
	b := openClosed(t, component.Metadata{"consumerGroup": group})
	got := consume(t, b, topic, nil)
	other := server().Client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(kgo.RangeBalancer()), kgo.HeartbeatInterval(200*time.Millisecond))
	defer other.Close()
	ours, theirs := false, false
	for i, end := 0, time.Now().Add(patience); !ours || !theirs; i++ {
		if time.Now().After(end) {
			t.Fatalf("both get messages: not within %s; we: %v, the other: %v", patience, ours, theirs)
		}
		send(t, b, topic, "x", "partitionNumber", strconv.Itoa(i%4))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		theirs = other.PollFetches(ctx).NumRecords() > 0 || theirs
		cancel()
		select {
		case <-got:
			ours = true
		default:
		}
	}
}

func TestStrategies(t *testing.T) {
	for _, strategy := range []string{"range", "sticky", "roundrobin"} {
		t.Run(strategy, func(t *testing.T) {
			topic := fresh("strategy")
			b := openClosed(t, component.Metadata{"consumerGroupRebalanceStrategy": strategy})
			also := make(chan string, 10000)
			_, first := subscribe(t, b, pubsub.Subscription{Topic: topic}, nil)
			var second <-chan pubsub.Message
			missing := map[string]bool{}
			// Both have to get messages, and together all of them.
			for i, end := 0, time.Now().Add(patience); i < 40 || len(missing) > 0 || len(second) == 0; i++ {
				if time.Now().After(end) {
					t.Fatalf("%d messages did not come, the second consumer got %d", len(missing), len(second))
				}
				if i == 20 {
					_, second = subscribe(t, b, pubsub.Subscription{Topic: topic}, func(msg pubsub.Message) error {
						also <- string(msg.Data)
						return nil
					})
				}
				text := strconv.Itoa(i)
				missing[text] = true
				send(t, b, topic, text)
				for len(first) > 0 {
					delete(missing, string((<-first).Data))
				}
				for len(also) > 0 {
					delete(missing, <-also)
				}
			}
		})
	}
}

// A topic that is deleted and comes again is read from its beginning.
func TestTopicDeletedWhileRunning(t *testing.T) {
	b := openClosed(t, component.Metadata{"clientConnectionTopicMetadataRefreshInterval": "1s"})
	topic := fresh("deleted")
	got := consume(t, b, topic, nil)
	send(t, b, topic, "one")
	next(t, got)
	client := server().Client()
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Data: []byte("two")}) // fails until it is made again
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if msg := next(t, got); string(msg.Data) != "two" {
		t.Errorf("got %q", msg.Data)
	}
}
