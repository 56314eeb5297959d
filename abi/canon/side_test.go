package canon

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// instance is a component instance that is nothing but a memory, an allocator and a handle table. It resizes blocks, and
// moves its memory at each allocation, as heap does.
type instance struct {
	*heap
	handles  Handles
	encoding Encoding
	// here are the resources that it defines, identities the instance's own for a type's.
	here       []*Resource
	identities map[*Resource]*Resource
	// log is what cabi_realloc was asked for.
	log []string
}

var _ Component = (*instance)(nil)

func newInstance(e Encoding) *instance {
	// Address 0 is no block's.
	return &instance{heap: newHeap(make([]byte, 8)...), encoding: e}
}

func (s *instance) Handles() *Handles              { return &s.handles }
func (s *instance) Encoding() Encoding             { return s.encoding }
func (s *instance) Resource(_, _ string) *Resource { return nil }
func (s *instance) Realloc(ctx context.Context, old, oldSize, align, size uint32) uint32 {
	s.log = append(s.log, fmt.Sprintf("%d,%d,%d", oldSize, align, size))
	ptr := s.heap.Realloc(ctx, 0, 0, align, size)
	if s.lie == nil {
		copy(s.mem[ptr:ptr+size], s.mem[old:old+oldSize])
	}
	return ptr
}

func (s *instance) Defines(r *Resource) (*Resource, bool) {
	id := r
	if i, ok := s.identities[r]; ok {
		id = i
	}
	return id, slices.Contains(s.here, r)
}

// encodings are all encodings with their names.
var encodings = map[string]Encoding{"utf8": UTF8, "utf16": UTF16, "latin1+utf16": Latin1UTF16}

// eachPair runs a test for each pair of encodings.
func eachPair(t *testing.T, f func(t *testing.T, from, to Encoding)) {
	for a, from := range encodings {
		for b, to := range encodings {
			t.Run(a+" to "+b, func(t *testing.T) { f(t, from, to) })
		}
	}
}
