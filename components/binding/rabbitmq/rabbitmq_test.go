package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// patience is how long anything may take that has to happen.
const patience = 90 * time.Second

var server = sync.OnceValue(func() *testserver.RabbitMQServer { return testserver.RabbitMQ(testserver.Shared) })

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

// queueOf gives each test its own queue.
func queueOf(t testing.TB) string { return strings.ReplaceAll(t.Name(), "/", ".") }

func tryOpen(t testing.TB, metadata ...string) (*queue, error) {
	t.Helper()
	fields := component.Metadata{"host": server().URL(), "queueName": queueOf(t), "durable": "true", "reconnectWaitInSeconds": "1"}
	maps.Copy(fields, pairs(metadata))
	b, err := Spec.New(t.Context(), component.Config{Name: "orders", Metadata: fields})
	if err != nil {
		return nil, err
	}
	return b.(*queue), nil
}

func pairs(list []string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(list); i += 2 {
		out[list[i]] = list[i+1]
	}
	return out
}

func openQueue(t testing.TB, metadata ...string) *queue {
	t.Helper()
	q, err := tryOpen(t, metadata...)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// openClosed is openQueue for a test of its own.
func openClosed(t testing.TB, metadata ...string) *queue {
	t.Helper()
	q := openQueue(t, metadata...)
	t.Cleanup(func() {
		if err := q.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return q
}

func request(data string, metadata ...string) *binding.Request {
	return &binding.Request{Operation: "create", Data: []byte(data), Metadata: pairs(metadata)}
}

func create(t testing.TB, q *queue, data string, metadata ...string) {
	t.Helper()
	if _, err := q.Invoke(t.Context(), request(data, metadata...)); err != nil {
		t.Fatal(err)
	}
}

// emit publishes by the binding under test; the server may be coming back.
func emit(t testing.TB, b binding.Binding, text string) {
	until(t, "publish "+text, func() bool {
		_, err := b.(*queue).Invoke(t.Context(), request(text))
		return err == nil || t.Context().Err() != nil
	})
}

func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%s: not within %s", what, patience)
			return
		}
	}
}

// read starts a reader that is stopped before the binding is closed.
func read(t testing.TB, q *queue, consumer string, handle func(*binding.Event) error) <-chan *binding.Event {
	t.Helper()
	got := make(chan *binding.Event, 1000)
	r, err := q.Read(t.Context(), consumer, func(_ context.Context, ev *binding.Event) ([]byte, error) {
		got <- ev
		if handle == nil {
			return nil, nil
		}
		return nil, handle(ev)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return got
}

func next(t testing.TB, got <-chan *binding.Event) *binding.Event {
	t.Helper()
	select {
	case ev := <-got:
		return ev
	case <-time.After(patience):
		t.Fatalf("no event within %s", patience)
		return nil
	}
}

// raw is a client as another program has it.
func raw(t testing.TB) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(server().URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestConformance(t *testing.T) {
	long := strings.Repeat("x", 256)
	bindingtest.Run(t, func(t testing.TB) binding.Binding { return openQueue(t) }, bindingtest.Caps{
		Operations: []string{"create"},
		Works: []binding.Request{
			*request("x"), *request("", "X-Head", "v"), *request("x", "ttlInSeconds", "60", "priority", "3", "messageID", "m", "correlationID", "c", "type", "t"),
			*request("x", "ttl", "1500ms", "Ünicode key", "a\r\nb"),
		},
		Invalid: []binding.Request{
			*request("x", "ttlInSeconds", "0"), *request("x", "ttlInSeconds", "soon"), *request("x", "ttl", "2000h"), *request("x", "priority", "256"),
			*request("x", "messageID", long), *request("x", "contentType", long), *request("x", long, "v"), *request("x", "CC", "other"),
		},
		Stop: func(testing.TB) { server().Stop() }, Start: func(testing.TB) { server().Start() },
		Emit: emit, Redelivers: true, Keeps: true, Groups: true,
	})
}

// killed is a server that is killed instead of stopped.
type killed struct{ *testserver.RabbitMQServer }

func (k killed) Stop() { k.Kill() }

func TestFaults(t *testing.T) {
	q := openClosed(t, "concurrency", "10")
	var mu sync.Mutex
	arrived := map[int]bool{}
	failed := 0
	read(t, q, "app", func(ev *binding.Event) error {
		n, err := strconv.Atoi(string(ev.Data))
		mu.Lock()
		defer mu.Unlock()
		if failed++; failed%10 == 0 {
			return errors.New("refused by the test")
		}
		arrived[n] = true
		return err
	})
	faulttest.Run(t, killed{server()}, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			_, err := q.Invoke(ctx, request(strconv.Itoa(n)))
			return err
		},
		Arrived: func(context.Context) (map[int]bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(arrived), nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, binding.ErrUnavailable) },
		Credentials: []string{server().Password},
		Bound:       45 * time.Second,
	})
}

func permanent(err error) bool {
	_, is := errors.AsType[*component.PermanentError](err)
	return is
}

func TestBadSettings(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"host", "", "host"},
		{"host", "amqp://shop:planted-secret@127.0.0.1:x", "host"},
		{"queueName", "", "queueName"},
		{"queueName", "line\nbreak", "queueName"},
		{"queueName", strings.Repeat("q", 256), "queueName"},
		{"queueName", "amq.reserved", "queue amq.reserved"},
		{"ttlInSeconds", "-5", "ttl"},
		{"ttl", "soon", "ttl"},
		{"maxPriority", "-1", "maxPriority"},
		{"prefetchCount", "65536", "prefetchCount"},
		{"concurrency", "0", "concurrency"},
		{"maxDeliver", "0", "maxDeliver"},
		{"contentType", strings.Repeat("c", 256), "contentType"},
		{"reconnectWaitInSeconds", "-1s", "connecting again"},
		{"externalSasl", "true", "externalSasl"},
		{"caCert", "x", "caCert"},
		{"clientKey", "planted-secret", "clientKey"},
	} {
		_, err := tryOpen(t, test.name, test.value)
		if !permanent(err) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s %.40q: got %v, want a permanent error that names %s and has no credential", test.name, test.value, err, test.want)
		}
	}
	openClosed(t)
	if _, err := tryOpen(t, "durable", "false"); !permanent(err) || !strings.Contains(err.Error(), "other settings") {
		t.Errorf("a queue that has other settings: got %v, want a permanent error that says so", err)
	}
	for _, f := range component.Fields(&settings{}) {
		if f.Doc == "" {
			t.Errorf("field %s has no doc", f.Name)
		}
	}
}

func TestServerDownAndCredentials(t *testing.T) {
	s := server()
	for host, want := range map[string]struct {
		permanent bool
		text      string
	}{
		fmt.Sprintf("amqp://shop:planted-secret@127.0.0.1:%d", testserver.FreePort(t)): {false, "does not answer"},
		"amqp://shop:planted-secret@" + s.Addr:                                         {true, "refuses the credentials"},
		"amqp://shop:" + s.Password + "@" + s.Addr + "/nowhere":                        {true, "virtual host"},
	} {
		var told strings.Builder
		_, err := Spec.New(t.Context(), component.Config{
			Name: "orders", Metadata: component.Metadata{"host": host, "queueName": "q"},
			Log: slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err == nil || permanent(err) != want.permanent || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: got %v, want one that says: %s", want.text, err, want.text)
		}
		for _, secret := range []string{"planted", s.Password} {
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err)+told.String(), secret) {
				t.Errorf("%s: the error or the log has the password: %v\n%s", want.text, err, told.String())
			}
		}
	}
}

// Messages and the queue are those of Dapr: it is declared here again with Dapr's arguments, and the server refuses others.
func TestQueueIsDaprs(t *testing.T) {
	q := openClosed(t, "durable", "false", "ttlInSeconds", "60", "maxPriority", "300", "contentType", "text/x")
	ch := raw(t)
	args := amqp.Table{"x-message-ttl": 60000, "x-max-priority": uint8(255)}
	if _, err := ch.QueueDeclare(queueOf(t), false, false, false, false, args); err != nil {
		t.Fatal(err)
	}
	create(t, q, "text", "priority", "9", "ttlInSeconds", "5", "correlationID", "c", "key", "v")
	d, ok, err := ch.Get(queueOf(t), true)
	if err != nil || !ok {
		t.Fatalf("the queue is empty, %v", err)
	}
	if string(d.Body) != "text" || d.ContentType != "text/x" || d.DeliveryMode != amqp.Persistent || d.Priority != 9 || d.Expiration != "5000" ||
		d.CorrelationId != "c" || d.MessageId == "" || d.Headers["key"] != "v" || d.Headers["priority"] != "9" {
		t.Errorf("at the server: %+v", d)
	}
	got := read(t, q, "app", nil)
	err = ch.PublishWithContext(t.Context(), "", queueOf(t), false, false, amqp.Publishing{
		ContentType: "text/plain", ReplyTo: "r", Headers: amqp.Table{"text": "v", "number": int64(5), "bytes": []byte("b"), "list": []any{"x"}}, Body: []byte("theirs"),
	})
	if err != nil {
		t.Fatal(err)
	}
	ev := next(t, got)
	if all := fmt.Sprint(string(ev.Data), ev.ContentType, ev.Metadata["text"], ev.Metadata["number"], ev.Metadata["bytes"], ev.Metadata["list"], ev.Metadata["replyTo"], ev.Metadata["attempt"]); all != "theirstext/plainv5br1" {
		t.Errorf("event: got %s of %+v", all, ev)
	}
}

func TestHigherPriorityComesFirst(t *testing.T) {
	q := openClosed(t, "maxPriority", "10")
	for p := range 5 {
		create(t, q, strconv.Itoa(p), "priority", strconv.Itoa(p))
	}
	got := read(t, q, "app", nil)
	for p := 4; p >= 0; p-- {
		if ev := next(t, got); string(ev.Data) != strconv.Itoa(p) {
			t.Errorf("got %s, want %d", ev.Data, p)
		}
	}
}

// A queue that somebody deletes is made again, and no message is told to be there that is not.
func TestQueueDeletedWhileRunning(t *testing.T) {
	q := openClosed(t)
	create(t, q, "gone")
	if _, err := raw(t).QueueDelete(queueOf(t), false, false, false); err != nil {
		t.Fatal(err)
	}
	create(t, q, "kept")
	got := read(t, q, "app", nil)
	if ev := next(t, got); string(ev.Data) != "kept" {
		t.Errorf("got %q", ev.Data)
	}
	// The reader comes back too.
	if _, err := raw(t).QueueDelete(queueOf(t), false, false, false); err != nil {
		t.Fatal(err)
	}
	create(t, q, "again")
	if ev := next(t, got); string(ev.Data) != "again" {
		t.Errorf("got %q", ev.Data)
	}
}

func TestExclusive(t *testing.T) {
	q := openClosed(t, "exclusive", "true", "durable", "false")
	got := read(t, q, "app", nil)
	create(t, q, "mine")
	if ev := next(t, got); string(ev.Data) != "mine" {
		t.Errorf("got %q", ev.Data)
	}
	if _, err := tryOpen(t, "exclusive", "true", "durable", "false"); err == nil || !strings.Contains(err.Error(), "exclusive") {
		t.Errorf("a second one: got %v, want an error that says that the queue is exclusive", err)
	}
}

func TestMaxDeliver(t *testing.T) {
	q := openClosed(t, "maxDeliver", "2")
	got := read(t, q, "app", func(ev *binding.Event) error {
		if string(ev.Data) == "bad" {
			return errors.New("refused by the test")
		}
		return nil
	})
	create(t, q, "bad")
	for n := 1; n <= 2; n++ {
		if ev := next(t, got); string(ev.Data) != "bad" || ev.Metadata["attempt"] != strconv.Itoa(n) {
			t.Errorf("delivery %d: got %q, attempt %s", n, ev.Data, ev.Metadata["attempt"])
		}
	}
	create(t, q, "good")
	if ev := next(t, got); string(ev.Data) != "good" {
		t.Errorf("got %q, want no third delivery", ev.Data)
	}
}

// When one of two consumers fails, only that one gets the message again.
func TestConsumersFailAlone(t *testing.T) {
	q := openClosed(t)
	n := 0
	one := read(t, q, "one", nil)
	two := read(t, q, "two", func(*binding.Event) error {
		if n++; n < 3 {
			return errors.New("refused by the test")
		}
		return nil
	})
	create(t, q, "first")
	create(t, q, "last")
	for last := 0; last < 1; {
		if string(next(t, two).Data) == "last" {
			last++
		}
	}
	for _, want := range []string{"first", "last"} {
		if ev := next(t, one); string(ev.Data) != want {
			t.Errorf("consumer one: got %q, want %q", ev.Data, want)
		}
	}
	until(t, "all is acknowledged", func() bool {
		state, err := raw(t).QueueDeclarePassive(queueOf(t), true, false, false, false, nil)
		return err == nil && state.Messages == 0
	})
	if len(one) > 0 {
		t.Errorf("consumer one got %q again", (<-one).Data)
	}
}
