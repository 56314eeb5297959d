// Package filesystem implements wasi:filesystem 0.2: the folders that the manifest gives an app, and what is in them.
//
// Every path is resolved within the descriptor that it is relative to: by os.Root, or by a system call on one name in a
// folder that os.Root opened. No "..", no absolute path and no symbolic link leads out, also if another process changes
// links meanwhile; such a path fails with not-permitted.
package filesystem

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// DefaultMaxOpen is how many descriptors are open at most if Config does not say.
const DefaultMaxOpen = 1024

// Dir is a folder of the host that guests find under a name.
type Dir struct {
	// Guest is its name for the guest, for example "/data" or ".".
	Guest string
	// Host is the folder.
	Host string
	// ReadOnly forbids every change in it.
	ReadOnly bool
}

// Config says what guests see. The zero value is nothing.
type Config struct {
	Dirs []Dir
	// MaxOpen bounds the descriptors and directory streams that all guests of the FS hold together, those of Dirs not
	// counted; 0 for DefaultMaxOpen. One more fails with insufficient-memory.
	MaxOpen int
	// HashKey keeps guests from learning from metadata-hash what it is made of. Hashes are comparable under one key.
	// Empty for a random one.
	HashKey []byte
}

// FS is a set of folders. It is safe for concurrent use.
type FS struct {
	preopens []canon.Tuple2[abifs.Descriptor, string]
	shared   []canon.SharedObject
	roots    []*os.Root
	hashKey  []byte
	max      int64
	open     atomic.Int64
}

// New opens the folders. It fails if one cannot be opened or the names are not good; nothing stays open then.
func New(c Config) (*FS, error) {
	f := &FS{max: int64(c.MaxOpen), hashKey: c.HashKey}
	if f.max <= 0 {
		f.max = DefaultMaxOpen
	}
	if len(f.hashKey) == 0 {
		f.hashKey = make([]byte, 32)
		if _, err := rand.Read(f.hashKey); err != nil {
			return nil, fmt.Errorf("a key for file hashes: %w", err)
		}
	}
	names := map[string]bool{}
	for i, d := range c.Dirs {
		if err := checkName(d.Guest, names); err != nil {
			return nil, errors.Join(fmt.Errorf("dirs[%d]: %w", i, err), f.Close())
		}
		names[d.Guest] = true
		root, err := os.OpenRoot(d.Host)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("dirs[%d] (%s): want a folder that can be opened: %w", i, d.Guest, err), f.Close())
		}
		f.roots = append(f.roots, root)
		flags := abifs.DescriptorFlagsRead
		if !d.ReadOnly {
			flags |= abifs.DescriptorFlagsMutateDirectory
		}
		shared := &preopen{Descriptor: Descriptor{fs: f, flags: flags, root: root}, guest: d.Guest}
		f.shared = append(f.shared, canon.SharedObject{Resource: abifs.DescriptorResource, Object: shared})
		f.preopens = append(f.preopens, canon.Tuple2[abifs.Descriptor, string]{F0: shared, F1: d.Guest})
	}
	return f, nil
}

// checkName tells what is wrong with a guest's name of a folder.
func checkName(name string, used map[string]bool) error {
	switch {
	case name == "":
		return errors.New(`want the folder's name for the guest, for example "/data", found none`)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("want a name without zero bytes, found %q", name)
	case used[name]:
		return fmt.Errorf("want a name of its own for each folder, found %q twice", name)
	}
	return nil
}

// Close closes the folders. No guest may use the FS any more.
func (f *FS) Close() error {
	var errs []error
	for _, r := range f.roots {
		errs = append(errs, r.Close())
	}
	f.roots = nil
	return errors.Join(errs...)
}

// Funcs gives the host functions of the package.
func (f *FS) Funcs() []abi.Func {
	return append(abifs.TypesFuncs(f), abifs.PreopensFuncs(f)...)
}

// Shared gives the folders, which the app's instances have in common.
func (f *FS) Shared() []canon.SharedObject { return f.shared }

var (
	_ abifs.TypesHost    = (*FS)(nil)
	_ abifs.PreopensHost = (*FS)(nil)
)

// GetDirectories gives the folders, which all instances share.
func (f *FS) GetDirectories(context.Context) []canon.Tuple2[abifs.Descriptor, string] {
	return f.preopens
}

// FilesystemErrorCode gives the code of a stream's error, nil if it is not one of a file.
func (*FS) FilesystemErrorCode(_ context.Context, err abifs.Error) *abifs.ErrorCode {
	var fault *streamFault
	if !errors.As(wasiio.Cause(err), &fault) {
		return nil
	}
	return fail(fault.err)
}

// acquire counts a descriptor in.
func (f *FS) acquire() error {
	if f.open.Add(1) > f.max {
		f.open.Add(-1)
		return code(abifs.ErrorCodeInsufficientMemory)
	}
	return nil
}

// release counts a descriptor out.
func (f *FS) release() { f.open.Add(-1) }

// preopen is a descriptor that all instances have in common; a handle of it may be in an image.
type preopen struct {
	Descriptor
	guest string // its name for the guest
}

var _ canon.Shared = (*preopen)(nil)

// SharedResource implements canon.Shared.
func (p *preopen) SharedResource() string { return "preopen:" + p.guest }

// Drop forgets the handle; the folder stays open.
func (*preopen) Drop(context.Context) {}
