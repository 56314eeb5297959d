package blobstore

import (
	"context"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiblob "github.com/mrt-wasm/mrt-wasm/abi/wasi/blobstore"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// Config says where an app's objects are.
type Config struct {
	Store Store
	// App is the app's name; Type is what kind of store it is, for metrics.
	App, Type string
	Chain     *chain.Chain
}

// Host is wasi:blobstore of one app. It is safe for concurrent use.
type Host struct {
	store  Store
	points map[string]*chain.Point // by operation
}

var (
	_ abiblob.BlobstoreHost = (*Host)(nil)
	_ abiblob.TypesHost     = (*Host)(nil)
)

// New makes the host's side.
func New(cfg Config) *Host {
	h := &Host{store: cfg.Store, points: map[string]*chain.Point{}}
	for _, op := range []string{
		"create-container", "get-container", "delete-container", "container-exists", "copy-object", "move-object", "container-info",
		"get-data", "write-data", "list-objects", "delete-object", "delete-objects", "has-object", "object-info", "clear",
	} {
		h.points[op] = cfg.Chain.Point(chain.Op{
			Direction: chain.Outbound, Block: "blobstore", Name: op, Target: "blobs", Type: cfg.Type, App: cfg.App,
		})
	}
	return h
}

// Funcs gives the functions of all interfaces.
func (h *Host) Funcs() []abi.Func {
	return slices.Concat(abiblob.BlobstoreFuncs(h), abiblob.ContainerFuncs(), abiblob.TypesFuncs(h))
}

// call passes the chain, and gives an error as guests get it.
func call[T any](ctx context.Context, h *Host, op string, fn func(ctx context.Context) (T, error)) (T, *abiblob.Error) {
	res, err := chain.Do(ctx, h.points[op], func(ctx context.Context, _ struct{}) (T, error) { return fn(ctx) }, struct{}{})
	return res, text(err)
}

// do is call without a result.
func do(ctx context.Context, h *Host, op string, fn func(ctx context.Context) error) *abiblob.Error {
	_, err := call(ctx, h, op, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

// text gives an error as guests get it; nil stays nil.
func text(err error) *abiblob.Error {
	if err == nil {
		return nil
	}
	s := err.Error()
	return &s
}

// CreateContainer makes an empty container; it fails if there is one of the name.
func (h *Host) CreateContainer(ctx context.Context, name string) (abiblob.Container, *abiblob.Error) {
	if err := do(ctx, h, "create-container", func(ctx context.Context) error { return h.store.CreateContainer(ctx, name) }); err != nil {
		return nil, err
	}
	return &container{h: h, name: name}, nil
}

// GetContainer gives a container that exists.
func (h *Host) GetContainer(ctx context.Context, name string) (abiblob.Container, *abiblob.Error) {
	err := do(ctx, h, "get-container", func(ctx context.Context) error {
		_, err := h.store.ContainerCreated(ctx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &container{h: h, name: name}, nil
}

// DeleteContainer deletes a container with its objects.
func (h *Host) DeleteContainer(ctx context.Context, name string) *abiblob.Error {
	return do(ctx, h, "delete-container", func(ctx context.Context) error { return h.store.DeleteContainer(ctx, name) })
}

// ContainerExists tells whether there is a container.
func (h *Host) ContainerExists(ctx context.Context, name string) (bool, *abiblob.Error) {
	return call(ctx, h, "container-exists", func(ctx context.Context) (bool, error) { return h.store.ContainerExists(ctx, name) })
}

// CopyObject copies an object, over one that is there.
func (h *Host) CopyObject(ctx context.Context, src, dst abiblob.ObjectID) *abiblob.Error {
	return do(ctx, h, "copy-object", func(ctx context.Context) error { return h.store.Copy(ctx, ObjectID(src), ObjectID(dst)) })
}

// MoveObject moves an object, over one that is there.
func (h *Host) MoveObject(ctx context.Context, src, dst abiblob.ObjectID) *abiblob.Error {
	return do(ctx, h, "move-object", func(ctx context.Context) error { return h.store.Move(ctx, ObjectID(src), ObjectID(dst)) })
}
