package mqttconn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

// A message whose handler runs while the server is stopped and started, or which waits for its next try, is not handled a
// second time because the server sends it again.
func TestReconnectHandlesOnce(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		c, log := openLogged(t, v5, at(server))
		release, away := make(chan struct{}), make(chan struct{})
		sub := Subscription{Filter: "once/" + t.Name(), InFlight: 20}
		var mu sync.Mutex
		calls := map[string]int{}
		in := consume(t, c, sub, func(_ context.Context, text string) error {
			mu.Lock()
			calls[text]++
			n := calls[text]
			mu.Unlock()
			switch {
			case text == "runs on":
				<-release
			case text == "ends meanwhile":
				<-away
			case text == "fails" && n < 4:
				return errors.New("refused by the test")
			}
			return nil
		})
		send(t, c, "once/"+t.Name(), "runs on", "ends meanwhile", "fails")
		for range 3 {
			<-in.got
		}
		server.Stop()
		awaitLine(t, log, "is lost; connecting again\" topic=once")
		close(away)
		server.Start()
		send(t, c, "once/"+t.Name(), "after")
		for text := range in.got {
			if text == "after" {
				break
			}
		}
		close(release)
		for text := range in.got {
			mu.Lock()
			n := calls["fails"]
			mu.Unlock()
			if text == "fails" && n == 4 {
				break
			}
		}
		in.stop(t)
		want := map[string]int{"runs on": 1, "ends meanwhile": 1, "fails": 4, "after": 1}
		if !maps.Equal(calls, want) {
			t.Errorf("calls of the handler: got %v, want %v", calls, want)
		}
		// All of it is acknowledged.
		again := consume(t, c, sub, nil)
		send(t, c, "once/"+t.Name(), "last")
		again.want(t, "last")
		again.stop(t)
	})
}

// A server that comes back without its sessions gets the subscription again, and what is held here is handled.
func TestForgottenSession(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		c, log := openLogged(t, v5, at(server))
		release := make(chan struct{})
		in := consume(t, c, Subscription{Filter: "forgotten/" + t.Name()}, func(context.Context, string) error {
			<-release
			return nil
		})
		send(t, c, "forgotten/"+t.Name(), "one", "two")
		in.want(t, "one")
		server.Stop()
		server.Forget()
		server.Start()
		awaitLine(t, log, "forgotten the session")
		close(release)
		in.want(t, "two")
		// The subscription comes after the line in the log.
		for n := 0; ; n++ {
			send(t, c, "forgotten/"+t.Name(), fmt.Sprint(n))
			select {
			case <-in.got:
				in.stop(t)
				return
			case <-time.After(50 * time.Millisecond):
			}
			if n > 1000 {
				t.Fatal("the subscription is not made again")
			}
		}
	})
}

// Two processes with the same session: one at a time has it, no message is lost, and the log says what to do.
func TestTakenOver(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		one, log := openLogged(t, v5, at(server))
		two := open(t, v5, at(server))
		first := consume(t, one, Subscription{Filter: "taken/" + t.Name()}, nil)
		send(t, one, "taken/"+t.Name(), "a")
		first.want(t, "a")
		second := consume(t, two, Subscription{Filter: "taken/" + t.Name()}, nil)
		missing := map[string]bool{}
		for n := range 20 {
			send(t, one, "taken/"+t.Name(), fmt.Sprint(n))
			missing[fmt.Sprint(n)] = true
		}
		for len(missing) > 0 {
			select {
			case text := <-first.got:
				delete(missing, text)
			case text := <-second.got:
				delete(missing, text)
			case <-time.After(deadline):
				t.Fatalf("not handled: %v", missing)
			}
		}
		second.stop(t)
		send(t, two, "taken/"+t.Name(), "back")
		for text := ""; text != "back"; { // after what came twice
			select {
			case text = <-first.got:
			case <-time.After(deadline):
				t.Fatal("the first process gets nothing any more")
			}
		}
		first.stop(t)
		if !strings.Contains(log.String(), "clientID") {
			t.Errorf("the log does not name clientID:\n%s", log.String())
		}
	})
}

// Replicas of different clientID share the messages of a consumer group, and another group gets all of them.
func TestReplicasShare(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		replica := func(name string) *Client {
			s := at(server)
			s.ClientID = name
			return open(t, v5, s)
		}
		one, two := replica("one"), replica("two")
		a, b := consume(t, one, Subscription{Filter: "shared/+/" + t.Name()}, nil), consume(t, two, Subscription{Filter: "shared/+/" + t.Name()}, nil)
		other := consume(t, two, Subscription{Filter: "shared/+/" + t.Name(), Consumer: "other"}, nil)
		const n = 40
		for i := range n {
			send(t, one, "shared/t/"+t.Name(), fmt.Sprint(i))
		}
		for i := range n {
			other.want(t, fmt.Sprint(i))
		}
		times, share := map[string]int{}, map[*consumption]int{}
		for range n {
			select {
			case text := <-a.got:
				times[text]++
				share[a]++
			case text := <-b.got:
				times[text]++
				share[b]++
			case <-time.After(deadline):
				t.Fatalf("%d of %d messages", len(times), n)
			}
		}
		if len(times) != n || share[a] == 0 || share[b] == 0 {
			t.Errorf("%d different messages of %d; one replica had %d, the other %d", len(times), n, share[a], share[b])
		}
		for _, c := range []*consumption{a, b, other} {
			c.stop(t)
		}
	})
}

// A shared subscription in the topic works too, as in Dapr.
func TestSharedTopic(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		one, two := open(t, v5, at(server)), open(t, v5, at(server))
		a := consume(t, one, Subscription{Filter: "$share/g/jobs/" + t.Name(), Consumer: "a"}, nil)
		b := consume(t, two, Subscription{Filter: "$share/g/jobs/" + t.Name(), Consumer: "b"}, nil)
		send(t, one, "jobs/"+t.Name(), "1", "2")
		for range 2 {
			select {
			case <-a.got:
			case <-b.got:
			case <-time.After(deadline):
				t.Fatal("no message")
			}
		}
		a.stop(t)
		b.stop(t)
		if len(a.got)+len(b.got) > 0 {
			t.Error("a message came to both")
		}
	})
}

// What the server retains comes once with a new subscription, not with each connection.
func TestRetained(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		c := open(t, v5, at(server))
		topic := "retained/" + t.Name()
		if err := c.Publish(t.Context(), &Message{Topic: topic, Data: []byte("state"), Metadata: map[string]string{"Retain": "true"}}); err != nil {
			t.Fatal(err)
		}
		got := make(chan *Message, 10)
		consumer, err := c.Subscribe(t.Context(), Subscription{Filter: topic, Consumer: "app", InFlight: 1, MaxRetries: -1}, func(_ context.Context, m *Message) error {
			got <- m
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if m := <-got; string(m.Data) != "state" || m.Metadata["retained"] != "true" || m.Attempt != 1 {
			t.Errorf("got %q, %v, attempt %d", m.Data, m.Metadata, m.Attempt)
		}
		for _, text := range []string{"1", "2"} { // then the first is acknowledged
			send(t, c, topic, text)
			<-got
		}
		server.Stop()
		server.Start()
		send(t, c, topic, "next")
		for text := ""; text != "next"; {
			m := <-got
			if text = string(m.Data); text == "state" || m.Metadata["retained"] != "false" {
				t.Errorf("after the server has been away: got %q, %v", m.Data, m.Metadata)
			}
		}
		if err := consumer.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestUnsubscribeAndCleanSession(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		clean := at(server)
		clean.CleanSession = true
		for name, test := range map[string]struct {
			s   Settings
			sub Subscription
		}{
			"unsubscribe": {at(server), Subscription{Filter: "gone/" + t.Name(), Unsubscribe: true}},
			"clean":       {clean, Subscription{Filter: "clean/" + t.Name()}},
		} {
			c := open(t, v5, test.s)
			in := consume(t, c, test.sub, nil)
			send(t, c, test.sub.Filter, "one")
			in.want(t, "one")
			in.stop(t)
			send(t, c, test.sub.Filter, "meanwhile")
			again := consume(t, c, test.sub, nil)
			send(t, c, test.sub.Filter, "two")
			select {
			case got := <-again.got:
				if got != "two" {
					t.Errorf("%s: got %q, want only what came after the second start", name, got)
				}
			case <-time.After(deadline):
				t.Errorf("%s: no message", name)
			}
			again.stop(t)
		}
	})
}

// A message of qos 0 whose handler fails is tried again as long as the process lives.
func TestQoS0(t *testing.T) {
	server := testserver.Mosquitto(t)
	versions(t, func(t *testing.T, v5 bool) {
		s := at(server)
		c, err := Open(t.Context(), Config{Settings: &s, V5: v5, Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close(context.Background()) })
		var failed bool
		in := consume(t, c, Subscription{Filter: "fast/" + t.Name()}, func(_ context.Context, text string) error {
			if text == "bad" && !failed {
				failed = true
				return errors.New("refused by the test")
			}
			return nil
		})
		send(t, c, "fast/"+t.Name(), "bad")
		in.want(t, "bad", "bad")
		for n := range 100 {
			send(t, c, "fast/"+t.Name(), fmt.Sprint(n))
		}
		for n := range 100 {
			in.want(t, fmt.Sprint(n))
		}
		in.stop(t)
	})
}

// Messages of qos 0 that come faster than they are handled are dropped at last, and the rest goes on.
func TestQoS0Flood(t *testing.T) {
	server := testserver.Mosquitto(t)
	c, log := openLogged(t, true, at(server))
	c.cfg.Settings.QoS = 0
	release := make(chan struct{})
	in := consume(t, c, Subscription{Filter: "flood"}, func(context.Context, string) error {
		<-release
		return nil
	})
	for range 2 * maxWaiting {
		send(t, c, "flood", "x")
	}
	awaitLine(t, log, "some are dropped")
	close(release)
	for end := time.Now().Add(deadline); ; {
		send(t, c, "flood", "last")
		select {
		case text := <-in.got:
			if text == "last" {
				in.stop(t)
				return
			}
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatal("no message comes any more")
		}
	}
}

// An expired message is not delivered.
func TestExpiry(t *testing.T) {
	server := testserver.Mosquitto(t)
	c := open(t, true, at(server))
	sub := Subscription{Filter: "expires"}
	consume(t, c, sub, nil).stop(t)
	for text, ttl := range map[string]string{"short": "1", "long": "3600"} {
		if err := c.Publish(t.Context(), &Message{Topic: "expires", Data: []byte(text), Metadata: map[string]string{"ttlInSeconds": ttl}}); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(2500 * time.Millisecond) // time is what the test is about
	in := consume(t, c, sub, nil)
	in.want(t, "long")
	send(t, c, "expires", "last")
	in.want(t, "last")
	in.stop(t)
}

// Metadata and content type go through a real server, control characters too.
func TestPropertiesOnTheWire(t *testing.T) {
	server := testserver.Mosquitto(t)
	c := open(t, true, at(server))
	got := make(chan *Message, 1)
	consumer, err := c.Subscribe(t.Context(), Subscription{Filter: "props", Consumer: "app", MaxRetries: -1}, func(_ context.Context, m *Message) error {
		got <- m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "b", "": "empty key", "line": "1\r\n2", "ü": strings.Repeat("✓", 20000)}
	if err := c.Publish(t.Context(), &Message{Topic: "props", ContentType: "text/x; a=\"b\"", Metadata: want}); err != nil {
		t.Fatal(err)
	}
	m := <-got
	want["retained"] = "false"
	if !maps.Equal(m.Metadata, want) || m.ContentType != "text/x; a=\"b\"" || len(m.Data) != 0 {
		t.Errorf("got %.100q of type %q", m.Metadata, m.ContentType)
	}
	if err := consumer.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// A server says how large packets may be; what is larger is refused before it can cost the connection.
func TestPacketTooLarge(t *testing.T) {
	server := testserver.Mosquitto(t, "max_packet_size 2000")
	c := open(t, true, at(server))
	if err := c.Publish(t.Context(), &Message{Topic: "t", Data: make([]byte, 3000)}); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
	if err := c.Publish(t.Context(), &Message{Topic: "t", Data: make([]byte, 1000)}); err != nil {
		t.Errorf("a smaller one: %v", err)
	}
}
