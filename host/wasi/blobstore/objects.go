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
	"strings"
)

// object gives the folder of an object's container, which exists, and the object's path.
func (f *Files) object(id ObjectID) (dir, file string, err error) {
	if dir, err = f.container(id.Container); err != nil {
		return "", "", err
	}
	if file, err = objectPath(id.Object); err != nil {
		return "", "", err
	}
	return dir, path.Join(dir, file), nil
}

func (id ObjectID) wrap(err error) error {
	return fmt.Errorf("container %q: object %q: %w", id.Container, id.Object, err)
}

// Stat gives what is known of an object.
func (f *Files) Stat(_ context.Context, id ObjectID) (ObjectInfo, error) {
	_, file, err := f.object(id)
	if err != nil {
		return ObjectInfo{}, err
	}
	info, err := f.root.Lstat(file)
	if err != nil || !info.Mode().IsRegular() {
		return ObjectInfo{}, id.wrap(missing(err, ErrNoObject))
	}
	return ObjectInfo{Size: uint64(info.Size()), Created: info.ModTime()}, nil
}

// Open opens an object. The bytes stay the same until Close, whatever becomes of the object.
func (f *Files) Open(ctx context.Context, id ObjectID) (Object, error) {
	// What is no file, such as a pipe, is not opened: that could block.
	if _, err := f.Stat(ctx, id); err != nil {
		return nil, err
	}
	_, file, err := f.object(id)
	if err != nil {
		return nil, err
	}
	if err := f.acquire(); err != nil {
		return nil, id.wrap(err)
	}
	r, err := f.root.Open(file)
	if err != nil {
		f.open.Add(-1)
		return nil, id.wrap(missing(err, ErrNoObject))
	}
	o := &counted{r, f}
	info, err := r.Stat()
	if err != nil {
		return nil, id.wrap(errors.Join(plain(err), o.Close()))
	}
	return &openObject{counted: o, size: uint64(info.Size())}, nil
}

type openObject struct {
	*counted
	size uint64
}

// Size is the object's size, in bytes.
func (o *openObject) Size() uint64 { return o.size }

// Create begins an object whose name and container are not known yet.
func (f *Files) Create(context.Context) (Draft, error) {
	if err := f.acquire(); err != nil {
		return nil, err
	}
	name := path.Join(draftsDir, rand.Text())
	w, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		f.open.Add(-1)
		return nil, plain(err)
	}
	return &draft{f: f, name: name, file: &counted{w, f}}, nil
}

// draft is an object that is being written.
type draft struct {
	f    *Files
	name string
	file *counted // nil after Commit or Discard
}

// Write adds p.
func (d *draft) Write(p []byte) (int, error) {
	n, err := d.file.Write(p)
	if err != nil {
		err = plain(err)
	}
	return n, err
}

// Commit makes the draft the object of every id, each atomically and on disk, and ends it.
func (d *draft) Commit(ctx context.Context, ids []ObjectID) error {
	if d.file == nil {
		return errors.New("the value was not written before, and is not there any more")
	}
	errs := []error{plain(d.file.Sync())}
	for i := 1; i < len(ids) && errs[0] == nil; i++ {
		errs = append(errs, d.f.duplicate(ctx, d.file, ids[i]))
	}
	errs = append(errs, plain(d.file.Close()))
	d.file = nil
	if len(ids) == 0 || errors.Join(errs...) != nil {
		return errors.Join(append(errs, plain(d.f.root.Remove(d.name)))...)
	}
	if err := d.f.place(d.name, ids[0]); err != nil {
		return errors.Join(err, plain(d.f.root.Remove(d.name)))
	}
	return nil
}

// Discard removes the draft.
func (d *draft) Discard() {
	if d.file == nil {
		return
	}
	// What cannot be removed now is when the store is opened again.
	_ = errors.Join(d.file.Close(), d.f.root.Remove(d.name))
	d.file = nil
}

// duplicate makes an object of a file's content.
func (f *Files) duplicate(ctx context.Context, src *counted, id ObjectID) error {
	d, err := f.Create(ctx)
	if err != nil {
		return id.wrap(err)
	}
	if _, err := io.Copy(d.(*draft).file.File, &ended{ctx, io.NewSectionReader(src, 0, 1<<62)}); err != nil {
		d.Discard()
		return id.wrap(plain(err))
	}
	return d.Commit(ctx, []ObjectID{id})
}

// ended is a reader that stops when ctx ends.
type ended struct {
	ctx context.Context //nolint:containedctx // it lives for one copy
	r   io.Reader
}

// Read reads unless ctx has ended.
func (e *ended) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}

// place moves a file to where an object is, and replaces that.
func (f *Files) place(from string, id ObjectID) error {
	for try := 0; ; try++ {
		dir, file, err := f.object(id)
		if err != nil {
			return err
		}
		err = f.mkdirs(dir, file)
		if err == nil {
			err = f.root.Rename(from, file)
		}
		if err == nil {
			return nil
		}
		// A folder of a long name goes away with the last object in it: then it is to be made again.
		if try == 10 || !errors.Is(err, fs.ErrNotExist) {
			return id.wrap(plain(err))
		}
	}
}

// mkdirs makes the folders of a long name within a container's folder, which is not made again.
func (f *Files) mkdirs(dir, file string) error {
	at := dir
	rest := strings.Split(strings.TrimPrefix(file, dir+"/"), "/")
	for _, part := range rest[:len(rest)-1] {
		at = path.Join(at, part)
		if err := f.root.Mkdir(at, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// Delete deletes an object; one that does not exist is no error.
func (f *Files) Delete(_ context.Context, id ObjectID) error {
	dir, file, err := f.object(id)
	if err != nil {
		return err
	}
	if err := f.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return id.wrap(plain(err))
	}
	f.prune(dir, file)
	return nil
}

// prune removes the folders of a long name that are empty.
func (f *Files) prune(dir, file string) {
	for at := path.Dir(file); at != dir; at = path.Dir(at) {
		if f.root.Remove(at) != nil {
			return // there are others in it
		}
	}
}

// Copy makes dst an object of the same bytes as src, in place of one that is there.
func (f *Files) Copy(ctx context.Context, src, dst ObjectID) error {
	if _, _, err := f.object(dst); err != nil {
		return err
	}
	o, err := f.Open(ctx, src)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }() // it was only read
	return f.duplicate(ctx, o.(*openObject).counted, dst)
}

// Move makes src dst, in place of an object that is there.
func (f *Files) Move(ctx context.Context, src, dst ObjectID) error {
	if _, err := f.Stat(ctx, src); err != nil || src == dst {
		return err
	}
	dir, file, err := f.object(src)
	if err != nil {
		return err
	}
	if err := f.place(file, dst); err != nil {
		return err
	}
	f.prune(dir, file)
	return nil
}
