// Package vault is the secret store secretstores.hashicorp.vault: a key-value engine, version 1 or 2, of HashiCorp Vault
// or OpenBao.
package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
	"golang.org/x/sync/errgroup"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// Spec is the driver.
var Spec = component.Spec[secret.Store]{
	Type: "secretstores.hashicorp.vault",
	Doc: `Reads secrets from a key-value engine of HashiCorp Vault or OpenBao.

The secret "db" is at <enginePath>/<vaultKVPrefix>/db, and names may have slashes. With vaultValueType map its values are
those of the secret, with text it has one value, all of them as JSON, under its own name. The request metadata
version_id asks for a version (KV version 2). The token file is read again for every request, so that a renewed token
counts at once. Bulk reads list everything below the prefix, folders included.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields, and vaultKVVersion.
type settings struct {
	Address    string `metadata:"vaultAddr" default:"https://127.0.0.1:8200" doc:"URL of the server"`
	CACert     string `metadata:"caCert" doc:"file with the certificate of the authority to trust, PEM"`
	CAPath     string `metadata:"caPath" doc:"folder of such files"`
	CAPem      string `metadata:"caPem" doc:"the certificate itself, PEM; wins over caPath, and that over caCert"`
	SkipVerify bool   `metadata:"skipVerify" default:"false" doc:"do not check the server's certificate; unsafe"`
	ServerName string `metadata:"tlsServerName" doc:"the name to look for in the server's certificate"`
	TokenFile  string `metadata:"vaultTokenMountPath" doc:"file with the token; this or vaultToken is needed"`
	Token      string `metadata:"vaultToken,secret" doc:"the token"`
	Prefix     string `metadata:"vaultKVPrefix" default:"dapr" doc:"folder of the engine in which the secrets are"`
	UsePrefix  bool   `metadata:"vaultKVUsePrefix" default:"true" doc:"false: the secrets are at the engine's root"`
	Engine     string `metadata:"enginePath" default:"secret" doc:"where the key-value engine is mounted"`
	ValueType  string `metadata:"vaultValueType" default:"map" doc:"map: a secret has its own keys; text: one, with everything as JSON"`
	KVVersion  string `metadata:"vaultKVVersion" doc:"v1 or v2; when missing the server is asked, and if it does not tell it is v2"`
}

// requestTimeout bounds one request; callers usually have less time.
const requestTimeout = 30 * time.Second

// parallelism is how many secrets of a bulk read are read at a time.
const parallelism = 8

// store is a client of one engine.
type store struct {
	client *api.Client
	http   *http.Client
	// where is the server's address, for errors.
	where string
	// engine, data and list are paths: of the mount, and below which secrets are read and listed.
	engine, data, list string
	v2, text           bool
	tokenFile          string
	closed             atomic.Bool
}

var (
	_ secret.Store       = (*store)(nil)
	_ secret.BulkGetter  = (*store)(nil)
	_ secret.MultiValued = (*store)(nil)
	_ secret.Pinger      = (*store)(nil)
)

var errClosed = errors.New("the store is closed")

func open(ctx context.Context, cfg component.Config) (secret.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	if err := set.check(); err != nil {
		return nil, component.Permanent(err)
	}
	s := &store{text: set.ValueType == "text", tokenFile: set.TokenFile, engine: strings.Trim(set.Engine, "/")}
	var err error
	if s.http, err = set.httpClient(); err == nil {
		s.client, s.where, err = newClient(&set, s.http)
	}
	if err != nil {
		return nil, component.Permanent(err)
	}
	s.client.SetToken(set.Token)
	if s.tokenFile != "" {
		token, err := readToken(s.tokenFile)
		if err != nil {
			return nil, err // a file that another process is about to write
		}
		s.client.SetToken(token)
	}
	if set.SkipVerify && cfg.Log != nil {
		cfg.Log.Warn("metadata field skipVerify: the server's certificate is not checked, so anybody may pretend to be it")
	}
	if err := s.Ping(ctx); err != nil {
		return nil, explain(err)
	}
	if err := s.version(ctx, set.KVVersion); err != nil {
		return nil, err
	}
	prefix := ""
	if set.UsePrefix {
		prefix = set.Prefix
	}
	s.data, s.list = path.Join(s.engine, prefix), path.Join(s.engine, prefix)
	if s.v2 {
		s.data, s.list = path.Join(s.engine, "data", prefix), path.Join(s.engine, "metadata", prefix)
	}
	return s, nil
}

// Get reads one secret, or the version of it that the metadata version_id asks for.
func (s *store) Get(ctx context.Context, name string, metadata map[string]string) (secret.Values, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	// The client cleans paths, so other names would reach this secret too, past the scopes, or leave the prefix.
	if name == "" || path.Clean("/"+name) != "/"+name {
		return nil, fmt.Errorf("%w: secret %.60q: want a path such as db or team/db without empty parts and dots as parts", secret.ErrInvalid, name)
	}
	var query map[string][]string
	if version := metadata["version_id"]; version != "" {
		if _, err := strconv.ParseUint(version, 10, 31); err != nil {
			return nil, fmt.Errorf("%w: secret %q: metadata version_id: want a number, found %.60q", secret.ErrInvalid, name, version)
		}
		if !s.v2 && version != "0" {
			return nil, fmt.Errorf("%w: secret %q: metadata version_id: KV version 1 keeps no versions", secret.ErrUnsupported, name)
		}
		query = map[string][]string{"version": {version}}
	}
	s.refresh()
	answer, err := s.client.Logical().ReadWithDataWithContext(ctx, s.data+"/"+name, query)
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, s.failure(ctx, err))
	}
	values, ok := s.values(answer)
	if !ok {
		if v := metadata["version_id"]; v != "" && v != "0" {
			return nil, fmt.Errorf("%w: the version %s", secret.NotFound(name), v)
		}
		return nil, secret.NotFound(name)
	}
	return s.shape(name, values)
}

// values gives what a secret holds; false for none, or one whose version was deleted.
func (s *store) values(answer *api.Secret) (map[string]any, bool) {
	if answer == nil || answer.Data == nil {
		return nil, false
	}
	if !s.v2 {
		return answer.Data, true
	}
	values, ok := answer.Data["data"].(map[string]any)
	return values, ok
}

// shape gives values as vaultValueType says.
func (s *store) shape(name string, values map[string]any) (secret.Values, error) {
	if s.text {
		text, err := toJSON(values)
		if err != nil {
			return nil, fmt.Errorf("secret %q cannot be written as JSON", name)
		}
		return secret.Values{name: text}, nil
	}
	out := make(secret.Values, len(values))
	for key, value := range values {
		text, ok := value.(string)
		if !ok {
			var err error
			if text, err = toJSON(value); err != nil {
				return nil, fmt.Errorf("secret %q: key %q cannot be written as JSON", name, key)
			}
		}
		out[key] = text
	}
	return out, nil
}

// BulkGet reads all secrets below the prefix; those that have not the version asked for are left out.
func (s *store) BulkGet(ctx context.Context, metadata map[string]string) (map[string]secret.Values, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	names, err := s.names(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelism)
	found := make([]secret.Values, len(names))
	for i, name := range names {
		g.Go(func() error {
			values, err := s.Get(ctx, name, metadata)
			if errors.Is(err, secret.ErrNotFound) {
				return nil
			}
			found[i] = values
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make(map[string]secret.Values, len(names))
	for i, name := range names {
		if found[i] != nil {
			out[name] = found[i]
		}
	}
	return out, nil
}

// names lists the secrets below a folder, which ends with a slash unless it is the prefix itself.
func (s *store) names(ctx context.Context, folder string, depth int) ([]string, error) {
	const deepest = 64 // the server bounds names too; a loop of redirects would not end otherwise
	if depth > deepest {
		return nil, fmt.Errorf("vault at %s: folders below %s are more than %d deep", s.where, s.list, deepest)
	}
	s.refresh()
	answer, err := s.client.Logical().ListWithContext(ctx, s.list+"/"+folder)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", path.Join(s.list, folder), s.failure(ctx, err))
	}
	if answer == nil {
		return nil, nil // nothing was ever written there
	}
	keys, _ := answer.Data["keys"].([]any)
	var out []string
	for _, k := range keys {
		key, _ := k.(string)
		if !strings.HasSuffix(key, "/") {
			out = append(out, folder+key)
			continue
		}
		below, err := s.names(ctx, folder+key, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

// MultiValued is false when a secret is one text.
func (s *store) MultiValued() bool { return !s.text }

// Ping asks the server whether it is unsealed.
func (s *store) Ping(ctx context.Context) error {
	if s.closed.Load() {
		return errClosed
	}
	health, err := s.client.Sys().HealthWithContext(ctx)
	switch {
	case err != nil:
		return s.failure(ctx, err)
	case !health.Initialized:
		return fmt.Errorf("%w: vault at %s is not initialized", secret.ErrUnavailable, s.where)
	case health.Sealed:
		return s.sealed()
	default:
		return nil
	}
}

// Close ends the store.
func (s *store) Close(context.Context) error {
	s.closed.Store(true)
	s.http.CloseIdleConnections()
	return nil
}

// refresh takes over a token that was renewed in its file; while the file cannot be read the last one counts.
func (s *store) refresh() {
	if s.tokenFile == "" {
		return
	}
	if token, err := readToken(s.tokenFile); err == nil && token != s.client.Token() {
		s.client.SetToken(token)
	}
}

func readToken(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("metadata field vaultTokenMountPath: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("metadata field vaultTokenMountPath: %s is empty", file)
	}
	return token, nil
}
