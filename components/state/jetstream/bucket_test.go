package jetstream

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

// client is another client of the server.
func client(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func set(t *testing.T, s *store, key, value string) {
	t.Helper()
	if err := s.Set(t.Context(), state.SetRequest{Key: key, Value: []byte(value)}); err != nil {
		t.Fatalf("set %s: %v", key, err)
	}
}

func get(t *testing.T, s *store, key string) string {
	t.Helper()
	e, err := s.Get(t.Context(), state.GetRequest{Key: key})
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if e == nil {
		return "(nothing)"
	}
	return string(e.Value)
}

// TestBucketOfDapr works on a bucket as it is made for Dapr, with what Dapr's client does.
func TestBucketOfDapr(t *testing.T) {
	server := testserver.NATS(t)
	kv, err := client(t, server.URL).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "test", History: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := using(t, external(server))
	for name, have := range map[string]bool{
		"Transactor": s.Has((*state.Transactor)(nil)), "TransactionLimiter": s.Has((*state.TransactionLimiter)(nil)), "Expirer": s.Has((*state.Expirer)(nil)),
	} {
		if have {
			t.Errorf("the store says that it is a %s, but the bucket cannot be that", name)
		}
	}
	set(t, s, "app||ours", "1")
	if e, err := kv.Get(t.Context(), "app.ours"); err != nil || string(e.Value()) != "1" {
		t.Errorf("Dapr reads %v, %v", e, err)
	}
	revision, err := kv.Put(t.Context(), "app.theirs.x", []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Get(t.Context(), state.GetRequest{Key: "app||theirs.x"})
	if err != nil || string(e.Value) != `{"a":1}` || *e.ETag != strconv.FormatUint(revision, 10) {
		t.Fatalf("we read %+v, %v", e, err)
	}
	if err := s.Set(t.Context(), state.SetRequest{Key: "app||theirs.x", Value: []byte("2"), ETag: e.ETag}); err != nil {
		t.Errorf("set with the etag of Dapr's entry: %v", err)
	}
	page, err := s.ListKeys(t.Context(), state.ListRequest{Prefix: "app||", Limit: 10})
	if err != nil || !slices.Equal(page.Keys, []string{"app||ours", "app||theirs.x"}) {
		t.Errorf("list: got %q, %v", page.Keys, err)
	}
	if err := s.Delete(t.Context(), state.DeleteRequest{Key: "app||ours"}); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(t.Context(), "app.ours"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("Dapr reads what we deleted: %v", err)
	}
	if err := kv.Delete(t.Context(), "app.theirs.x"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "app||theirs.x"); got != "(nothing)" {
		t.Errorf("we read what Dapr deleted: %s", got)
	}
	// A delete of nothing leaves nothing behind in a bucket whose markers stay for ever.
	if err := s.Delete(t.Context(), state.DeleteRequest{Key: "app||none"}); err != nil {
		t.Fatal(err)
	}
	if history, err := kv.History(t.Context(), "app.none"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("history of a key that never was: %v, %v", history, err)
	}
	hour := time.Hour
	if err := s.Set(t.Context(), state.SetRequest{Key: "k", TTL: &hour}); !errors.Is(err, state.ErrNotSupported) {
		t.Errorf("time to live: got %v", err)
	}
}

// TestOldBucketConformance: etags and lists work without what newer servers offer.
func TestOldBucketConformance(t *testing.T) {
	server := testserver.NATS(t)
	if _, err := client(t, server.URL).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "test"}); err != nil {
		t.Fatal(err)
	}
	statetest.Run(t, func(t *testing.T) state.Store { return opened(t, external(server)) }, caps)
}

func TestBucketsThatAreNone(t *testing.T) {
	server := testserver.NATS(t)
	js := client(t, server.URL)
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KV_plain", Subjects: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	using(t, external(server, "bucket", "origin"))
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "copy", Mirror: &jetstream.StreamSource{Name: "origin"}}); err != nil {
		t.Fatal(err)
	}
	for bucket, want := range map[string]string{"plain": "is no key-value bucket", "copy": "is a mirror of KV_origin"} {
		_, err := tryOpen(t, external(server, "bucket", bucket))
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a permanent error with %q", bucket, err, want)
		}
	}
}

// TestMadeBucket: what the driver makes is a bucket for other clients too.
func TestMadeBucket(t *testing.T) {
	server := testserver.NATS(t)
	s := using(t, external(server))
	kv, err := client(t, server.URL).KeyValue(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	status, err := kv.Status(t.Context())
	if err != nil || status.History() != 1 || status.LimitMarkerTTL() != markerTTL {
		t.Errorf("status: got %+v, %v", status, err)
	}
	ttl := time.Hour
	if err := s.Set(t.Context(), state.SetRequest{Key: "app||a", Value: []byte("1"), TTL: &ttl}); err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(t.Context(), "app.a"); err != nil || string(e.Value()) != "1" {
		t.Errorf("get by a key-value client: got %v, %v", e, err)
	}
	if err := s.Transact(t.Context(), []state.Operation{
		{Delete: &state.DeleteRequest{Key: "app||a"}}, {Upsert: &state.SetRequest{Key: "app||b", Value: []byte("2")}},
	}, nil); err != nil {
		t.Fatal(err)
	}
	keys, err := kv.Keys(t.Context())
	if err != nil || !slices.Equal(keys, []string{"app.b"}) {
		t.Errorf("keys: got %q, %v, want app.b", keys, err)
	}
	if _, err := kv.Create(t.Context(), "app.c", []byte("3"), jetstream.KeyTTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	e, err := s.Get(t.Context(), state.GetRequest{Key: "app||c"})
	if err != nil || e == nil || time.Until(e.Expires) < 59*time.Minute || time.Until(e.Expires) > 61*time.Minute {
		t.Errorf("an entry that another client gave an hour: got %+v, %v", e, err)
	}
}

// TestDomain: in another domain all goes by its API.
func TestDomain(t *testing.T) {
	server := testserver.NATSJWT(t, "hub")
	for _, field := range [][2]string{{"domain", "hub"}, {"apiPrefix", "$JS.hub.API"}} {
		s := using(t, external(server.NATSServer, "jwt", server.JWT, "seedKey", server.Seed, "bucket", field[0], field[0], field[1]))
		set(t, s, "app||a", field[0])
		if got := get(t, s, "app||a"); got != field[0] {
			t.Errorf("%v: got %s", field, got)
		}
		ops := []state.Operation{{Upsert: &state.SetRequest{Key: "app||b"}}, {Upsert: &state.SetRequest{Key: "app||c"}}}
		if err := s.Transact(t.Context(), ops, nil); err != nil {
			t.Errorf("%v: transact: %v", field, err)
		}
		page, err := s.ListKeys(t.Context(), state.ListRequest{Prefix: "app||", Limit: 10})
		if err != nil || len(page.Keys) != 3 {
			t.Errorf("%v: list: got %q, %v", field, page.Keys, err)
		}
	}
}

func TestLimits(t *testing.T) {
	server := testserver.NATS(t)
	s := using(t, external(server))
	large := strings.Repeat("x", 1<<20+1)
	if err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte(large)}); !errors.Is(err, state.ErrInvalid) || !strings.Contains(err.Error(), "at most 1048576 bytes (max_payload)") {
		t.Errorf("a value over the server's limit: got %v", err)
	}
	if err := s.Set(t.Context(), state.SetRequest{Key: strings.Repeat("k", maxSubject+1)}); !errors.Is(err, state.ErrInvalidKey) {
		t.Errorf("a key over the limit: got %v", err)
	}
	longest := "app||" + strings.Repeat("k", maxSubject-4)
	set(t, s, longest, "1")
	if got := get(t, s, longest); got != "1" {
		t.Errorf("the longest key: got %s", got)
	}
	if page, err := s.ListKeys(t.Context(), state.ListRequest{Prefix: "app||", Limit: 1}); err != nil || !slices.Equal(page.Keys, []string{longest}) {
		t.Errorf("list: got %d keys, %v", len(page.Keys), err)
	}
	ops := make([]state.Operation, maxBatch+1)
	for i := range ops {
		ops[i] = state.Operation{Upsert: &state.SetRequest{Key: strconv.Itoa(i)}}
	}
	if err := s.Transact(t.Context(), ops, nil); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("a transaction over the limit: got %v", err)
	}
}

// TestServerLimits: a server that takes smaller batches, and fewer at once, than we know.
func TestServerLimits(t *testing.T) {
	conf := writeConfig(t, "jetstream: {limits: {batch: {max_msgs: 10, max_inflight_per_stream: 2}}}\n")
	s := using(t, external(testserver.NATS(t, "-c", conf)))
	ops := make([]state.Operation, 11)
	for i := range ops {
		ops[i] = state.Operation{Upsert: &state.SetRequest{Key: "big" + strconv.Itoa(i)}}
	}
	if err := s.Transact(t.Context(), ops, nil); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("a batch over the server's limit: got %v", err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			key := strconv.Itoa(i)
			err := s.Transact(t.Context(), []state.Operation{{Upsert: &state.SetRequest{Key: "a" + key}}, {Upsert: &state.SetRequest{Key: "b" + key}}}, nil)
			if err != nil {
				t.Errorf("one of many transactions at once: %v", err)
			}
		})
	}
	wg.Wait()
}

// TestAppsDoNotMeet: an app whose id begins with that of another and a dot sees nothing of it.
func TestAppsDoNotMeet(t *testing.T) {
	s := using(t, component.Config{Embedded: embeddedServer(t)})
	set(t, s, "a||b.c", "of a")
	set(t, s, "a.b||c", "of a.b")
	if got := get(t, s, "a||b.c") + get(t, s, "a.b||c"); got != "of aof a.b" {
		t.Errorf("got %s", got)
	}
	for _, prefix := range []string{"a||", "a.b||"} {
		page, err := s.ListKeys(t.Context(), state.ListRequest{Prefix: prefix, Limit: 10})
		if err != nil || len(page.Keys) != 1 || !strings.HasPrefix(page.Keys[0], prefix) {
			t.Errorf("list %s: got %q, %v", prefix, page.Keys, err)
		}
	}
}

// TestClusterConformance: three servers with a copy each.
func TestClusterConformance(t *testing.T) {
	nodes := testserver.NATSCluster(t)
	cfg := external(nodes[0], "replicas", "3")
	cfg.Metadata["natsURL"] = nodes[0].URL + "," + nodes[1].URL
	var first *store
	// Three servers that have just met may not have places for streams yet.
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var err error
		if first, err = tryOpen(t, cfg); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("open: %v", err)
		}
	}
	defer func() { _ = first.Close(context.Background()) }()
	t.Run("Suite", func(t *testing.T) {
		statetest.Run(t, func(t *testing.T) state.Store { return opened(t, cfg) }, caps)
	})
	// What one server has acknowledged every other gives.
	others := make([]*store, len(nodes))
	for i, node := range nodes {
		others[i] = using(t, external(node, "replicas", "3"))
	}
	for i := range 150 {
		value := strconv.Itoa(i)
		set(t, others[i%3], "app||fresh", value)
		for _, s := range others {
			if got := get(t, s, "app||fresh"); got != value {
				t.Fatalf("a stale read: got %s, want %s", got, value)
			}
		}
	}
}
