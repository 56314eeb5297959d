package configuration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// record is what is kept of a subscription over restarts.
type record struct {
	ID       string            `json:"id"`
	App      string            `json:"app"`
	Store    string            `json:"store"`
	Keys     []string          `json:"keys"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// Own says that the app has subscribed by itself, Declared that the manifest did.
	Own      bool `json:"own"`
	Declared bool `json:"declared"`
	// Delivered is what the app has of each key.
	Delivered map[string]mark `json:"delivered"`
}

// mark tells one state of a key from another. A hash beside the version, because not all stores have versions; not
// the value, because it may be long and nobody expects it there.
type mark struct {
	Version string `json:"version,omitempty"`
	Hash    string `json:"hash"`
}

func markOf(item *Item) mark {
	const enough = 16
	sum := sha256.Sum256([]byte(item.Value))
	return mark{Version: item.Version, Hash: hex.EncodeToString(sum[:enough])}
}

// normal gives keys sorted and each once, so that the same subscription is found in whatever order they are named.
func normal(keys []string) []string {
	out := slices.Clone(keys)
	slices.Sort(out)
	return slices.Compact(out)
}

// newID gives the id of the subscription of an app to the keys of a store, which are normal: always the same one, in
// the form of a UUID (RFC 9562, version 8).
func newID(app, store string, keys []string) string {
	text, err := json.Marshal([]any{app, store, keys})
	if err != nil {
		panic(err) // strings can be written as JSON
	}
	b := sha256.Sum256(text)
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// keep is the folder of the records, one file each. The zero keep keeps nothing.
type keep struct{ dir string }

func keepIn(dataDir string) keep {
	if dataDir == "" {
		return keep{}
	}
	return keep{filepath.Join(dataDir, "configuration")}
}

const suffix = ".json"

// load gives all records. A file that cannot be read as one is set aside and is in the error; the rest is good.
func (k keep) load() ([]record, error) {
	if k.dir == "" {
		return nil, nil
	}
	list, err := os.ReadDir(k.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []record
	var errs []error
	for _, f := range list {
		if !strings.HasSuffix(f.Name(), suffix) {
			continue
		}
		path := filepath.Join(k.dir, f.Name())
		r, err := loadRecord(path)
		if err != nil {
			aside := os.Rename(path, path+".bad")
			errs = append(errs, fmt.Errorf("%s is not a subscription and is set aside as .bad; its app has to subscribe again: %w", path, errors.Join(err, aside)))
			continue
		}
		out = append(out, r)
	}
	return out, errors.Join(errs...)
}

func loadRecord(path string) (r record, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, err
	}
	if r.ID+suffix != filepath.Base(path) || r.ID != newID(r.App, r.Store, r.Keys) {
		return r, fmt.Errorf("its id %q does not fit its name, app, store and keys", r.ID)
	}
	if r.Delivered == nil {
		r.Delivered = map[string]mark{}
	}
	return r, nil
}

// save writes a record so that after a crash it is there as it was before or as it is now.
func (k keep) save(r *record) (err error) {
	if k.dir == "" {
		return nil
	}
	const onlyOwner = 0o700
	if err := os.MkdirAll(k.dir, onlyOwner); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(k.dir, r.ID+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), k.file(r.ID))
}

// remove forgets a record; one that is not there is no error.
func (k keep) remove(id string) error {
	if k.dir == "" {
		return nil
	}
	if err := os.Remove(k.file(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (k keep) file(id string) string { return filepath.Join(k.dir, id+suffix) }
