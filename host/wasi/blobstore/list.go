package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// batch is how many entries of a folder are read at once.
const batch = 256

// List begins a list of a container's objects. It does not hold their names in memory; objects that come and go meanwhile
// may be in it or not.
func (f *Files) List(_ context.Context, container string) (Names, error) {
	dir, err := f.container(container)
	if err != nil {
		return nil, err
	}
	n := &names{f: f, container: container}
	if err := n.enter(dir, ""); err != nil {
		return nil, err
	}
	return n, nil
}

// names walks through a container: its folder, and those of long names.
type names struct {
	f         *Files
	container string
	folders   []*folder // the innermost last
}

// folder is one that is being read.
type folder struct {
	*counted
	dir string
	// begins is what the names of its files begin with, as they are written.
	begins  string
	entries []fs.DirEntry
}

func (n *names) enter(dir, begins string) error {
	if err := n.f.acquire(); err != nil {
		return n.wrap(err)
	}
	r, err := n.f.root.Open(dir)
	if err != nil {
		n.f.open.Add(-1)
		if len(n.folders) > 0 && errors.Is(err, fs.ErrNotExist) {
			return nil // the last object of the folder is gone
		}
		return n.wrap(missing(err, ErrNoContainer))
	}
	n.folders = append(n.folders, &folder{counted: &counted{r, n.f}, dir: dir, begins: begins})
	return nil
}

func (n *names) wrap(err error) error { return fmt.Errorf("container %q: %w", n.container, err) }

// Next gives the next name; io.EOF at the end.
func (n *names) Next(ctx context.Context) (string, error) {
	for len(n.folders) > 0 {
		if err := ctx.Err(); err != nil {
			return "", n.wrap(err)
		}
		in := n.folders[len(n.folders)-1]
		if len(in.entries) == 0 {
			var err error
			if in.entries, err = in.ReadDir(batch); err != nil || len(in.entries) == 0 {
				n.folders = n.folders[:len(n.folders)-1]
				if err = errors.Join(end(err), in.Close()); err != nil {
					return "", n.wrap(plain(err))
				}
				continue
			}
		}
		e := in.entries[0]
		in.entries = in.entries[1:]
		if name, ok, err := n.look(in, e); ok || err != nil {
			return name, err
		}
	}
	return "", io.EOF
}

// end gives nil for the end of a folder, or of one that is gone.
func end(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// look gives the object of an entry; false if it is none.
func (n *names) look(in *folder, e fs.DirEntry) (name string, ok bool, err error) {
	text := e.Name()
	if begins, isMore := strings.CutSuffix(text, more); isMore && e.IsDir() {
		return "", false, n.enter(path.Join(in.dir, text), in.begins+begins)
	}
	if !e.Type().IsRegular() {
		return "", false, nil
	}
	name, ok = decode(in.begins + text)
	return name, ok, nil
}

// Close ends the list.
func (n *names) Close() error {
	var errs []error
	for _, in := range n.folders {
		errs = append(errs, in.Close())
	}
	n.folders = nil
	return errors.Join(errs...)
}
