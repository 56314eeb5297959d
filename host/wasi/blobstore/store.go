// Package blobstore implements wasi:blobstore 0.2.0-draft over a store of containers and objects: Files, which is a
// folder. Bodies are streamed both ways and never in memory as a whole.
//
// Containers belong to the store and not to an app: all apps of a host see the same.
package blobstore

import (
	"context"
	"io"
	"time"
)

// ObjectID names an object.
type ObjectID struct{ Container, Object string }

// ObjectInfo is what is known of an object.
type ObjectInfo struct {
	// Size is in bytes.
	Size    uint64
	Created time.Time
}

// Store is where objects are kept. Its errors name the container and the object.
type Store interface {
	Containers
	Objects
}

// Containers are those of a Store.
type Containers interface {
	// CreateContainer fails if there is one of the name.
	CreateContainer(ctx context.Context, name string) error
	// ContainerCreated tells when a container was made; it fails if there is none.
	ContainerCreated(ctx context.Context, name string) (time.Time, error)
	ContainerExists(ctx context.Context, name string) (bool, error)
	// DeleteContainer deletes all objects in it, too.
	DeleteContainer(ctx context.Context, name string) error
	// List gives the objects, in any order.
	List(ctx context.Context, container string) (Names, error)
}

// Objects are those of a Store.
type Objects interface {
	Stat(ctx context.Context, id ObjectID) (ObjectInfo, error)
	// Open gives an object's bytes as they are now, whatever becomes of the object until Close.
	Open(ctx context.Context, id ObjectID) (Object, error)
	// Create begins an object; it gets its names when it is complete.
	Create(ctx context.Context) (Draft, error)
	// Delete of an object that does not exist is no error.
	Delete(ctx context.Context, id ObjectID) error
	// Copy and Move replace an object that is there.
	Copy(ctx context.Context, src, dst ObjectID) error
	Move(ctx context.Context, src, dst ObjectID) error
}

// Object is an open object.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() uint64
}

// Draft is an object that is being written.
type Draft interface {
	io.Writer
	// Commit makes it the object of all names, each of them at once and whole, and ends it; without names it is
	// discarded.
	Commit(ctx context.Context, ids []ObjectID) error
	// Discard ends it without an object; after Commit it does nothing.
	Discard()
}

// Names is a list of objects that is being read.
type Names interface {
	io.Closer
	// Next gives the next name, io.EOF after the last.
	Next(ctx context.Context) (string, error)
}
