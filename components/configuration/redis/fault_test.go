package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
)

// persistent is a server that has everything again after a restart.
func persistent(t *testing.T) *testserver.RedisServer {
	return testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
}

// TestFaults: the server goes and comes while values are read. An answer is the value, or says that there is no server.
func TestFaults(t *testing.T) {
	server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "sesame-open")
	s := opened(t, component.Metadata{"redisHost": server.Addr, "redisPassword": "sesame-open"})
	defer closed(t, s)
	if err := s.client.Set(t.Context(), "k", "v||1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, _ int) error {
			got, err := s.Get(ctx, []string{"k"}, nil)
			if err == nil && (len(got) != 1 || got[0].Value != "v") {
				return fmt.Errorf("got %v, want v", got)
			}
			return err
		},
		Unavailable: func(err error) bool { return errors.Is(err, configuration.ErrUnavailable) },
		Credentials: []string{"sesame-open"},
	})
}

// TestServerRestartsUnderSubscription: somebody changes values all the time while the server goes and comes. Every key
// reaches the app with its last value, its values come in order, and a deleted key is told.
func TestServerRestartsUnderSubscription(t *testing.T) {
	server := persistent(t)
	app := configurationtest.NewApp("one")
	stop := configurationtest.Start(t, Spec, t.TempDir(), app, component.Metadata{"redisHost": server.Addr})
	defer stop()
	op := operator(t, server.Addr)
	if err := op.Set(t.Context(), "gone", "soon", 0).Err(); err != nil {
		t.Fatal(err)
	}
	app.Until(t, "gone=soon")
	want := map[string]string{}
	for round := range 4 {
		for i := range 20 {
			key, value := fmt.Sprint("k", i%5), fmt.Sprintf("%02d-%02d", round, i)
			if err := op.Set(t.Context(), key, value+"||"+value, 0).Err(); err != nil {
				t.Fatal(err)
			}
			want[key] = value
		}
		if round == 1 {
			if err := op.Del(t.Context(), "gone").Err(); err != nil {
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

// TestHostRestarts: what was changed and deleted while no host ran is delivered, and nothing else.
func TestHostRestarts(t *testing.T) {
	for name, run := range map[string]func(t *testing.T) (component.Metadata, goredis.UniversalClient){
		"node": func(t *testing.T) (component.Metadata, goredis.UniversalClient) {
			server := testserver.Redis(t)
			return component.Metadata{"redisHost": server.Addr}, operator(t, server.Addr)
		},
		"cluster": func(t *testing.T) (component.Metadata, goredis.UniversalClient) {
			c := testserver.RedisCluster(t)
			return component.Metadata{"redisHost": c.Addrs(), "redisType": "cluster"}, operator(t, strings.Split(c.Addrs(), ",")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			metadata, op := run(t)
			set := func(key, value string) {
				t.Helper()
				if err := op.Set(t.Context(), key, value, 0).Err(); err != nil {
					t.Fatal(err)
				}
			}
			for _, key := range []string{"a", "b", "c"} {
				set(key, "1||1")
			}
			dir, app := t.TempDir(), configurationtest.NewApp("one")
			stop := configurationtest.Start(t, Spec, dir, app, metadata)
			app.Until(t, "a=1 b=1 c=1")
			stop()
			set("a", "2||2")
			set("b", "1||2")
			set("d", "1")
			if err := op.Del(t.Context(), "c").Err(); err != nil {
				t.Fatal(err)
			}
			stop = configurationtest.Start(t, Spec, dir, app, metadata)
			defer stop()
			if got := app.Next(t).String(); got != "a=2 b=1 -c d=1" {
				t.Errorf("after the restart: got %s", got)
			}
			set("a", "3||3")
			if got := app.Next(t).String(); got != "a=3" {
				t.Errorf("after a further change: got %s", got)
			}
		})
	}
}
