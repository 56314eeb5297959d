package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abiblob "github.com/mrt-wasm/mrt-wasm/abi/wasi/blobstore"
)

// container is the resource of one container. It holds nothing: the container may be deleted meanwhile.
type container struct {
	h    *Host
	name string
}

var _ abiblob.Container = (*container)(nil)

func (c *container) id(object string) ObjectID { return ObjectID{c.name, object} }

// Name gives the container's name.
func (c *container) Name(context.Context) (string, *abiblob.Error) { return c.name, nil }

// Info gives the name, and when the container was made, in seconds since 1970.
func (c *container) Info(ctx context.Context) (abiblob.ContainerMetadata, *abiblob.Error) {
	created, err := call(ctx, c.h, "container-info", func(ctx context.Context) (time.Time, error) {
		return c.h.store.ContainerCreated(ctx, c.name)
	})
	return abiblob.ContainerMetadata{Name: c.name, CreatedAt: seconds(created)}, err
}

func seconds(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }

// GetData gives the bytes of an object from start to end, both included; an end beyond the object's is its own.
func (c *container) GetData(ctx context.Context, name string, start, end uint64) (abiblob.IncomingValue, *abiblob.Error) {
	v, err := call(ctx, c.h, "get-data", func(ctx context.Context) (*incoming, error) {
		o, err := c.h.store.Open(ctx, c.id(name))
		if err != nil {
			return nil, err
		}
		size := o.Size()
		if start > end || start >= size && start > 0 {
			return nil, errors.Join(fmt.Errorf("container %q: object %q: expected a range within its %d bytes, found %d to %d", c.name, name, size, start, end), o.Close())
		}
		n := size - start
		if end < size {
			n = end - start + 1
		}
		return &incoming{o: o, r: io.NewSectionReader(o, int64(start), int64(n)), size: n}, nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// WriteData has a value become the object when it is finished.
func (c *container) WriteData(ctx context.Context, name string, data abiblob.OutgoingValue) *abiblob.Error {
	return do(ctx, c.h, "write-data", func(ctx context.Context) error {
		// What cannot be written is said now and not when all bytes have come.
		if _, err := c.h.store.ContainerCreated(ctx, c.name); err != nil {
			return err
		}
		if _, err := objectPath(name); err != nil {
			return fmt.Errorf("container %q: %w", c.name, err)
		}
		return data.(*outgoing).name(c.id(name))
	})
}

// ListObjects begins a list of the objects.
func (c *container) ListObjects(ctx context.Context) (abiblob.StreamObjectNames, *abiblob.Error) {
	n, err := call(ctx, c.h, "list-objects", func(ctx context.Context) (Names, error) { return c.h.store.List(ctx, c.name) })
	if err != nil {
		return nil, err
	}
	return &list{names: n}, nil
}

// DeleteObject deletes an object; one that does not exist is no error.
func (c *container) DeleteObject(ctx context.Context, name string) *abiblob.Error {
	return do(ctx, c.h, "delete-object", func(ctx context.Context) error { return c.h.store.Delete(ctx, c.id(name)) })
}

// DeleteObjects deletes many objects; when it fails, some of them may be gone.
func (c *container) DeleteObjects(ctx context.Context, names []string) *abiblob.Error {
	return do(ctx, c.h, "delete-objects", func(ctx context.Context) error {
		for _, name := range names {
			if err := c.deleteIn(ctx, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// deleteIn deletes an object unless the call has ended.
func (c *container) deleteIn(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.h.store.Delete(ctx, c.id(name))
}

// HasObject tells whether there is an object.
func (c *container) HasObject(ctx context.Context, name string) (bool, *abiblob.Error) {
	return call(ctx, c.h, "has-object", func(ctx context.Context) (bool, error) {
		_, err := c.h.store.Stat(ctx, c.id(name))
		if errors.Is(err, ErrNoObject) {
			return false, nil
		}
		return err == nil, err
	})
}

// ObjectInfo gives what is known of an object.
func (c *container) ObjectInfo(ctx context.Context, name string) (abiblob.ObjectMetadata, *abiblob.Error) {
	info, err := call(ctx, c.h, "object-info", func(ctx context.Context) (ObjectInfo, error) { return c.h.store.Stat(ctx, c.id(name)) })
	return abiblob.ObjectMetadata{Name: name, Container: c.name, CreatedAt: seconds(info.Created), Size: info.Size}, err
}

// Clear deletes all objects.
func (c *container) Clear(ctx context.Context) *abiblob.Error {
	return do(ctx, c.h, "clear", func(ctx context.Context) (err error) {
		names, err := c.h.store.List(ctx, c.name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, names.Close()) }()
		for {
			name, err := names.Next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = c.h.store.Delete(ctx, c.id(name))
			}
			if err != nil {
				return err
			}
		}
	})
}

// Drop has nothing to release.
func (*container) Drop(context.Context) {}

// maxNames is how many names one read gives at most.
const maxNames = 10_000

// list is the resource of a list that is being read.
type list struct {
	names Names
	ended bool
}

var _ abiblob.StreamObjectNames = (*list)(nil)

// ReadStreamObjectNames gives up to n names, and whether there are no more; a long list takes several reads.
func (l *list) ReadStreamObjectNames(ctx context.Context, n uint64) (canon.Tuple2[[]string, bool], *abiblob.Error) {
	var out []string
	for uint64(len(out)) < min(n, maxNames) {
		name, ok, err := l.next(ctx)
		if err != nil {
			return canon.Tuple2[[]string, bool]{}, err
		}
		if !ok {
			break
		}
		out = append(out, name)
	}
	return canon.Tuple2[[]string, bool]{F0: out, F1: l.ended}, nil
}

// SkipStreamObjectNames passes over up to n names, and gives how many there were and whether there are no more.
func (l *list) SkipStreamObjectNames(ctx context.Context, n uint64) (canon.Tuple2[uint64, bool], *abiblob.Error) {
	var skipped uint64
	for skipped < n {
		_, ok, err := l.next(ctx)
		if err != nil {
			return canon.Tuple2[uint64, bool]{}, err
		}
		if !ok {
			break
		}
		skipped++
	}
	return canon.Tuple2[uint64, bool]{F0: skipped, F1: l.ended}, nil
}

func (l *list) next(ctx context.Context) (string, bool, *abiblob.Error) {
	if l.ended {
		return "", false, nil
	}
	name, err := l.names.Next(ctx)
	if errors.Is(err, io.EOF) {
		l.ended = true
		return "", false, nil
	}
	return name, err == nil, text(err)
}

// Drop ends the list.
func (l *list) Drop(context.Context) { _ = l.names.Close() } // it was only read
