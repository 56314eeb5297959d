package canon

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Encoding is how a component's strings are encoded [Canonical Options].
type Encoding uint8

// The encodings.
const (
	UTF8 Encoding = iota
	UTF16
	// Latin1UTF16 is Latin-1 where a string has no other characters, else UTF-16; the highest bit of the length, which
	// counts code units, tells which.
	Latin1UTF16
)

// Side is an abi.Guest as one component instance with canonical options: its memory and cabi_realloc are those of the
// options.
type Side interface {
	abi.Guest
	// Handles is the component instance's table.
	Handles() *Handles
	// Encoding is how its strings are encoded.
	Encoding() Encoding
	// Resource gives the identity of a resource that the guest defines and exports; iface is "" for one that it exports
	// directly. It is nil if there is none.
	Resource(iface, name string) *Resource
}

// Exports is implemented by an abi.Guest whose exported functions have different memories or tables.
type Exports interface {
	// Export gives the guest as the exported function name sees it.
	Export(name string) abi.Guest
}

// At gives g as its exported function name sees it: values for the function are lowered and lifted there.
func At(g abi.Guest, name string) abi.Guest {
	if e, ok := g.(Exports); ok {
		return e.Export(name)
	}
	return g
}

// Part is implemented by a Side that is one component instance of a guest.
type Part interface {
	Side
	// Whole gives the guest.
	Whole() abi.Guest
}

// Whole gives the guest that g is a part of: what is the same for all calls of the guest, whichever of its component
// instances makes them. It is g itself for others.
func Whole(g abi.Guest) abi.Guest {
	if p, ok := g.(Part); ok {
		return p.Whole()
	}
	return g
}

// Rep is what a handle stands for: Num for a resource that a guest defines, Obj for one of the host.
type Rep struct {
	Num uint32
	Obj any
}

// Resource is the identity of a resource type. Those of guests are compared by pointer, those of the host by name.
type Resource struct {
	// Name is "<interface's track>/<name>", for example "wasi:io/streams@0.2/input-stream".
	Name string
	// Host tells that the host defines the resource.
	Host bool
	// Drop is the destructor, which runs when the last owner drops a handle; nil for none.
	Drop func(ctx context.Context, rep Rep)
}

// Is tells whether r and o are the same resource type.
func (r *Resource) Is(o *Resource) bool {
	return r == o || r.Host && o.Host && r.Name == o.Name
}

// Shared is implemented by host objects that all instances of an app may have in common, such as standard output:
// they keep no state of a call, and their Drop does nothing. A guest that has started may hold only such handles if it is
// to have an image, and so may one between its calls if what it is then is to be written down.
type Shared interface {
	// SharedResource gives the object's name, for example "stdout". It is the same in each process, and no other object
	// of the same resource that an app may get has it.
	SharedResource() string
}

// SharedObject is an object that an app's instances have in common, and what it is.
type SharedObject struct {
	Resource *Resource
	Object   Shared
}

// MaxHandles bounds the handles of one component instance, each of which takes 48 bytes of the host; the
// specification's bound is 1<<28 - 1 [Table].
const MaxHandles = 1 << 20

// Component is implemented by a Side that is an instance of a component, not of a core module. Its cabi_realloc is called
// for what takes no memory too, as the specification has it. Types, which instances share, have one Resource for a
// resource that a component defines, and the handles of each instance another.
type Component interface {
	Side
	// Defines gives the Resource of the instance's handles for r of a type, which is no host's, and tells whether the
	// Side's own component instance defines it, so that it is lent representations and no handles.
	Defines(r *Resource) (id *Resource, here bool)
}

// defines is Component's method for any Side.
func defines(s Side, r *Resource) (id *Resource, here bool) {
	if r.Host {
		return r, false
	}
	if c, ok := s.(Component); ok {
		return c.Defines(r)
	}
	return r, false
}

// HandlesOf gives g's handle table. It traps when g is no Side, so that it has none.
func HandlesOf(g abi.Guest) *Handles {
	s, ok := g.(Side)
	if !ok {
		trapNoHandles()
	}
	return s.Handles()
}

// Object gives the host's object that g's handle i stands for: a borrow<r> that g passes. It traps when the handle is
// none of g's, or none of r.
func Object[T any](g abi.Guest, r *Resource, i uint32) T {
	return objectOf[T](r, HandlesOf(g).Get(r, i))
}

// TakeObject takes the handle i, which g has to own, out of g's table and gives the host's object that it stands for: an
// own<r> that g passes. It traps as Object does, and when the handle is borrowed or lent.
func TakeObject[T any](g abi.Guest, r *Resource, i uint32) T {
	return objectOf[T](r, HandlesOf(g).Take(r, i))
}

// AddObject gives g a handle that owns obj, an own<r> that the host passes.
func AddObject(g abi.Guest, r *Resource, obj any) uint32 { return HandlesOf(g).Add(r, Rep{Obj: obj}) }

// LendObject gives g a handle of obj for one call of g: a borrow<r> that the host passes. The caller calls scope.End after
// the call, which traps if g has not dropped it.
func LendObject(g abi.Guest, r *Resource, obj any, scope *Scope) uint32 {
	return HandlesOf(g).Borrow(r, Rep{Obj: obj}, scope)
}

func objectOf[T any](r *Resource, rep Rep) T {
	obj, ok := rep.Obj.(T)
	if !ok {
		abi.Trapf("%s: expected an object of type %T, found %T", r.Name, *new(T), rep.Obj)
	}
	return obj
}
