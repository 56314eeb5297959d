package mongodb

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

// patience is how long a test waits for what has to happen.
const patience = 90 * time.Second

func attempt(t testing.TB, metadata component.Metadata) (*store, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Spec.New(ctx, component.Config{Name: "statestore", Type: Spec.Type, Metadata: metadata})
	if err != nil {
		return nil, err
	}
	st, ok := s.(*store)
	if !ok {
		t.Fatalf("open: got %T, want *store", s)
	}
	return st, nil
}

// opened opens a store that is in no hurry; it is closed when the test ends, unless the test does so.
func opened(t testing.TB, metadata component.Metadata) *store {
	t.Helper()
	if _, ok := metadata.Get("operationTimeout"); !ok {
		metadata["operationTimeout"] = patience.String()
	}
	s, err := attempt(t, metadata)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// raw is another client of the server, on the collection of a store with the default names.
func raw(t testing.TB, server *testserver.FerretDBServer) *mongo.Collection {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + server.Addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client.Database("daprStore").Collection("daprCollection")
}

func document(t testing.TB, c *mongo.Collection, key string) bson.Raw {
	t.Helper()
	doc, err := c.FindOne(t.Context(), bson.D{{Key: "_id", Value: key}}).Raw()
	if err != nil {
		t.Fatalf("document %q: %v", key, err)
	}
	return doc
}

func set(t testing.TB, s *store, key, value string) {
	t.Helper()
	if err := s.Set(t.Context(), state.SetRequest{Key: key, Value: []byte(value)}); err != nil {
		t.Fatalf("set %q: %v", key, err)
	}
}

func get(t testing.TB, s *store, key string) string {
	t.Helper()
	e, err := s.Get(t.Context(), state.GetRequest{Key: key})
	if err != nil || e == nil {
		t.Fatalf("get %q: got %+v, error %v", key, e, err)
	}
	return string(e.Value)
}

func TestConformance(t *testing.T) {
	server := testserver.FerretDB(t)
	statetest.Run(t, func(t *testing.T) state.Store { return opened(t, component.Metadata{"host": server.Addr}) }, statetest.Caps{})
}

// TestConformanceReplicaSet: the transactions are the server's stand-in for those of MongoDB.
func TestConformanceReplicaSet(t *testing.T) {
	server := testserver.FerretDBReplicaSet(t)
	statetest.Run(t, func(t *testing.T) state.Store {
		s := opened(t, component.Metadata{"host": server.Addr})
		if _, ok := state.As[state.Transactor](s); !ok {
			t.Fatal("the store has no transactions")
		}
		return s
	}, statetest.Caps{})
}

// TestTLS: with a user, by a connection string, and with other concerns and names.
func TestTLS(t *testing.T) {
	server := testserver.FerretDB(t)
	for name, m := range map[string]component.Metadata{
		"fields": {
			"host": server.TLSAddr, "username": "app", "password": "p@ss:w/ord%", "databaseName": "some", "collectionName": "other.name",
			"params": "?authMechanism=PLAIN&tls=true&tlsCAFile=" + server.CAFile, "writeConcern": "majority", "readConcern": "majority",
		},
		"connection string": {
			"connectionString": "mongodb://app:secret@" + server.TLSAddr + "/?authMechanism=PLAIN&tls=true&tlsCAFile=" + server.CAFile,
			"writeconcern":     "1", "readconcern": "linearizable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, m)
			key := state.SetRequest{Key: "k", Value: []byte("v"), Consistency: state.Strong}
			if err := s.Set(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			for _, consistency := range []state.Consistency{state.Strong, state.Eventual} {
				e, err := s.Get(t.Context(), state.GetRequest{Key: "k", Consistency: consistency})
				if err != nil || e == nil || string(e.Value) != "v" {
					t.Errorf("get: got %+v, error %v", e, err)
				}
			}
			if err := s.Ping(t.Context()); err != nil {
				t.Errorf("ping: %v", err)
			}
		})
	}
}

// TestLayout reads what the store writes, and the other way round, as Dapr does.
func TestLayout(t *testing.T) {
	server := testserver.FerretDB(t)
	s, c := opened(t, component.Metadata{"host": server.Addr}), raw(t, server)

	for value, want := range map[string]string{
		`text`:           `"text"`,
		`"json"`:         `"\"json\""`,
		`42`:             `"42"`,
		`[1,2]`:          `"[1,2]"`,
		`{"a":1,"b":{}}`: `{"a": {"$numberLong":"1"},"b": {}}`,
		`{"a": 1.5}`:     `{"a": {"$numberDouble":"1.5"}}`,
		`{"a":[[1]]}`:    `"{\"a\":[[1]]}"`, // this server takes no arrays in arrays
		`{"a.b":1}`:      `"{\"a.b\":1}"`,
		`{"$a":1}`:       `"{\"$a\":1}"`,
		`{"":1}`:         `"{\"\":1}"`,
		`{"a":-0.0}`:     `"{\"a\":-0.0}"`,
		`{"a":1e999}`:    `"{\"a\":1e999}"`,
		`{"a":1,"a":2}`:  `"{\"a\":1,\"a\":2}"`,
		"\xff{}":         `{"$binary":{"base64":"/3t9","subType":"00"}}`,
	} {
		set(t, s, "app||k", value)
		doc := document(t, c, "app||k")
		e, err := s.Get(t.Context(), state.GetRequest{Key: "app||k"})
		if err != nil || string(e.Value) != value {
			t.Fatalf("%s: get: got %+v, error %v", value, e, err)
		}
		if got := doc.Lookup("value").String(); got != want {
			t.Errorf("%s: field value: got %s, want %s", value, got, want)
		}
		if tag := doc.Lookup("_etag").StringValue(); tag != *e.ETag || doc.Lookup("_ttl").Type != bson.TypeNull {
			t.Errorf("%s: got document %s, want the etag %s and no end", value, doc, *e.ETag)
		}
		if _, err := doc.LookupErr("_exact"); (err == nil) != (value == `{"a": 1.5}`) {
			t.Errorf("%s: got document %s: the text is to be kept only when it is another", value, doc)
		}
	}

	// As Dapr writes: without a field for the time to live, or with one; JSON that came by its HTTP API as what it is.
	ends := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	for key, tc := range map[string]struct {
		value any
		want  string
	}{
		"text":   {"plain", "plain"},
		"quoted": {`"q"`, `"q"`},
		"number": {1.5, "1.5"},
		"whole":  {30.0, "30"},
		"bool":   {true, "true"},
		"null":   {nil, "null"},
		"array":  {bson.A{1, "x", bson.D{{Key: "a", Value: 2}}}, `[1,"x",{"a":2}]`},
		"object": {bson.D{{Key: "b", Value: 2.0}, {Key: "a", Value: "<é>"}}, `{"b":2,"a":"<é>"}`},
		"other":  {bson.D{{Key: "at", Value: time.UnixMilli(0)}, {Key: "id", Value: bson.ObjectID{1}}}, `{"at":"1970-01-01T00:00:00Z","id":"010000000000000000000000"}`},
	} {
		doc := bson.D{{Key: "_id", Value: key}, {Key: "value", Value: tc.value}, {Key: "_etag", Value: "e-" + key}}
		if key == "text" {
			doc = append(doc, bson.E{Key: "_ttl", Value: ends})
		}
		if _, err := c.InsertOne(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		e, err := s.Get(t.Context(), state.GetRequest{Key: key})
		if err != nil || e == nil || string(e.Value) != tc.want || *e.ETag != "e-"+key || e.Expires.IsZero() == (key == "text") {
			t.Errorf("%s: got %+v, error %v, want %s", key, e, err, tc.want)
		}
	}
	if e, _ := s.Get(t.Context(), state.GetRequest{Key: "text"}); !e.Expires.Equal(ends) {
		t.Errorf("expires: got %s, want %s", e.Expires, ends)
	}
	tag := "e-number"
	if err := s.Set(t.Context(), state.SetRequest{Key: "number", Value: []byte("2"), ETag: &tag}); err != nil || get(t, s, "number") != "2" {
		t.Errorf("set with an etag of Dapr's: %v", err)
	}
}

// TestExactTextOfAnother: the text beside a document counts no more once another program has changed the document.
func TestExactTextOfAnother(t *testing.T) {
	server := testserver.FerretDB(t)
	s, c := opened(t, component.Metadata{"host": server.Addr}), raw(t, server)
	set(t, s, "k", `{ "a" : 1 }`)
	update := bson.D{{Key: "$set", Value: bson.D{{Key: "value", Value: bson.D{{Key: "a", Value: 2}}}, {Key: "_etag", Value: "theirs"}}}}
	if _, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "k"}}, update); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "k"); got != `{"a":2}` {
		t.Errorf("get: got %s, want what the other program wrote", got)
	}
	set(t, s, "k", `{"a":3}`)
	if _, err := document(t, c, "k").LookupErr("_exact"); err == nil {
		t.Error("the text of before is still there")
	}
}

// TestSweep: this server has no TTL indexes, so the driver deletes what has expired.
func TestSweep(t *testing.T) {
	server := testserver.FerretDB(t)
	s, c := opened(t, component.Metadata{"host": server.Addr}), raw(t, server)
	for key, ttl := range map[string]time.Duration{"short": time.Millisecond, "hour": time.Hour, "none": 0} {
		if err := s.Set(t.Context(), state.SetRequest{Key: key, TTL: &ttl}); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		n, err := c.CountDocuments(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		if n == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d documents are left, want 2", n)
		}
	}
	document(t, c, "hour")
	document(t, c, "none")
}

func TestAhead(t *testing.T) {
	at := time.Now()
	for _, tc := range []struct{ clock, want time.Duration }{
		{0, 0}, {4 * time.Second, 0}, {-time.Millisecond, 0}, {14 * time.Second, 10 * time.Second}, {-10 * time.Second, -10 * time.Second},
	} {
		if got := ahead(at.Add(tc.clock), at, at.Add(4*time.Second)); got != tc.want {
			t.Errorf("a clock %s after the question was asked, whose answer took 4 s: got %s, want %s", tc.clock, got, tc.want)
		}
	}
}

// TestServersClock: what expires does so by the server's clock.
func TestServersClock(t *testing.T) {
	server := testserver.FerretDB(t)
	s, c := opened(t, component.Metadata{"host": server.Addr}), raw(t, server)
	s.offset.Store(int64(time.Hour))
	hour := time.Hour
	if err := s.Set(t.Context(), state.SetRequest{Key: "k", TTL: &hour}); err != nil {
		t.Fatal(err)
	}
	if at := document(t, c, "k").Lookup("_ttl").Time(); at.Before(time.Now().Add(90 * time.Minute)) {
		t.Errorf("ends: got %s, want it an hour from the server's now", at)
	}
	if err := s.Ping(t.Context()); err != nil || s.offset.Load() != 0 {
		t.Errorf("ping: error %v, and the clock is %s ahead, want 0", err, time.Duration(s.offset.Load()))
	}
}

// TestNoTransactions: a server that stands alone has none, and the store says so.
func TestNoTransactions(t *testing.T) {
	server := testserver.FerretDB(t)
	var lines bytes.Buffer
	s, err := Spec.New(t.Context(), component.Config{
		Metadata: component.Metadata{"host": server.Addr, "operationTimeout": "60s"}, Log: slog.New(slog.NewTextHandler(&lines, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := state.As[state.Transactor](s); ok {
		t.Error("the store has transactions, want none")
	}
	if _, ok := state.As[state.Lister](s); !ok {
		t.Error("the store cannot list")
	}
	for _, want := range []string{"this state store has no transactions", "deletes expired entries itself"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("log: got %s, want %q", lines.String(), want)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	// A server that only claims to be a replica set.
	st := opened(t, component.Metadata{"host": server.Addr})
	if err := st.Transact(t.Context(), []state.Operation{{Delete: &state.DeleteRequest{Key: "k"}}}, nil); !errors.Is(err, state.ErrNotSupported) {
		t.Errorf("transact: got error %v, want %v", err, state.ErrNotSupported)
	}
	if has, err := st.tryTransaction(t.Context()); has || err != nil {
		t.Errorf("trying a transaction: got %t, error %v, want false", has, err)
	}
}

// TestKeys: a server may change what is not UTF-8, so it is refused.
func TestKeys(t *testing.T) {
	s := opened(t, component.Metadata{"host": testserver.FerretDBReplicaSet(t).Addr})
	bad := &state.SetRequest{Key: "\xff"}
	if err := s.Set(t.Context(), *bad); !errors.Is(err, state.ErrInvalidKey) {
		t.Errorf("set: got error %v, want %v", err, state.ErrInvalidKey)
	}
	err := s.Transact(t.Context(), []state.Operation{{Upsert: &state.SetRequest{Key: "k"}}, {Upsert: bad}}, nil)
	if !errors.Is(err, state.ErrInvalidKey) {
		t.Errorf("transact: got error %v, want %v", err, state.ErrInvalidKey)
	}
	if err := s.Transact(t.Context(), []state.Operation{{}}, nil); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("transact of an operation that is none: got error %v, want %v", err, state.ErrInvalid)
	}
	if e, err := s.Get(t.Context(), state.GetRequest{Key: "k"}); e != nil || err != nil {
		t.Errorf("get: got %+v, error %v, want nothing", e, err)
	}
}

// TestCloseLeavesNothing: no goroutine is left.
func TestCloseLeavesNothing(t *testing.T) {
	server := testserver.FerretDB(t)
	before := runtime.NumGoroutine()
	s, err := attempt(t, component.Metadata{"host": server.Addr, "operationTimeout": "60s"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Set(t.Context(), state.SetRequest{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func BenchmarkGet(b *testing.B) {
	statetest.BenchmarkGet(b, opened(b, component.Metadata{"host": testserver.FerretDB(b).Addr}))
}

func BenchmarkSet(b *testing.B) {
	statetest.BenchmarkSet(b, opened(b, component.Metadata{"host": testserver.FerretDB(b).Addr}))
}
