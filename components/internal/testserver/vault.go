package testserver

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// openBao is the binary that setup.sh builds into the user's cache folder.
const openBao = "bao-2.4.0"

// VaultServer is a running OpenBao server, which speaks Vault's API. It is initialized and unsealed, keeps what it
// has on disk, and has a key-value engine of version 2 at secret/ and one of version 1 at kv1/.
type VaultServer struct {
	// URL is http://host:port, or https:// with TLS.
	URL string
	// Token is the root token.
	Token string
	// CAFile has the certificate of the authority of the server's own one, PEM; empty without TLS.
	CAFile string
	p      *process
	key    string
}

// Vault runs an OpenBao server without TLS.
func Vault(t testing.TB) *VaultServer {
	t.Helper()
	return newVault(t, "tls_disable = true", "http", "")
}

// VaultTLS runs an OpenBao server with a certificate for 127.0.0.1 and for serverName.
func VaultTLS(t testing.TB, serverName string) *VaultServer {
	t.Helper()
	ca, cert, key := certificates(t, serverName)
	return newVault(t, fmt.Sprintf("tls_cert_file = %q\n  tls_key_file = %q", cert, key), "https", ca)
}

func newVault(t testing.TB, listener, scheme, ca string) *VaultServer {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("a cache folder for OpenBao is needed: %v", err)
	}
	bin := filepath.Join(cache, "mrt-wasm-test", openBao)
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("OpenBao is not built: run `make test-setup`, which takes some minutes the first time: %v", err)
	}
	addr := loopback(freePorts(t, 1)[0])
	dir := t.TempDir()
	s := &VaultServer{URL: scheme + "://" + addr, CAFile: ca}
	config := filepath.Join(dir, "bao.hcl")
	text := fmt.Sprintf("storage \"file\" {\n  path = %q\n}\nlistener \"tcp\" {\n  address = %q\n  %s\n}\napi_addr = %q\n",
		filepath.Join(dir, "data"), addr, listener, s.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.p = &process{t: t, path: bin, addr: addr, args: []string{"server", "-config=" + config}}
	t.Cleanup(s.Stop)
	s.p.start()
	s.init()
	return s
}

// init makes the keys, unseals the server and mounts the engines.
func (s *VaultServer) init() {
	t := s.p.t
	t.Helper()
	client := s.Client()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	keys, err := client.Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		t.Fatalf("initializing OpenBao: %v\n%s", err, s.p.out)
	}
	s.Token, s.key = keys.RootToken, keys.Keys[0]
	s.Unseal()
	client.SetToken(s.Token)
	for path, version := range map[string]string{"secret": "2", "kv1": "1"} {
		err := client.Sys().MountWithContext(ctx, path, &api.MountInput{Type: "kv", Options: map[string]string{"version": version}})
		if err != nil {
			t.Fatalf("mounting %s: %v\n%s", path, err, s.p.out)
		}
	}
	// A new engine of version 2 is busy with itself for a moment.
	s.until(ctx, "the engine secret/ is ready", func() error {
		_, err := client.KVv2("secret").Put(ctx, "ready", map[string]any{"is": "ready"})
		return err
	})
}

// Client gives a client with the root token.
func (s *VaultServer) Client() *api.Client {
	s.p.t.Helper()
	config := api.DefaultConfig()
	config.Address, config.MaxRetries = s.URL, 0
	if s.CAFile != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: s.CAFile}); err != nil {
			s.p.t.Fatal(err)
		}
	}
	client, err := api.NewClient(config)
	if err != nil {
		s.p.t.Fatal(err)
	}
	client.ClearNamespace()
	client.SetHeaders(http.Header{api.RequestHeaderName: []string{"true"}})
	client.SetToken(s.Token)
	return client
}

// Start runs the server again on the same port, with what it had, after Stop, and unseals it.
func (s *VaultServer) Start() {
	s.p.t.Helper()
	s.p.start()
	s.Unseal()
}

// Stop ends the server; clients see their connections closed.
func (s *VaultServer) Stop() { s.p.stop() }

// Seal makes the server refuse all requests until Unseal.
func (s *VaultServer) Seal() {
	s.p.t.Helper()
	if err := s.Client().Sys().Seal(); err != nil {
		s.p.t.Fatalf("sealing OpenBao: %v\n%s", err, s.p.out)
	}
}

// Unseal waits until the server is unsealed and serves.
func (s *VaultServer) Unseal() {
	s.p.t.Helper()
	ctx, cancel := context.WithTimeout(s.p.t.Context(), startTimeout)
	defer cancel()
	s.until(ctx, "OpenBao is unsealed", func() error {
		status, err := s.Client().Sys().UnsealWithContext(ctx, s.key)
		if err != nil {
			return err
		}
		health, err := s.Client().Sys().HealthWithContext(ctx)
		if err == nil && (status.Sealed || health.Sealed || health.Standby) {
			return fmt.Errorf("sealed: %v, standby: %v", health.Sealed, health.Standby)
		}
		return err
	})
}

// until repeats what a server that has just begun to serve may refuse.
func (s *VaultServer) until(ctx context.Context, what string, try func() error) {
	s.p.t.Helper()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.p.t.Fatalf("%s: not within %s: %v\n%s", what, startTimeout, err, s.p.out)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
