package kafka

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// patience is how long anything may take that has to happen.
const patience = 90 * time.Second

func TestFaults(t *testing.T) {
	b := openClosed(t, component.Metadata{
		"brokers": server().SASLAddr, "authType": "password", "disableTls": "true", "saslMechanism": "SHA-512",
		"saslUsername": server().User, "saslPassword": server().Password,
	})
	var mu sync.Mutex
	arrived := map[int]bool{}
	consume(t, b, "faults", func(msg pubsub.Message) error {
		n, err := strconv.Atoi(string(msg.Data))
		mu.Lock()
		defer mu.Unlock()
		arrived[n] = true
		return err
	})
	faulttest.Run(t, server(), faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			return b.Publish(ctx, pubsub.Message{Topic: "faults", Data: []byte(strconv.Itoa(n)), Metadata: map[string]string{"partitionKey": strconv.Itoa(n)}})
		},
		Arrived: func(context.Context) (map[int]bool, error) {
			mu.Lock()
			defer mu.Unlock()
			got := make(map[int]bool, len(arrived))
			for n := range arrived {
				got[n] = true
			}
			return got, nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, pubsub.ErrUnavailable) },
		Credentials: []string{server().Password},
		Bound:       30 * time.Second,
	})
}

func TestServerGoesDown(t *testing.T) {
	b := openClosed(t, nil)
	topic := fresh("down")
	handled := consume(t, b, topic, nil)
	send(t, b, topic, "before")
	next(t, handled)
	up := stopServer(t)
	if err := b.Publish(t.Context(), pubsub.Message{Topic: topic}); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("publish: got %v, want ErrUnavailable", err)
	}
	if err := b.Publish(t.Context(), pubsub.Message{Topic: fresh("new")}); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("publish to a new topic: got %v, want ErrUnavailable", err)
	}
	if _, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: topic, Consumer: "other"}, nil); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("subscribe: got %v, want ErrUnavailable", err)
	}
	if err := b.Ping(t.Context()); !errors.Is(err, pubsub.ErrUnavailable) {
		t.Errorf("ping: got %v, want ErrUnavailable", err)
	}
	if _, err := openAt(t.Context(), server().Addr); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("open: got %v, want an error that says that the server does not answer", err)
	}
	up()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := b.Publish(t.Context(), pubsub.Message{Topic: topic, Data: []byte("after")})
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("publish after the server is back: %v", err)
		}
	}
	for {
		if string(next(t, handled).Data) == "after" {
			return
		}
	}
}

// A consumer stops while the server is away; what it has handled meanwhile comes again, and nothing is left running.
func TestStopWhileServerIsAway(t *testing.T) {
	topic := fresh("away")
	b := openWith(t, nil).(*broker)
	entered, leave := make(chan struct{}), make(chan struct{})
	c, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: topic, Consumer: "g"}, func(context.Context, pubsub.Message) error {
		close(entered)
		<-leave
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	send(t, b, topic, "kept")
	<-entered
	up := stopServer(t)
	close(leave)
	if err := errors.Join(c.Stop(t.Context()), b.Close(t.Context())); err != nil {
		t.Errorf("stop and close: %v", err)
	}
	nothingRuns(t)
	up()
	if msg := next(t, consume(t, openClosed(t, nil), topic, nil)); string(msg.Data) != "kept" {
		t.Errorf("got %q", msg.Data)
	}
}

// stopServer gives the function that starts it again, which is called at the end of the test if it was not before.
func stopServer(t *testing.T) (up func()) {
	t.Helper()
	server().Stop()
	up = sync.OnceFunc(server().Start)
	t.Cleanup(up)
	return up
}

// nothingRuns waits until no goroutine of the driver or its client library is left.
func nothingRuns(t *testing.T) {
	t.Helper()
	var left []string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		left = nil
		for stack := range strings.SplitSeq(string(buf), "\n\n") {
			if strings.Contains(stack, "franz-go") || strings.Contains(stack, "internal/kafkaconn.") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("%d goroutines are left, the first one: %s", len(left), left[0])
}
