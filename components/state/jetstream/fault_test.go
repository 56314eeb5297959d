package jetstream

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// stored gives the numbers of the keys that are there.
func stored(ctx context.Context, s *store, prefix string) (map[int]bool, error) {
	got := map[int]bool{}
	req := state.ListRequest{Prefix: prefix, Limit: 1000}
	for {
		page, err := s.ListKeys(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, key := range page.Keys {
			n, err := strconv.Atoi(strings.TrimPrefix(key, prefix))
			if err != nil {
				return nil, err
			}
			got[n] = true
		}
		if req.Token = page.Next; page.Next == "" {
			return got, nil
		}
	}
}

func unavailable(err error) bool { return errors.Is(err, state.ErrUnavailable) }

func TestFaults(t *testing.T) {
	server := testserver.NATSDurable(t, "--user", "u", "--pass", "planted-pass")
	s := using(t, external(server, "username", "u", "password", "planted-pass"))
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			return s.Set(ctx, state.SetRequest{Key: "app||" + strconv.Itoa(n), Value: []byte("v")})
		},
		Arrived:     func(ctx context.Context) (map[int]bool, error) { return stored(ctx, s, "app||") },
		Unavailable: unavailable, Credentials: []string{"planted-pass"},
	})
}

// TestFaultsOfTransactions: a transaction is there whole or not at all.
func TestFaultsOfTransactions(t *testing.T) {
	server := testserver.NATSDurable(t)
	s := using(t, external(server))
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			key := strconv.Itoa(n)
			return s.Transact(ctx, []state.Operation{
				{Upsert: &state.SetRequest{Key: "app||" + key}}, {Upsert: &state.SetRequest{Key: "copy||" + key}},
			}, nil)
		},
		Arrived:     func(ctx context.Context) (map[int]bool, error) { return stored(ctx, s, "app||") },
		Unavailable: unavailable,
	})
	one, errOne := stored(t.Context(), s, "app||")
	two, errTwo := stored(t.Context(), s, "copy||")
	if err := errors.Join(errOne, errTwo); err != nil {
		t.Fatal(err)
	}
	for n := range one {
		if !two[n] {
			t.Errorf("transaction %d: only its first half is there", n)
		}
		delete(two, n)
	}
	for n := range two {
		t.Errorf("transaction %d: only its second half is there", n)
	}
}

func TestServerDown(t *testing.T) {
	server := testserver.NATS(t)
	server.Stop()
	_, err := tryOpen(t, external(server))
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.Contains(err.Error(), "does not answer; check natsURL") {
		t.Fatalf("open: got %v, want an error that can be tried again", err)
	}
	server.Start()
	s := using(t, external(server))
	server.Stop()
	_, errGet := s.Get(t.Context(), state.GetRequest{Key: "k"})
	_, errBulk := s.BulkGet(t.Context(), []state.GetRequest{{Key: "a"}, {Key: "b"}})
	_, errList := s.ListKeys(t.Context(), state.ListRequest{Limit: 1})
	for what, err := range map[string]error{
		"get": errGet, "bulk get": errBulk, "list": errList, "ping": s.Ping(t.Context()),
		"set": s.Set(t.Context(), state.SetRequest{Key: "k"}), "delete": s.Delete(t.Context(), state.DeleteRequest{Key: "k"}),
		"transact": s.Transact(t.Context(), []state.Operation{{Upsert: &state.SetRequest{Key: "a"}}, {Upsert: &state.SetRequest{Key: "b"}}}, nil),
	} {
		if !unavailable(err) {
			t.Errorf("%s without a server: got %v, want %v", what, err, state.ErrUnavailable)
		}
	}
}

// TestBucketInMemory: what the server has lost is made again.
func TestBucketInMemory(t *testing.T) {
	server := testserver.NATS(t)
	for what, call := range map[string]func(s *store) error{
		"get": func(s *store) error {
			_, err := s.Get(t.Context(), state.GetRequest{Key: "k"})
			return err
		},
		"set": func(s *store) error { return s.Set(t.Context(), state.SetRequest{Key: "k"}) },
		"list": func(s *store) error {
			_, err := s.ListKeys(t.Context(), state.ListRequest{Limit: 1})
			return err
		},
		"transact": func(s *store) error {
			return s.Transact(t.Context(), []state.Operation{{Upsert: &state.SetRequest{Key: "a"}}, {Upsert: &state.SetRequest{Key: "b"}}}, nil)
		},
	} {
		s := using(t, external(server, "memoryStorage", "true"))
		set(t, s, "app||a", "1")
		server.Stop()
		server.Start()
		var err error
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if err = call(s); err == nil || !unavailable(err) {
				break
			}
		}
		if err != nil {
			t.Errorf("%s after the server is back: %v", what, err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("ping after %s: %v", what, err)
		}
	}
}

func TestBadSettings(t *testing.T) {
	server := testserver.NATS(t, "--auth", "planted-token")
	for _, test := range []struct {
		fields component.Metadata
		want   string
	}{
		{component.Metadata{}, "natsURL is missing"},
		{component.Metadata{"natsURL": server.URL, "token": "planted-token"}, "metadata field bucket is missing"},
		{component.Metadata{"natsURL": server.URL, "bucket": "a.b"}, "metadata field bucket: want letters"},
		{component.Metadata{"natsURL": server.URL, "bucket": "ü"}, "metadata field bucket: want letters"},
		{component.Metadata{"bucket": "b", "replicas": "0"}, "metadata field replicas: want 1 to 5"},
		{component.Metadata{"bucket": "b", "replicas": "many"}, "metadata field replicas"},
		{component.Metadata{"bucket": "b", "memoryStorage": "maybe"}, "metadata field memoryStorage"},
		{component.Metadata{"bucket": "b", "jwt": "planted"}, "jwt and seedKey"},
		{component.Metadata{"bucket": "b", "domain": "a", "apiPrefix": "b"}, "domain and apiPrefix"},
		{component.Metadata{"natsURL": server.URL, "bucket": "b", "token": "planted-wrong"}, "refuses the credentials"},
	} {
		_, err := tryOpen(t, component.Config{Metadata: test.fields})
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v: got %v, want a permanent error with %q", test.fields, err, test.want)
		}
	}
	without := testserver.NATS(t, "-c", writeConfig(t, "accounts: {A: {users: [{user: u, password: p}]}}\n"))
	if _, err := tryOpen(t, external(without, "username", "u", "password", "p")); err == nil || !strings.Contains(err.Error(), "does not answer to JetStream") {
		t.Errorf("an account without JetStream: got %v", err)
	}
}
