package blobstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"sync/atomic"
	"time"
)

// The names within the folder that are no container's.
const (
	draftsDir = ".drafts" // what is being written
	trashDir  = ".trash"  // containers that are being deleted
	infoFile  = ".container"
)

// maxOpen bounds how many files all guests together hold open.
const maxOpen = 1024

// Files is a store in a folder: a container is a folder in it, an object a file that is only ever replaced as a whole.
// What a guest names cannot leave the folder, whatever links there are. It is safe for concurrent use, within one process.
type Files struct {
	root *os.Root
	open atomic.Int32
}

var _ Store = (*Files)(nil)

// The errors of a Store, wrapped with the names.
var (
	// ErrNoContainer: there is no container of the name.
	ErrNoContainer = errors.New("there is no such container")
	// ErrNoObject: there is no object of the name.
	ErrNoObject = errors.New("there is no such object")

	errContainer   = errors.New("the container exists already")
	errTooManyOpen = fmt.Errorf("more than %d objects and lists are open at once; drop what is not needed any more", maxOpen)
)

// OpenFiles opens the store in a folder, which is made if it does not exist. What was being written or deleted when the
// folder was used last is removed.
func OpenFiles(dir string) (*Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	f := &Files{root: root}
	for _, d := range []string{draftsDir, trashDir} {
		if err := errors.Join(root.RemoveAll(d), root.Mkdir(d, 0o700)); err != nil {
			return nil, errors.Join(fmt.Errorf("blob store: %w", err), root.Close())
		}
	}
	return f, nil
}

// Close closes the folder. No guest may run any more.
func (f *Files) Close() error { return f.root.Close() }

// CreateContainer makes an empty container.
func (f *Files) CreateContainer(_ context.Context, name string) error {
	dir, err := containerPath(name)
	if err != nil {
		return err
	}
	if _, err := f.container(name); err == nil {
		return fmt.Errorf("container %q: %w", name, errContainer)
	}
	draft := path.Join(draftsDir, rand.Text())
	if err := f.root.Mkdir(draft, 0o700); err != nil {
		return plain(err)
	}
	created := strconv.FormatInt(time.Now().Unix(), 10)
	err = f.root.WriteFile(path.Join(draft, infoFile), []byte(created), 0o600)
	if err == nil {
		err = f.root.Rename(draft, dir)
	}
	if err != nil {
		if _, there := f.container(name); there == nil {
			err = errContainer // another call was faster
		}
		return errors.Join(fmt.Errorf("container %q: %w", name, plain(err)), f.root.RemoveAll(draft))
	}
	return nil
}

// container gives the folder of a container that exists.
func (f *Files) container(name string) (string, error) {
	dir, err := containerPath(name)
	if err != nil {
		return "", err
	}
	info, err := f.root.Lstat(dir)
	if err != nil || !info.IsDir() {
		return "", fmt.Errorf("container %q: %w", name, missing(err, ErrNoContainer))
	}
	return dir, nil
}

// ContainerCreated tells when a container was made. It fails if there is none.
func (f *Files) ContainerCreated(_ context.Context, name string) (time.Time, error) {
	dir, err := f.container(name)
	if err != nil {
		return time.Time{}, err
	}
	if text, err := f.root.ReadFile(path.Join(dir, infoFile)); err == nil {
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return time.Unix(n, 0), nil
		}
	}
	// A folder that was not made by CreateContainer.
	info, err := f.root.Lstat(dir)
	if err != nil {
		return time.Time{}, fmt.Errorf("container %q: %w", name, missing(err, ErrNoContainer))
	}
	return info.ModTime(), nil
}

// ContainerExists tells whether there is a container.
func (f *Files) ContainerExists(_ context.Context, name string) (bool, error) {
	_, err := f.container(name)
	if errors.Is(err, ErrNoContainer) {
		return false, nil
	}
	return err == nil, err
}

// DeleteContainer removes a container with all that is in it, at once for all who look.
func (f *Files) DeleteContainer(_ context.Context, name string) error {
	dir, err := f.container(name)
	if err != nil {
		return err
	}
	trash := path.Join(trashDir, rand.Text())
	if err := f.root.Rename(dir, trash); err != nil {
		return fmt.Errorf("container %q: %w", name, missing(err, ErrNoContainer))
	}
	if err := f.root.RemoveAll(trash); err != nil {
		return fmt.Errorf("container %q: %w", name, plain(err))
	}
	return nil
}

// missing gives instead in place of an error that says that there is no such file; nil becomes instead too.
func missing(err, instead error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return instead
	}
	return plain(err)
}

// plain takes the path out of an error: guests know their names, not those of files.
func plain(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// acquire counts a file that is opened.
func (f *Files) acquire() error {
	if f.open.Add(1) > maxOpen {
		f.open.Add(-1)
		return errTooManyOpen
	}
	return nil
}

// counted is an open file that counts.
type counted struct {
	*os.File
	f *Files
}

// Close closes the file and counts it no more.
func (c *counted) Close() error {
	c.f.open.Add(-1)
	return c.File.Close()
}

var _ io.ReaderAt = (*counted)(nil)
