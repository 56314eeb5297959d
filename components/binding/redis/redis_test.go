package redis

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func request(op string, metadata ...string) binding.Request {
	r := binding.Request{Operation: op, Metadata: map[string]string{}}
	for i := 0; i < len(metadata); i += 2 {
		r.Metadata[metadata[i]] = metadata[i+1]
	}
	return r
}

func caps() bindingtest.Caps {
	return bindingtest.Caps{
		Operations: []string{"create", "get", "delete", "increment"}, Large: 5 << 20, Lossy: true,
		Key: func(name string) map[string]string { return map[string]string{"key": name} },
		Invalid: []binding.Request{
			request("create"), request("get"), request("delete"), request("increment", "key", ""),
			request("create", "key", "k", "ttlInSeconds", "soon"), request("create", "key", "k", "ttlInSeconds", "0"), request("increment", "key", "k", "ttlInSeconds", "-1"),
		},
	}
}

func TestConformance(t *testing.T) {
	server := testserver.Redis(t)
	c := caps()
	c.Stop = func(testing.TB) { server.Stop() }
	c.Start = func(testing.TB) { server.Start() }
	bindingtest.Run(t, func(t testing.TB) binding.Binding { return openAt(t, "redisHost", server.Addr) }, c)
}

func TestClusterConformance(t *testing.T) {
	nodes := testserver.RedisCluster(t)
	bindingtest.Run(t, func(t testing.TB) binding.Binding {
		return openAt(t, "redisHost", nodes.Addrs(), "redisType", "cluster")
	}, caps())
}

func openAt(t testing.TB, metadata ...string) *keys {
	t.Helper()
	m := component.Metadata{}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i]] = metadata[i+1]
	}
	b, err := Spec.New(t.Context(), component.Config{Name: "r", Metadata: m})
	if err != nil {
		t.Fatal(err)
	}
	return b.(*keys)
}

func call(t *testing.T, k *keys, req binding.Request, data string) string {
	t.Helper()
	req.Data = []byte(data)
	reply, err := k.Invoke(t.Context(), &req)
	if err != nil {
		t.Fatalf("%s with %v: %v", req.Operation, req.Metadata, err)
	}
	if reply == nil {
		return ""
	}
	return string(reply.Data)
}

func TestOperations(t *testing.T) {
	server := testserver.Redis(t)
	k := openAt(t, "redisHost", server.Addr)
	defer func() { _ = k.Close(context.Background()) }()
	other := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer func() { _ = other.Close() }()

	call(t, k, request("create", "key", "plain"), "v")
	if got, err := other.Get(t.Context(), "plain").Result(); err != nil || got != "v" {
		t.Errorf("another client sees %q, %v", got, err)
	}
	if got := call(t, k, request("get", "key", "plain", "delete", "true"), ""); got != "v" {
		t.Errorf("get and delete: got %q", got)
	}
	if reply, err := k.Invoke(t.Context(), new(request("get", "key", "plain"))); reply != nil || err != nil {
		t.Errorf("get of nothing: got %v, %v", reply, err)
	}
	call(t, k, request("delete", "key", "plain"), "")

	for _, want := range []string{"1", "2", "3"} {
		if got := call(t, k, request("increment", "key", "n"), ""); got != want {
			t.Errorf("increment: got %q, want %s", got, want)
		}
	}
	for _, req := range []binding.Request{request("create", "key", "short", "ttlInSeconds", "100"), request("increment", "key", "counter", "ttlInSeconds", "100")} {
		call(t, k, req, "v")
		if ttl := other.TTL(t.Context(), req.Metadata["key"]).Val(); ttl <= 0 || ttl > 100*time.Second {
			t.Errorf("%s: the server says a time to live of %s", req.Operation, ttl)
		}
	}
	call(t, k, request("create", "key", "text"), "abc")
	if err := other.LPush(t.Context(), "list", "x").Err(); err != nil {
		t.Fatal(err)
	}
	for _, req := range []binding.Request{request("increment", "key", "text"), request("get", "key", "list"), request("increment", "key", "list")} {
		if _, err := k.Invoke(t.Context(), &req); !errors.Is(err, binding.ErrInvalid) {
			t.Errorf("%s of %s: got %v, want ErrInvalid", req.Operation, req.Metadata["key"], err)
		}
	}
}

func TestCredentials(t *testing.T) {
	server := testserver.Redis(t, "--requirepass", "planted-right")
	k := openAt(t, "redisHost", server.Addr, "redisPassword", "planted-right")
	if err := k.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	_ = k.Close(t.Context())
	_, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"redisHost": server.Addr, "redisPassword": "planted-wrong"}})
	if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || strings.Contains(err.Error(), "planted") {
		t.Errorf("a wrong password: got %v", err)
	}
}
