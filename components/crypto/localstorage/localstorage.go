// Package localstorage is the vault crypto.dapr.localstorage: a folder with a file for each key.
package localstorage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/components/internal/localkeys"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// Spec is the driver.
var Spec = component.Spec[crypto.Provider]{
	Type: "crypto.dapr.localstorage",
	Doc: `Works with keys that are files in a folder.

The name of a key is the path of its file from that folder, such as "rsa.pem" or "team/aes.json". A file whose name ends in
.json is a JSON Web Key, one that ends in .pem is PEM; others are one of these, or a symmetric key as its bytes or in base64.
Files are read at each use, so that a changed one counts at once. No name leads out of the folder, nor does a symbolic link.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	Path string `metadata:"path,required" doc:"path of the folder, from the one in which the host was started"`
}

type vault struct {
	*localkeys.Vault
	folder string

	mu sync.Mutex
	// parsed are the keys of files by their content, since to check an RSA key takes longer than to use it.
	parsed map[content]jwk.Key
}

type content struct {
	name string
	sum  [sha256.Size]byte
}

// maxParsed bounds the keys in memory.
const maxParsed = 256

var (
	_ crypto.Provider = (*vault)(nil)
	_ crypto.Pinger   = (*vault)(nil)
)

func open(ctx context.Context, cfg component.Config) (crypto.Provider, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	v := &vault{folder: set.Path, parsed: map[content]jwk.Key{}}
	v.Vault = localkeys.New(v.find)
	if err := v.Ping(ctx); err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field path: want a folder of keys: %w", err))
	}
	return v, nil
}

// Ping looks whether the folder is there.
func (v *vault) Ping(context.Context) error {
	// Opened at each use: what stands at the path may be another folder by now.
	root, err := os.OpenRoot(v.folder)
	if err != nil {
		return fmt.Errorf("%w: %w", crypto.ErrUnavailable, err)
	}
	return root.Close()
}

// find reads a key's file.
func (v *vault) find(_ context.Context, name string) (jwk.Key, error) {
	if !fs.ValidPath(name) || name == "." || strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("%w: %q in folder %s: want the path of a file in it, such as rsa.pem", crypto.ErrKeyNotFound, name, v.folder)
	}
	data, err := v.read(name)
	if err != nil {
		if absent(err) {
			return nil, fmt.Errorf("%w: %q in folder %s: %w", crypto.ErrKeyNotFound, name, v.folder, err)
		}
		return nil, fmt.Errorf("key %q in folder %s: %w", name, v.folder, err)
	}
	is := content{name, sha256.Sum256(data)}
	v.mu.Lock()
	key, known := v.parsed[is]
	v.mu.Unlock()
	if known {
		return key, nil
	}
	if key, err = localkeys.Parse(data, name); err != nil {
		return nil, fmt.Errorf("key %q in folder %s: %w", name, v.folder, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.parsed) >= maxParsed {
		clear(v.parsed)
	}
	v.parsed[is] = key
	return key, nil
}

var errNoFile = errors.New("it is not a regular file")

// read reads a file in the folder. A pipe or device is not even opened in a way that waits.
func (v *vault) read(name string) ([]byte, error) {
	root, err := os.OpenRoot(v.folder)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", crypto.ErrUnavailable, err)
	}
	defer func() { _ = root.Close() }()
	if info, err := root.Stat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errNoFile
	}
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errNoFile
	}
	// One byte more, by which Parse sees that it is too much.
	return io.ReadAll(io.LimitReader(file, localkeys.MaxSize+1))
}

// absent tells whether an error is that there is no such file in the folder.
func absent(err error) bool {
	if errors.Is(err, crypto.ErrUnavailable) {
		return false // it is the folder that is not there
	}
	for _, kind := range []error{fs.ErrNotExist, errNoFile, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL} {
		if errors.Is(err, kind) {
			return true
		}
	}
	// Package os has no exported error for a link that leads out of a root.
	return strings.Contains(err.Error(), "escapes")
}
