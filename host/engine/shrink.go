package engine

import (
	"fmt"
	"reflect"

	"github.com/tetratelabs/wazero/api"
)

// shrink brings a memory that has grown back to size bytes. WebAssembly's memories only grow, and so the runtime has no
// call for it: this sets its buffer to one page less than wanted and then grows it by a page, whereupon the runtime
// tells the compiled code the new length. It relies on an exported field of the runtime's own type, which a unit test
// watches over when the runtime is updated.
func shrink(mem api.Memory, m *memory, size uint64) error {
	if uint64(len(m.buf)) == size {
		return nil
	}
	if size < pageSize || size > uint64(len(m.buf)) {
		return fmt.Errorf("a memory of %d bytes cannot be shrunk to %d bytes", len(m.buf), size)
	}
	field := reflect.Indirect(reflect.ValueOf(mem)).FieldByName("Buffer")
	if !field.IsValid() || !field.CanSet() || field.Type() != reflect.TypeFor[[]byte]() {
		return fmt.Errorf("the runtime's memory %T has no buffer that can be set", mem)
	}
	field.SetBytes(m.Reallocate(size - pageSize))
	if _, ok := mem.Grow(1); !ok || uint64(len(m.buf)) != size {
		return fmt.Errorf("want a memory of %d bytes after it was shrunk, found %d", size, len(m.buf))
	}
	return nil
}
