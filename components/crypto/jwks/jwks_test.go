package jwks_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/crypto/jwks"
	"github.com/mrt-wasm/mrt-wasm/components/internal/localkeys"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/crypto/cryptotest"
)

func opened(t *testing.T, metadata component.Metadata, log *slog.Logger) (crypto.Provider, error) {
	t.Helper()
	return jwks.Spec.New(t.Context(), component.Config{Name: "vault", Metadata: metadata, Log: log})
}

// kept is a vault that is closed with the test.
func kept(t *testing.T, metadata component.Metadata, log *slog.Logger) crypto.Provider {
	t.Helper()
	v, err := opened(t, metadata, log)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := v.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return v
}

func write(t *testing.T, file string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConformance(t *testing.T) {
	keys := cryptotest.Keys(t)
	set := cryptotest.Set(t, keys)
	for name, given := range map[string]func(t *testing.T) string{
		"inline": func(*testing.T) string { return string(set) },
		"base64": func(*testing.T) string { return base64.StdEncoding.EncodeToString(set) },
		"file":   func(t *testing.T) string { return write(t, filepath.Join(t.TempDir(), "keys"), set) },
		"URL": func(t *testing.T) string {
			s := serve(t)
			s.body.Store(&set)
			return s.url()
		},
	} {
		t.Run(name, func(t *testing.T) {
			jwks := given(t)
			cryptotest.Run(t, func(t *testing.T) crypto.Provider {
				v, err := opened(t, component.Metadata{"jwks": jwks}, nil)
				if err != nil {
					t.Fatalf("open: %v", err)
				}
				return v
			}, keys)
		})
	}
}

const planted = "sesame-open-0123"

// TestBadSettings: the set is never quoted, since it has keys.
func TestBadSettings(t *testing.T) {
	bad := write(t, filepath.Join(t.TempDir(), "bad.json"), []byte(planted))
	for name, tt := range map[string]struct {
		metadata component.Metadata
		want     string
	}{
		"none":          {nil, "metadata field jwks is missing"},
		"text":          {component.Metadata{"jwks": planted}, "it is no URL and no file that is there: want a JSON Web Key Set"},
		"no set":        {component.Metadata{"jwks": `{"k":"` + planted + `"}`}, "found JSON without keys"},
		"base64 of it":  {component.Metadata{"jwks": base64.StdEncoding.EncodeToString([]byte(planted))}, "want a JSON Web Key Set"},
		"cut":           {component.Metadata{"jwks": `{"keys":[{"kty":"oct","kid":"a","k":"` + planted}, "want a JSON Web Key Set"},
		"no usable key": {component.Metadata{"jwks": `{"keys":[{"kty":"oct","k":"` + planted + `"}]}`}, "has no kid"},
		"file":          {component.Metadata{"jwks": bad}, "bad.json: want a JSON Web Key Set"},
		"folder":        {component.Metadata{"jwks": filepath.Dir(bad)}, "it is no URL and no file that is there"},
		"URL":           {component.Metadata{"jwks": "https://shop:" + planted + "@127.0.0.1:x/"}, "want a URL such as"},
		"URL of none":   {component.Metadata{"jwks": "http://"}, "want a URL such as"},
		"timeout":       {component.Metadata{"jwks": `{"keys":[]}`, "requestTimeout": "soon"}, "metadata field requestTimeout"},
		"interval":      {component.Metadata{"jwks": `{"keys":[]}`, "minRefreshInterval": "often"}, "metadata field minRefreshInterval"},
	} {
		_, err := opened(t, tt.metadata, nil)
		permanent, ok := errors.AsType[*component.PermanentError](err)
		if !ok || !strings.Contains(permanent.Error(), tt.want) || strings.Contains(permanent.Error(), planted) {
			t.Errorf("%s: got error %v, want a permanent one with %q", name, err, tt.want)
		}
	}
}

// oct is a set with symmetric keys by their ids.
func oct(ids ...string) []byte {
	var keys []string
	for _, id := range ids {
		keys = append(keys, fmt.Sprintf(`{"kty":"oct","kid":%q,"k":%q}`, id, base64.RawURLEncoding.EncodeToString([]byte((id + planted)[:16]))))
	}
	return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`)
}

// use uses a key, and gives what came of it: two keys give two texts.
func use(t *testing.T, v crypto.Provider, key string) ([]byte, error) {
	t.Helper()
	got, err := v.Encrypt(t.Context(), &crypto.Operation{Key: key, Algorithm: "A128CBC-NOPAD", Data: make([]byte, 16), Nonce: make([]byte, 16)})
	return got.Data, err
}

// want holds the error of a use.
func want(t *testing.T, v crypto.Provider, key string, class error) {
	t.Helper()
	if _, err := use(t, v, key); !errors.Is(err, class) || class == nil && err != nil {
		t.Errorf("key %q: got error %v, want %v", key, err, class)
	} else if err != nil && strings.Contains(err.Error(), planted) {
		t.Errorf("key %q: the error has what is in the set or its URL: %v", key, err)
	}
}

// TestFile: what the file has counts, and while it is not a set what it had.
func TestFile(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "set.json"), oct("a"))
	v := kept(t, component.Metadata{"jwks": file}, nil)
	ping := func(class error) {
		t.Helper()
		if err := v.(crypto.Pinger).Ping(t.Context()); !errors.Is(err, class) || class == nil && err != nil {
			t.Errorf("ping: got error %v, want %v", err, class)
		}
	}
	want(t, v, "a", nil)
	want(t, v, "b", crypto.ErrKeyNotFound)
	ping(nil)
	write(t, file, oct("b"))
	want(t, v, "b", nil)
	want(t, v, "a", crypto.ErrKeyNotFound)
	for _, broken := range []string{"", planted, string(oct("c"))[:20], strings.Repeat(" ", localkeys.MaxSize+1)} {
		write(t, file, []byte(broken))
		want(t, v, "b", nil)
		want(t, v, "c", crypto.ErrUnavailable)
		ping(crypto.ErrUnavailable)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	want(t, v, "b", nil)
	want(t, v, "c", crypto.ErrUnavailable)
	write(t, file, oct("c"))
	want(t, v, "c", nil)
	want(t, v, "b", crypto.ErrKeyNotFound)
	ping(nil)
}

// TestSkipped: the log tells which keys are left out, without them.
func TestSkipped(t *testing.T) {
	var log bytes.Buffer
	set := `{"keys":[{"kty":"oct","k":"` + planted + `"},{"kty":"` + planted + `","kid":"x"},` + strings.TrimPrefix(string(oct("a")), `{"keys":[`)
	v := kept(t, component.Metadata{"jwks": set}, slog.New(slog.NewTextHandler(&log, nil)))
	want(t, v, "a", nil)
	want(t, v, "x", crypto.ErrKeyNotFound)
	want(t, v, "", crypto.ErrKeyNotFound)
	if text := log.String(); !strings.Contains(text, "key 1 of 3") || !strings.Contains(text, "key 2 of 3") || strings.Contains(text, planted) {
		t.Errorf("got the log %s", text)
	}
}
