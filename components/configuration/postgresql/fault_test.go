package postgresql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
)

func TestFaults(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	server.Exec(daprTrigger)
	s := opened(t, metadata(server))
	defer closed(t, s)
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error { return s.Set(ctx, fmt.Sprint("k", n), "v", nil) },
		Arrived: func(ctx context.Context) (map[int]bool, error) {
			items, err := s.Get(ctx, nil, nil)
			got := map[int]bool{}
			for _, i := range items {
				var n int
				if _, err := fmt.Sscanf(i.Key, "k%d", &n); err != nil {
					return nil, err
				}
				got[n] = true
			}
			return got, err
		},
		Unavailable: func(err error) bool { return errors.Is(err, configuration.ErrUnavailable) },
		Credentials: []string{server.Password},
		Bound:       patience,
	})
}

// set writes as an operator who tries again while the server comes back.
func set(t *testing.T, op *operator, key, value string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := op.set(key, value)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestServerRestartsUnderSubscription: somebody changes values all the time while the server goes and comes. Every key
// reaches the app with its last value, its values come in order, and a deleted key is told.
func TestServerRestartsUnderSubscription(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	server.Exec(daprTrigger)
	op := newOperator(t, server)
	app := configurationtest.NewApp("one")
	defer configurationtest.Start(t, Spec, t.TempDir(), app, metadata(server))()
	set(t, op, "gone", "soon")
	app.Until(t, "gone=soon")
	want := map[string]string{}
	for round := range 4 {
		for i := range 20 {
			key, value := fmt.Sprint("k", i%5), fmt.Sprintf("%02d-%02d", round, i)
			set(t, op, key, value)
			want[key] = value
		}
		if round == 1 {
			if err := op.delete("gone"); err != nil {
				t.Fatal(err)
			}
		}
		// The last changes are likely not yet read when the server goes; and the operator is there before the driver when
		// it comes.
		server.Stop()
		server.Start()
	}
	got, gone := map[string]string{}, false
	for deadline := time.Now().Add(patience); !gone || fmt.Sprint(got) != fmt.Sprint(want); {
		if time.Now().After(deadline) {
			t.Fatalf("got %v, gone %t, want %v and gone", got, gone, want)
		}
		for _, item := range app.Next(t).Items {
			switch {
			case item.Key == "gone":
				gone = gone || item.Deleted
			case item.Deleted:
				t.Errorf("%s was told as deleted", item.Key)
			case item.Value < got[item.Key]:
				t.Errorf("%s: got %s after %s", item.Key, item.Value, got[item.Key])
			default:
				got[item.Key] = item.Value
			}
		}
	}
}

// TestChangesWhileNobodyListens: the connection breaks, without the server, and a change is made before there is a new
// one. The watch is told to compare, so it is not lost.
func TestChangesWhileNobodyListens(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	server.Exec(daprTrigger)
	s := opened(t, metadata(server))
	defer closed(t, s)
	c := make(told, 1000)
	stop, err := s.Subscribe(t.Context(), []string{"a"}, nil, c.changed)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	op := newOperator(t, server)
	for range 3 {
		// One statement, so that the driver is hardly back before the change.
		err := op.exec(`WITH broken AS (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mrt-wasm' AND datname = current_database())
			INSERT INTO config SELECT 'a', 'v', '1' WHERE (SELECT count(*) FROM broken) > 0`)
		if err != nil {
			t.Fatal(err)
		}
		for c.next(t) != "*" { // a, if the change was faster than the break
		}
		set(t, op, "a", "again")
		for c.next(t) != "a" {
		}
		if err := op.delete("a"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSilentConnection: a server that has nothing to tell is asked whether it is there, and the connection goes on.
func TestSilentConnection(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	server.Exec(daprTrigger)
	s := opened(t, metadata(server))
	defer closed(t, s)
	life, cancel := s.live()
	c := make(told, 1000)
	w := &watch{changed: c.changed}
	l := &listener{
		store: s, channel: "config", cancel: cancel, watches: map[*watch]bool{w: true}, ready: make(chan struct{}),
		done: make(chan struct{}), silence: 5 * time.Millisecond,
	}
	go l.run(life)
	defer l.end()
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	if err := l.confirmed(ctx); err != nil {
		t.Fatal(err)
	}
	op := newOperator(t, server)
	for i := range 20 {
		time.Sleep(10 * time.Millisecond) // so that it is asked
		set(t, op, "k", fmt.Sprint(i))
		if got := c.next(t); got != "k" {
			t.Fatalf("got %q, want k: the connection was made anew", got)
		}
	}
}

// TestSubscribeWithoutServer: it says that it was not confirmed, and for how long the caller waited is the caller's.
func TestSubscribeWithoutServer(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	s := opened(t, metadata(server))
	defer closed(t, s)
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := s.Subscribe(ctx, nil, nil, func([]string) {})
	if !errors.Is(err, configuration.ErrUnavailable) || !strings.Contains(err.Error(), "postgresql at "+server.Addr) || strings.Contains(fmt.Sprintf("%+v %#v", err, err), server.Password) {
		t.Errorf("got error %v, want %v, the address and no password", err, configuration.ErrUnavailable)
	}
	if len(s.listeners) > 0 {
		t.Error("a listener is left")
	}
	server.Start()
}

// TestHostRestarts: what was changed and deleted while no host ran is delivered, and nothing else.
func TestHostRestarts(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	server.Exec(daprTrigger)
	op := newOperator(t, server)
	for _, key := range []string{"a", "b", "c"} {
		set(t, op, key, "1")
	}
	dir, app := t.TempDir(), configurationtest.NewApp("one")
	stop := configurationtest.Start(t, Spec, dir, app, metadata(server))
	app.Until(t, "a=1 b=1 c=1")
	stop()
	set(t, op, "a", "2")
	set(t, op, "b", "1") // another version
	set(t, op, "d", "1")
	if err := op.delete("c"); err != nil {
		t.Fatal(err)
	}
	stop = configurationtest.Start(t, Spec, dir, app, metadata(server))
	defer stop()
	if got := app.Next(t).String(); got != "a=2 b=1 -c d=1" {
		t.Errorf("after the restart: got %s", got)
	}
	set(t, op, "a", "3")
	if got := app.Next(t).String(); got != "a=3" {
		t.Errorf("after a further change: got %s", got)
	}
}

// TestNothingIsLeft: no goroutine outlives Close.
func TestNothingIsLeft(t *testing.T) {
	server := testserver.Postgres(t)
	server.Exec(daprTable)
	s := opened(t, metadata(server))
	for _, channel := range []string{"one", "two"} {
		if _, err := s.Subscribe(t.Context(), nil, map[string]string{"pgNotifyChannel": channel}, func([]string) {}); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !bytes.Contains(stacks, []byte("pgxpool.")) && !bytes.Contains(stacks, []byte("pgconn.")) && !bytes.Contains(stacks, []byte("(*listener)")) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after close there are\n%s", stacks)
		}
	}
}
