package vault_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/components/secret/vault"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/secret/secrettest"
)

// open opens a store on a server with its root token; more fields go over that.
func open(t *testing.T, s *testserver.VaultServer, more component.Metadata) secret.Store {
	t.Helper()
	store, err := tryOpen(t, s, more)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = store.Close(context.WithoutCancel(t.Context())) })
	return store
}

func tryOpen(t *testing.T, s *testserver.VaultServer, more component.Metadata) (secret.Store, error) {
	t.Helper()
	metadata := component.Metadata{"vaultAddr": s.URL, "vaultToken": s.Token}
	maps.Copy(metadata, more)
	return vault.Spec.New(t.Context(), component.Config{Name: "vault", Metadata: metadata, Log: slog.New(slog.DiscardHandler)})
}

func put(t *testing.T, s *testserver.VaultServer, path string, values map[string]any) {
	t.Helper()
	if _, err := s.Client().Logical().WriteWithContext(t.Context(), path, values); err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
}

func putV2(t *testing.T, s *testserver.VaultServer, path string, values map[string]any) {
	t.Helper()
	put(t, s, "secret/data/"+path, map[string]any{"data": values})
}

func get(t *testing.T, store secret.Store, name string, metadata map[string]string) secret.Values {
	t.Helper()
	got, err := store.Get(t.Context(), name, metadata)
	if err != nil {
		t.Fatalf("get %s: %v", name, err)
	}
	return got
}

func want(t *testing.T, got secret.Values, want secret.Values) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestConformance(t *testing.T) {
	s := testserver.Vault(t)
	for name, c := range map[string]struct {
		path     string
		v2       bool
		metadata component.Metadata
	}{
		"v2":             {path: "secret/data/dapr/", v2: true},
		"v2 own prefix":  {path: "secret/data/team/a/", v2: true, metadata: component.Metadata{"vaultKVPrefix": "team/a", "vaultKVVersion": "v2"}},
		"v2 no prefix":   {path: "secret/data/", v2: true, metadata: component.Metadata{"vaultKVUsePrefix": "false", "vaultKVPrefix": "ignored"}},
		"v1":             {path: "kv1/dapr/", metadata: component.Metadata{"enginePath": "kv1", "vaultKVVersion": "v1"}},
		"v1 found out":   {path: "kv1/out/", metadata: component.Metadata{"enginePath": "/kv1/", "vaultKVPrefix": "out"}},
		"v1 from a root": {path: "kv1/", metadata: component.Metadata{"enginePath": "kv1", "vaultKVUsePrefix": "false"}},
	} {
		t.Run(name, func(t *testing.T) {
			secrettest.Run(t, func(t *testing.T, planted map[string]secret.Values) secret.Store {
				for name, values := range planted {
					fields := map[string]any{}
					for k, v := range values {
						fields[k] = v
					}
					if c.v2 {
						fields = map[string]any{"data": fields}
					}
					put(t, s, c.path+name, fields)
				}
				return open(t, s, c.metadata)
			}, secrettest.Caps{})
		})
	}
}

func TestVersions(t *testing.T) {
	s := testserver.Vault(t)
	putV2(t, s, "dapr/db", map[string]any{"password": "one"})
	putV2(t, s, "dapr/db", map[string]any{"password": "two"})
	putV2(t, s, "dapr/db", map[string]any{"password": "three"})
	put(t, s, "secret/delete/dapr/db", map[string]any{"versions": []int{2}})
	store := open(t, s, nil)
	want(t, get(t, store, "db", nil), secret.Values{"password": "three"})
	want(t, get(t, store, "db", map[string]string{"version_id": "0"}), secret.Values{"password": "three"})
	want(t, get(t, store, "db", map[string]string{"version_id": "1"}), secret.Values{"password": "one"})
	for version, is := range map[string]error{"2": secret.ErrNotFound, "99": secret.ErrNotFound, "x": secret.ErrInvalid, "-1": secret.ErrInvalid} {
		if _, err := store.Get(t.Context(), "db", map[string]string{"version_id": version}); !errors.Is(err, is) {
			t.Errorf("version %s: got error %v, want %v", version, err, is)
		}
	}
	put(t, s, "kv1/dapr/db", map[string]any{"password": "v1"})
	v1 := open(t, s, component.Metadata{"enginePath": "kv1"})
	if _, err := v1.Get(t.Context(), "db", map[string]string{"version_id": "1"}); !errors.Is(err, secret.ErrUnsupported) {
		t.Errorf("version of KV v1: got error %v, want %v", err, secret.ErrUnsupported)
	}
}

func TestValues(t *testing.T) {
	s := testserver.Vault(t)
	putV2(t, s, "dapr/mixed", map[string]any{"text": "a<b", "number": 1.5, "big": int64(4503599627370497), "bool": true, "list": []any{"x", 1}, "null": nil})
	putV2(t, s, "dapr/team/a/deep", map[string]any{"k": "v"})
	store := open(t, s, nil)
	want(t, get(t, store, "mixed", nil), secret.Values{"text": "a<b", "number": "1.5", "big": "4503599627370497", "bool": "true", "list": `["x",1]`, "null": "null"})
	all, err := store.(secret.BulkGetter).BulkGet(t.Context(), nil)
	if err != nil || len(all) != 2 {
		t.Fatalf("bulk get: got %d secrets and error %v, want 2", len(all), err)
	}
	want(t, all["team/a/deep"], secret.Values{"k": "v"})
	text := open(t, s, component.Metadata{"vaultValueType": "text"})
	want(t, get(t, text, "team/a/deep", nil), secret.Values{"team/a/deep": `{"k":"v"}`})
	if store.(secret.MultiValued).MultiValued() == text.(secret.MultiValued).MultiValued() {
		t.Error("MultiValued: want true for map and false for text")
	}
	empty := open(t, s, component.Metadata{"vaultKVPrefix": "nobody"})
	if all, err := empty.(secret.BulkGetter).BulkGet(t.Context(), nil); err != nil || len(all) != 0 {
		t.Errorf("bulk get of an empty folder: got %d secrets and error %v, want none", len(all), err)
	}
}

// TestTokenFile renews the token in its file, and takes the old one back.
func TestTokenFile(t *testing.T) {
	s := testserver.Vault(t)
	putV2(t, s, "dapr/db", map[string]any{"password": "p"})
	newToken := func() string {
		answer, err := s.Client().Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{"root"}, NoParent: true})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Auth.ClientToken
	}
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := newToken()
	write(first + "\n")
	store := open(t, s, component.Metadata{"vaultToken": "", "vaultTokenMountPath": file})
	get(t, store, "db", nil)
	if err := s.Client().Auth().Token().RevokeTree(first); err != nil {
		t.Fatal(err)
	}
	_, err := store.Get(t.Context(), "db", nil)
	if !errors.Is(err, secret.ErrForbidden) || strings.Contains(err.Error(), first) {
		t.Fatalf("get with a revoked token: got error %v, want %v without the token", err, secret.ErrForbidden)
	}
	write(newToken())
	get(t, store, "db", nil)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	get(t, store, "db", nil) // the last one counts
}

func TestTLS(t *testing.T) {
	s := testserver.VaultTLS(t, "vault.internal")
	putV2(t, s, "dapr/db", map[string]any{"password": "p"})
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "ca.crt"), pem, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		metadata component.Metadata
		fails    string
	}{
		"caCert":              {metadata: component.Metadata{"caCert": s.CAFile}},
		"caPath":              {metadata: component.Metadata{"caPath": folder}},
		"caPem":               {metadata: component.Metadata{"caPem": string(pem)}},
		"tlsServerName":       {metadata: component.Metadata{"caCert": s.CAFile, "tlsServerName": "vault.internal"}},
		"skipVerify":          {metadata: component.Metadata{"skipVerify": "true"}},
		"unknown authority":   {fails: "set caCert"},
		"wrong name":          {metadata: component.Metadata{"caCert": s.CAFile, "tlsServerName": "other.internal"}, fails: "tlsServerName"},
		"caCert is missing":   {metadata: component.Metadata{"caCert": "/no/such/file"}, fails: "metadata field caCert"},
		"caPem is no PEM":     {metadata: component.Metadata{"caPem": "nonsense"}, fails: "metadata field caPem"},
		"http to a TLS port":  {metadata: component.Metadata{"vaultAddr": strings.Replace(s.URL, "https", "http", 1)}, fails: "vault at http"},
		"caPath has no files": {metadata: component.Metadata{"caPath": t.TempDir()}, fails: "set caCert"},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := tryOpen(t, s, c.metadata)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got error %v, want one with %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want(t, get(t, store, "db", nil), secret.Values{"password": "p"})
		})
	}
}

func TestFields(t *testing.T) {
	s := testserver.Vault(t)
	for name, c := range map[string]struct {
		metadata component.Metadata
		fails    string
	}{
		"no token":        {component.Metadata{"vaultToken": ""}, "vaultToken or vaultTokenMountPath is missing"},
		"both tokens":     {component.Metadata{"vaultTokenMountPath": "f"}, "both given"},
		"no token file":   {component.Metadata{"vaultToken": "", "vaultTokenMountPath": "/no/such/file"}, "vaultTokenMountPath"},
		"value type":      {component.Metadata{"vaultValueType": "list"}, `want one of map, text, found "list"`},
		"KV version":      {component.Metadata{"vaultKVVersion": "v3"}, `want one of v1, v2, found "v3"`},
		"other version":   {component.Metadata{"vaultKVVersion": "v1"}, "is KV v2, found v1"},
		"no KV engine":    {component.Metadata{"enginePath": "sys"}, `is of type "system"`},
		"no engine":       {component.Metadata{"enginePath": "/"}, "enginePath"},
		"address":         {component.Metadata{"vaultAddr": "127.0.0.1:8200"}, "want a URL"},
		"TLS to plain":    {component.Metadata{"vaultAddr": strings.Replace(s.URL, "http", "https", 1)}, "does not speak TLS"},
		"no such boolean": {component.Metadata{"skipVerify": "maybe"}, "skipVerify"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tryOpen(t, s, c.metadata); err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("got error %v, want one with %q", err, c.fails)
			}
		})
	}
}

func TestEnvironmentDoesNotCount(t *testing.T) {
	s := testserver.Vault(t)
	putV2(t, s, "dapr/db", map[string]any{"password": "p"})
	metadata := component.Metadata{}
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", "another")
	t.Setenv("VAULT_NAMESPACE", "another")
	want(t, get(t, open(t, s, metadata), "db", nil), secret.Values{"password": "p"})
}

// TestSealedAndDown takes the server away and brings it back, with the same store.
func TestSealedAndDown(t *testing.T) {
	s := testserver.Vault(t)
	putV2(t, s, "dapr/db", map[string]any{"password": "p"})
	store := open(t, s, nil)
	unavailable := func(what, text string) {
		t.Helper()
		_, errGet := store.Get(t.Context(), "db", nil)
		_, errBulk := store.(secret.BulkGetter).BulkGet(t.Context(), nil)
		for call, err := range map[string]error{"get": errGet, "bulk get": errBulk, "ping": store.(secret.Pinger).Ping(t.Context())} {
			if !errors.Is(err, secret.ErrUnavailable) || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %s: got error %v, want %v with %q", what, call, err, secret.ErrUnavailable, text)
			}
			if strings.Contains(err.Error(), s.Token) {
				t.Errorf("%s: %s: the token is in the error", what, call)
			}
		}
	}
	s.Seal()
	unavailable("sealed", "is sealed")
	if _, err := tryOpen(t, s, nil); !errors.Is(err, secret.ErrUnavailable) || !strings.Contains(err.Error(), "is sealed") {
		t.Errorf("opening a sealed store: got error %v, want %v", err, secret.ErrUnavailable)
	}
	s.Unseal()
	want(t, get(t, store, "db", nil), secret.Values{"password": "p"})
	s.Stop()
	unavailable("down", "does not answer")
	s.Start()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got, err := store.Get(t.Context(), "db", nil)
		if err == nil {
			want(t, got, secret.Values{"password": "p"})
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the restart: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestCredentialsStayHidden plants a token and a value and looks for them in errors and logs.
func TestCredentialsStayHidden(t *testing.T) {
	s := testserver.Vault(t)
	const value = "planted-s3cret-value"
	putV2(t, s, "dapr/db", map[string]any{"password": value})
	if err := s.Client().Sys().PutPolicy("some", `path "secret/data/dapr/db" { capabilities = ["read"] }`); err != nil {
		t.Fatal(err)
	}
	answer, err := s.Client().Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{"some"}})
	if err != nil {
		t.Fatal(err)
	}
	token := answer.Auth.ClientToken
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	set, err := component.NewSet(secret.Kind, vault.Spec)
	if err != nil {
		t.Fatal(err)
	}
	start := func(addr, token string) (*secret.Resolver, error) {
		return secret.NewResolver(t.Context(), secret.ResolverConfig{
			Drivers: set, Env: component.Env{Log: log},
			Decls: []secret.Decl{{Decl: component.Decl{
				Name: "vault", Type: vault.Spec.Type, Where: "m.yaml:1:1", InitTimeout: 300 * time.Millisecond,
				Metadata: component.Metadata{"vaultAddr": addr, "vaultToken": token, "unknownField": "x"},
			}}},
		})
	}
	var texts []string
	note := func(err error) {
		t.Helper()
		if err == nil {
			t.Fatal("want an error, got none")
		}
		texts = append(texts, err.Error())
	}
	r, err := start(s.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	b := secret.New(secret.Config{Resolver: r})
	if got, err := b.Get(t.Context(), "", "vault", "db", nil); err != nil || got["password"] != value {
		t.Fatalf("get: got %d values and error %v", len(got), err)
	}
	_, err = r.Resolve(t.Context(), "component x", []secret.Ref{{Field: "f", Store: "vault", Name: "db", Key: "none", Where: "m.yaml:2:1"}}, 0)
	note(err)
	_, err = b.Get(t.Context(), "", "vault", "other", nil)
	note(err)
	_, err = b.BulkGet(t.Context(), "", "vault", nil)
	note(err)
	s.Seal()
	_, err = b.Get(t.Context(), "", "vault", "db", nil)
	note(err)
	note(b.Ready(t.Context()))
	_, err = start(s.URL, token)
	note(err)
	s.Stop()
	_, err = b.Get(t.Context(), "", "vault", "db", nil)
	note(err)
	_, err = start("http://user:"+token+"@127.0.0.1:1", token)
	note(err)
	_, err = start("http://127.0.0.1:1/"+"\x7f"+token, token)
	note(err)
	_, err = start(s.URL, token+"\nx")
	note(err)
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	texts = append(texts, lines.String())
	if lines.Len() == 0 {
		t.Error("nothing was logged, so this test does not look at logs")
	}
	for _, text := range texts {
		for _, planted := range []string{value, token} {
			if strings.Contains(text, planted) {
				t.Errorf("a planted credential is in %q", strings.ReplaceAll(text, planted, "<HERE>"))
			}
		}
	}
}
