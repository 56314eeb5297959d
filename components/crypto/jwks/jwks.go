// Package jwks is the vault crypto.dapr.jwks: a JSON Web Key Set, given as it is, as a file or by its URL.
package jwks

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/components/internal/localkeys"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// Spec is the driver.
var Spec = component.Spec[crypto.Provider]{
	Type: "crypto.dapr.jwks",
	Doc: `Works with the keys of a JSON Web Key Set (RFC 7517).

The name of a key is its kid. Keys of the set that have none, or that are not understood, are left out, and the log says so. A
set in a file is read at each use, and stays as it was while the file cannot be read as one. A set behind a URL is fetched when
the host starts, and again when a key is asked for that it lacks or when it is older than minRefreshInterval, but not more
often than that; what was fetched last is used while the server does not answer. An attempt that failed is repeated after a
second.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields. The set may have private keys, so that it is never quoted.
type settings struct {
	JWKS            string        `metadata:"jwks,required,secret" doc:"the set as JSON, the same in base64, its http or https URL, or the path of a file"`
	RequestTimeout  time.Duration `metadata:"requestTimeout" default:"30s" doc:"how long a request to the URL may take"`
	RefreshInterval time.Duration `metadata:"minRefreshInterval" default:"10m" doc:"how long a set from a URL is good for, and a key that it lacks is not asked for again"`
}

const (
	defaultTimeout  = 30 * time.Second
	defaultInterval = 10 * time.Minute
)

// source gives keys by their ids.
type source interface {
	find(ctx context.Context, kid string) (jwk.Key, error)
	ping(ctx context.Context) error
	close()
}

type vault struct {
	*localkeys.Vault
	source source
	once   sync.Once
}

var (
	_ crypto.Provider = (*vault)(nil)
	_ crypto.Pinger   = (*vault)(nil)
)

func open(ctx context.Context, cfg component.Config) (crypto.Provider, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	if set.RequestTimeout < time.Millisecond { // as Dapr
		set.RequestTimeout = defaultTimeout
	}
	if set.RefreshInterval < time.Second {
		set.RefreshInterval = defaultInterval
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	from, err := choose(ctx, &set, cfg.Log)
	if err != nil {
		return nil, err
	}
	return &vault{Vault: localkeys.New(from.find), source: from}, nil
}

// choose finds out what is given, in Dapr's order.
func choose(ctx context.Context, set *settings, log *slog.Logger) (source, error) {
	given := strings.TrimSpace(set.JWKS)
	if scheme, _, found := strings.Cut(given, "://"); found && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")) {
		return openURL(ctx, given, set, log)
	}
	if info, err := os.Stat(given); err == nil && !info.IsDir() {
		f := &file{path: given, log: log}
		if err := f.ping(ctx); err != nil {
			return nil, component.Permanent(fmt.Errorf("metadata field jwks: %w", err))
		}
		return f, nil
	}
	text := []byte(given)
	if decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(given, "=")); err == nil {
		text = decoded
	}
	keys, err := localkeys.ParseSet(text)
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field jwks: it is no URL and no file that is there: %w", err))
	}
	skipped(log, keys)
	return inline(keys.Keys), nil
}

// skipped tells which keys are left out.
func skipped(log *slog.Logger, set localkeys.Set) {
	for _, why := range set.Skipped {
		log.Warn("a key of the set is left out", "because", why)
	}
}

// Ping looks whether the set can be read.
func (v *vault) Ping(ctx context.Context) error { return v.source.ping(ctx) }

// Close ends the vault and its connections.
func (v *vault) Close(ctx context.Context) error {
	err := v.Vault.Close(ctx)
	v.once.Do(v.source.close)
	return err
}

func notFound(kid, where string) error {
	return fmt.Errorf("%w: no key has the kid %q in %s", crypto.ErrKeyNotFound, kid, where)
}

// inline is a set that stands in the component's file.
type inline map[string]jwk.Key

func (s inline) find(_ context.Context, kid string) (jwk.Key, error) {
	if key := s[kid]; key != nil {
		return key, nil
	}
	return nil, notFound(kid, "the metadata field jwks")
}

func (inline) ping(context.Context) error { return nil }
func (inline) close()                     {}

// file is a set that is read at each use, and parsed when it differs.
type file struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex
	read bool
	last []byte
	// keys are of the last content that was a set.
	keys map[string]jwk.Key
}

func (f *file) find(_ context.Context, kid string) (jwk.Key, error) {
	keys, err := f.load()
	if err != nil && keys == nil {
		return nil, err
	}
	if key := keys[kid]; key != nil {
		return key, nil
	}
	if err != nil { // it may be in what cannot be read
		return nil, err
	}
	return nil, notFound(kid, "file "+f.path)
}

// ping looks whether the file is a set now.
func (f *file) ping(context.Context) error {
	_, err := f.load()
	return err
}

// load gives the keys that are known, also with an error.
func (f *file) load() (map[string]jwk.Key, error) {
	data, err := readFile(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		return f.keys, fmt.Errorf("%w: file %s: %w", crypto.ErrUnavailable, f.path, err)
	}
	if f.read && bytes.Equal(data, f.last) {
		return f.keys, nil
	}
	set, err := localkeys.ParseSet(data)
	if err != nil { // it may be half written
		return f.keys, fmt.Errorf("%w: file %s: %w", crypto.ErrUnavailable, f.path, err)
	}
	skipped(f.log, set)
	f.read, f.last, f.keys = true, data, set.Keys
	return f.keys, nil
}

func (f *file) close() {}

func readFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return io.ReadAll(io.LimitReader(file, localkeys.MaxSize+1))
}
