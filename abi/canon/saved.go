package canon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Saved is a table's content, good for any number of tables.
type Saved struct {
	entries []handle
	free    uint32
	live    int
}

// Held counts, by resource, handles that keep a table from being saved.
type Held map[string]int

// String lists them, for example "2 of wasi:filesystem/types@0.2/descriptor".
func (h Held) String() string {
	const most = 5
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if len(parts) == most {
			return strings.Join(parts, ", ") + fmt.Sprintf(" and %d other resources", len(h)-most)
		}
		parts = append(parts, fmt.Sprintf("%d of %s", h[name], name))
	}
	return strings.Join(parts, ", ")
}

// Plus gives what either holds.
func (h Held) Plus(o Held) Held {
	if h == nil {
		return o
	}
	for name, n := range o {
		h[name] += n
	}
	return h
}

// add counts a handle.
func (h *Held) add(r *Resource) {
	if *h == nil {
		*h = Held{}
	}
	(*h)[r.Name]++
}

// Held counts the handles that do not stand for Shared objects: with them there is no Save. It is nil without.
func (h *Handles) Held() (held Held) {
	for i := range h.entries {
		e := &h.entries[i]
		if e.res == nil {
			continue
		}
		if _, ok := e.rep.Obj.(Shared); !ok || e.scope != nil {
			held.add(e.res)
		}
	}
	return held
}

// Save gives the table's content, nil for a table that was never used, unless there are handles of other than Shared
// objects.
func (h *Handles) Save() (saved *Saved, held Held) {
	if len(h.entries) == 0 {
		return nil, nil
	}
	if held = h.Held(); held != nil {
		return nil, held
	}
	return &Saved{entries: append([]handle(nil), h.entries...), free: h.free, live: h.live}, nil
}

// Restore makes the table what was saved, after Reset of what is in it; nil is an empty one.
func (h *Handles) Restore(ctx context.Context, s *Saved) {
	h.Reset(ctx)
	if s == nil {
		return
	}
	h.entries = append(h.entries, s.entries...)
	h.free, h.live = s.free, s.live
}

// Equal tells whether both have the same handles of the same objects, and give the same numbers to the next ones. Either
// may be nil.
func (s *Saved) Equal(o *Saved) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.free == o.free && slices.EqualFunc(s.entries, o.entries, func(x, y handle) bool {
		if x.res == nil || y.res == nil {
			return x.res == y.res && x.next == y.next
		}
		return x.res.Is(y.res) && nameOf(x) == nameOf(y)
	})
}

// nameOf gives the name of an entry's object. That is a Shared one: Save has seen to it.
func nameOf(e handle) string {
	if o, ok := e.rep.Obj.(Shared); ok {
		return o.SharedResource()
	}
	return ""
}

// Objects are Shared objects by resource and name.
type Objects map[[2]string]SharedObject

// NewObjects makes a list findable. It fails when two objects have one name.
func NewObjects(list []SharedObject) (Objects, error) {
	out := make(Objects, len(list))
	for _, o := range list {
		key := [2]string{o.Resource.Name, o.Object.SharedResource()}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("want a name of its own for each shared object of %s, found %q twice", key[0], key[1])
		}
		out[key] = o
	}
	return out, nil
}

// A saved table is written as numbers, as unsigned varints: how many entries it has and how many of them are free; the
// free ones' handles, the one that is used next first; how many objects there are; for each the length of its resource's
// name, that, the length of its own and that; and for each entry that is not free, in their order, the number of its
// object.

// Append writes the table. It gives what is held if an object is not one of objects, and could not be found again. A nil
// Saved is written as an empty table.
func (s *Saved) Append(b []byte, objects Objects) (_ []byte, held Held) {
	if s == nil {
		s = &Saved{}
	}
	b = binary.AppendUvarint(b, uint64(len(s.entries)))
	b = binary.AppendUvarint(b, uint64(len(s.entries)-s.live))
	for i := s.free; i != 0; i = s.entries[i-1].next {
		b = binary.AppendUvarint(b, uint64(i))
	}
	numbers := map[[2]string]uint64{}
	var names []string
	var used []uint64
	for _, e := range s.entries {
		if e.res == nil {
			continue
		}
		key := [2]string{e.res.Name, nameOf(e)}
		if _, ok := objects[key]; !ok {
			held.add(e.res)
			continue
		}
		n, ok := numbers[key]
		if !ok {
			n = uint64(len(numbers))
			numbers[key] = n
			names = append(names, key[:]...)
		}
		used = append(used, n)
	}
	b = binary.AppendUvarint(b, uint64(len(numbers)))
	for _, name := range names {
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
	}
	for _, n := range used {
		b = binary.AppendUvarint(b, n)
	}
	return b, held
}

var errCutOff = errors.New("a saved handle table is cut off")

// ReadSaved reads a table that Append has written, which may come from anywhere, and gives what follows it. It fails
// with *UnknownObjectError for an object that is not one of objects. most bounds the entries.
func ReadSaved(b []byte, objects Objects, most int) (s *Saved, rest []byte, err error) {
	r := savedReader{b: b}
	entries, free := r.number(), r.number()
	switch {
	case r.failed || entries > uint64(len(b)):
		return nil, nil, errCutOff
	case entries > uint64(most) || free > entries:
		return nil, nil, fmt.Errorf("a saved handle table: want at most %d entries, found %d, of them %d free", most, entries, free)
	}
	s = &Saved{entries: make([]handle, entries), live: int(entries - free)}
	isFree, err := s.readFree(&r, int(free))
	if err != nil {
		return nil, nil, err
	}
	found, err := r.objects(objects, s.live)
	if err != nil {
		return nil, nil, err
	}
	for i := range s.entries {
		if isFree[i] {
			continue
		}
		n := r.number()
		if r.failed || n >= uint64(len(found)) {
			return nil, nil, fmt.Errorf("a saved handle table: want one of its %d objects, found %d", len(found), n)
		}
		s.entries[i] = handle{res: found[n].Resource, rep: Rep{Obj: found[n].Object}}
	}
	if entries == 0 {
		s = nil
	}
	return s, r.b, nil
}

// readFree reads which entries are free.
func (s *Saved) readFree(r *savedReader, n int) ([]bool, error) {
	seen := make([]bool, len(s.entries))
	at := &s.free
	for range n {
		i := r.number()
		if r.failed || i == 0 || i > uint64(len(seen)) || seen[i-1] {
			return nil, fmt.Errorf("a saved handle table: want each free entry once, of %d, found %d", len(seen), i)
		}
		seen[i-1] = true
		*at = uint32(i)
		at = &s.entries[i-1].next
	}
	return seen, nil
}

// UnknownObjectError says that a table has a handle of an object that the app does not have now.
type UnknownObjectError struct{ Resource, Name string }

// Error names the object.
func (e *UnknownObjectError) Error() string {
	return fmt.Sprintf("it has a handle of %.100q of %.200s, which the app does not have now", e.Name, e.Resource)
}

// savedReader reads what Append has written; after an error it gives zeroes.
type savedReader struct {
	b      []byte
	failed bool
}

func (r *savedReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *savedReader) text() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return ""
	}
	text := string(r.b[:n])
	r.b = r.b[n:]
	return text
}

// objects reads the objects of at most so many entries.
func (r *savedReader) objects(known Objects, most int) ([]SharedObject, error) {
	n := r.number()
	if n > uint64(most) {
		return nil, fmt.Errorf("a saved handle table: want at most %d objects, found %d", most, n)
	}
	var found []SharedObject
	for range n {
		key := [2]string{r.text(), r.text()}
		if r.failed {
			return nil, errCutOff
		}
		o, ok := known[key]
		if !ok {
			return nil, &UnknownObjectError{Resource: key[0], Name: key[1]}
		}
		found = append(found, o)
	}
	return found, nil
}
