package secret_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// stores records what the fake drivers of one test do.
type stores struct {
	mu     sync.Mutex
	events []string
	// fields are the metadata with which components were opened.
	fields map[string]component.Metadata
	fakes  map[string]*fakeStore
	log    bytes.Buffer
}

func (s *stores) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, fmt.Sprintf(format, args...))
}

// fakeStore is a store in memory. Its metadata are its secrets: the field "db.user" is the key user of the secret db.
type fakeStore struct {
	all     *stores
	name    string
	secrets map[string]secret.Values

	mu   sync.Mutex
	down int // so many reads fail
	gets int
}

func (f *fakeStore) Get(ctx context.Context, name string, metadata map[string]string) (secret.Values, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gets++
	if f.down > 0 {
		f.down--
		return nil, fmt.Errorf("%w: fake is down", secret.ErrUnavailable)
	}
	values, ok := f.secrets[name]
	if !ok {
		return nil, secret.NotFound(name)
	}
	values = maps.Clone(values)
	if v := metadata["version_id"]; v != "" {
		values["version"] = v
	}
	return values, ctx.Err()
}

func (f *fakeStore) Close(context.Context) error {
	f.all.note("close %s", f.name)
	return nil
}

// bulkStore can give all.
type bulkStore struct{ *fakeStore }

func (b bulkStore) BulkGet(context.Context, map[string]string) (map[string]secret.Values, error) {
	out := map[string]secret.Values{}
	for name, values := range b.secrets {
		out[name] = maps.Clone(values)
	}
	return out, nil
}

func (b bulkStore) MultiValued() bool { return true }

func (b bulkStore) Ping(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down > 0 {
		return fmt.Errorf("%w: fake is down", secret.ErrUnavailable)
	}
	return nil
}

func newStores() *stores {
	return &stores{fields: map[string]component.Metadata{}, fakes: map[string]*fakeStore{}}
}

func (s *stores) drivers(t *testing.T) component.Set[secret.Store] {
	t.Helper()
	open := func(_ context.Context, cfg component.Config) (*fakeStore, error) {
		s.note("open %s", cfg.Name)
		f := &fakeStore{all: s, name: cfg.Name, secrets: map[string]secret.Values{}}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fields[cfg.Name+cfg.App], s.fakes[cfg.Name] = cfg.Metadata, f
		for field, value := range cfg.Metadata {
			for i := range field {
				if field[i] == '.' {
					if f.secrets[field[:i]] == nil {
						f.secrets[field[:i]] = secret.Values{}
					}
					f.secrets[field[:i]][field[i+1:]] = value
				}
			}
		}
		if bad := cfg.Metadata["fail"]; bad != "" {
			cfg.Log.Error("bad field", "value", bad, slog.Group("all", "fail", bad), "error", fmt.Errorf("bad %s", bad))
			return nil, component.Permanent(fmt.Errorf("field fail: want nothing, found %q", bad))
		}
		return f, nil
	}
	set, err := component.NewSet(secret.Kind,
		component.Spec[secret.Store]{
			Type: "secretstores.fake", Doc: "One by one.",
			New: func(ctx context.Context, cfg component.Config) (secret.Store, error) { return open(ctx, cfg) },
		},
		component.Spec[secret.Store]{
			Type: "secretstores.bulk", Doc: "All at once.",
			New: func(ctx context.Context, cfg component.Config) (secret.Store, error) {
				f, err := open(ctx, cfg)
				return bulkStore{f}, err
			},
		})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (s *stores) config(t *testing.T, decls ...secret.Decl) secret.ResolverConfig {
	return secret.ResolverConfig{
		Drivers: s.drivers(t), Decls: decls, Apps: []string{"web", "jobs"},
		Env: component.Env{Log: slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))},
	}
}

// resolver opens stores that are closed when the test ends.
func (s *stores) resolver(t *testing.T, decls ...secret.Decl) *secret.Resolver {
	t.Helper()
	r, err := secret.NewResolver(t.Context(), s.config(t, decls...))
	if err != nil {
		t.Fatalf("resolver: %v", err)
	}
	t.Cleanup(func() { _ = r.Close(context.WithoutCancel(t.Context())) })
	return r
}

func decl(name, typ string, metadata component.Metadata, refs ...secret.Ref) secret.Decl {
	return secret.Decl{
		Decl:    component.Decl{Name: name, Type: "secretstores." + typ, Where: name + ".yaml:1:1", Metadata: metadata, InitTimeout: 10 * time.Second},
		Secrets: refs,
	}
}

func ref(field, store, name, key, where string) secret.Ref {
	return secret.Ref{Field: field, Store: store, Name: name, Key: key, Where: where}
}
