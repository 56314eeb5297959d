package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// TestFaults: the server goes and comes under load. What was said to be taken is, and no try of a new resource is ever
// answered with "taken", however often connections break.
func TestFaults(t *testing.T) {
	server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "sesame-open")
	s := kept(t, component.Metadata{"redisHost": server.Addr, "redisPassword": "sesame-open", "readTimeout": "5s"})
	const prefix = "lock||fault||"
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			got, err := s.TryLock(ctx, prefix+strconv.Itoa(n), "ann", time.Hour)
			if err == nil && !got {
				return fmt.Errorf("resource %d, which nobody else wants, is said to be taken", n)
			}
			return err
		},
		Arrived: func(ctx context.Context) (map[int]bool, error) {
			got := map[int]bool{}
			iter := s.(*store).client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
			for iter.Next(ctx) {
				n, err := strconv.Atoi(strings.TrimPrefix(iter.Val(), prefix))
				if err != nil {
					return nil, err
				}
				got[n] = true
			}
			return got, iter.Err()
		},
		Unavailable: func(err error) bool { return errors.Is(err, lock.ErrUnavailable) },
		Credentials: []string{"sesame-open"},
	})
	if err := s.(lock.Pinger).Ping(t.Context()); err != nil {
		t.Errorf("ping after all: %v", err)
	}
	server.Stop()
	if err := s.(lock.Pinger).Ping(t.Context()); !errors.Is(err, lock.ErrUnavailable) {
		t.Errorf("ping without a server: got error %v, want %v", err, lock.ErrUnavailable)
	}
	if _, err := s.Unlock(t.Context(), "r", "ann"); !errors.Is(err, lock.ErrUnavailable) || errors.Is(err, lock.ErrUnknown) {
		t.Errorf("unlock without a server: got error %v, want %v and certainty", err, lock.ErrUnavailable)
	}
}

// deafProxy stands in front of a server and loses one answer when it is told to: the connection closes instead. What the
// client sends again gets through.
type deafProxy struct {
	addr string
	deaf atomic.Bool
}

func proxy(t *testing.T, to string) *deafProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &deafProxy{addr: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go p.answers(client, server)
		}
	}()
	return p
}

func (p *deafProxy) answers(client, server net.Conn) {
	defer func() { _ = client.Close(); _ = server.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil || p.deaf.CompareAndSwap(true, false) {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestLostAnswer: a lock that was taken without an answer is not said to be somebody else's.
func TestLostAnswer(t *testing.T) {
	server := testserver.Redis(t)
	p := proxy(t, server.Addr)
	s, c := kept(t, component.Metadata{"redisHost": p.addr, "redisMaxRetries": "5", "readTimeout": "60s"}), cli(t, server.Addr)
	if _, err := s.TryLock(t.Context(), "first", "ann", time.Hour); err != nil {
		t.Fatal(err) // so that there is a connection, by which the next request arrives
	}
	p.deaf.Store(true)
	got, err := s.TryLock(t.Context(), "r", "ann", time.Hour)
	if got || !errors.Is(err, lock.ErrUnknown) || !errors.Is(err, lock.ErrUnavailable) {
		t.Errorf("try-lock: got %t, error %v, want %v", got, err, lock.ErrUnknown)
	}
	if got := c.Get(t.Context(), "r").Val(); got != "ann" {
		t.Errorf("the server has %q, want ann: the test lost the request and not its answer", got)
	}
	if got, err := s.Unlock(t.Context(), "r", "ann"); err != nil || got != lock.Success {
		t.Errorf("unlock: got %s, error %v, want %s", got, err, lock.Success)
	}
	p.deaf.Store(true)
	if _, err := s.Unlock(t.Context(), "first", "ann"); !errors.Is(err, lock.ErrUnknown) {
		t.Errorf("unlock: got error %v, want %v", err, lock.ErrUnknown)
	}
}

// TestFailover: sentinels put a replica in the place of the master, and what the replica had is still locked.
func TestFailover(t *testing.T) {
	master := testserver.Redis(t)
	host, port, _ := strings.Cut(master.Addr, ":")
	replica := testserver.Redis(t, "--replicaof", host+" "+port)
	sentinel := testserver.RedisSentinel(t, master)
	watch := cli(t, sentinel.Addr)
	if err := watch.Do(t.Context(), "SENTINEL", "SET", "mymaster", "down-after-milliseconds", "1000").Err(); err != nil {
		t.Fatal(err)
	}
	s := kept(t, component.Metadata{"redisHost": sentinel.Addr, "failover": "true", "sentinelMasterName": "mymaster"})
	if got, err := s.TryLock(t.Context(), "r", "ann", time.Hour); err != nil || !got {
		t.Fatalf("try-lock: got %t, error %v", got, err)
	}
	c := cli(t, replica.Addr)
	within(t, "the replica has the lock, and the sentinel knows it", func() bool {
		known, err := watch.Do(t.Context(), "SENTINEL", "REPLICAS", "mymaster").Slice()
		return err == nil && len(known) == 1 && c.Get(t.Context(), "r").Val() == "ann"
	})
	master.Stop()
	within(t, "the new master answers that it is taken", func() bool {
		got, err := s.TryLock(t.Context(), "r", "bob", time.Hour)
		if got {
			t.Fatal("somebody else got the lock")
		}
		if err != nil && !errors.Is(err, lock.ErrUnavailable) {
			t.Fatalf("error %v does not say that the server is unavailable", err)
		}
		return err == nil
	})
	if got, err := s.Unlock(t.Context(), "r", "ann"); err != nil || got != lock.Success {
		t.Errorf("unlock: got %s, error %v, want %s", got, err, lock.Success)
	}
}

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
