package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

const (
	sectionImport = 2
	sectionMemory = 5
)

// partNeeds adds up what core modules have when they are instantiated.
type partNeeds struct {
	// memory is the size of all memories, in bytes; tables and entries count tables and what they have at the start.
	memory, tables, entries uint64
}

// check refuses what would take too much of the host. Memories are bounded by the app's limit.
func (n *partNeeds) check() error {
	if n.tables > maxPartTables || n.entries > maxTableEntries {
		return fmt.Errorf("want at most %d tables with %d entries in all core modules, found %d with %d",
			maxPartTables, maxTableEntries, n.tables, n.entries)
	}
	return nil
}

// bind gives a core module's bytes with its imports renamed so that each names what provides it: the module is the
// number of a core instance or link.TrampolineModule, the name that of the export there.
func (n *partNeeds) bind(wasm []byte, args []link.CoreArg) ([]byte, error) {
	defs := make(map[[2]string]link.CoreDef, len(args))
	for _, a := range args {
		defs[[2]string{a.Module, a.Name}] = a.Def
	}
	bound := append([]byte{}, wasm[:min(len(wasm), 8)]...)
	for pos := 8; pos < len(wasm); {
		r := reader{b: wasm[pos+1:]}
		size := r.number()
		if r.failed || size > uint64(len(r.b)) {
			return nil, fmt.Errorf("section %d at byte %#x is cut off (unexpected EOF)", wasm[pos], pos)
		}
		body := r.b[:size]
		end := len(wasm) - len(r.b) + int(size)
		id := wasm[pos]
		n.add(id, body)
		if id == sectionImport {
			body, err := bindImports(body, defs)
			if err != nil {
				return nil, err
			}
			bound = append(bound, sectionImport)
			bound = append(binary.AppendUvarint(bound, uint64(len(body))), body...)
		} else {
			bound = append(bound, wasm[pos:end]...)
		}
		pos = end
	}
	return bound, nil
}

// add counts what a section defines.
func (n *partNeeds) add(id byte, body []byte) {
	r := reader{b: body}
	switch id {
	case sectionMemory:
		for range min(r.number(), uint64(len(body))) {
			n.memory += r.limits() * pageSize
		}
	case sectionTable:
		for range min(r.number(), uint64(len(body))) {
			r.skipType()
			n.tables++
			n.entries += r.limits()
		}
	}
}

// bindImports renames the imports of a section.
func bindImports(body []byte, defs map[[2]string]link.CoreDef) ([]byte, error) {
	r := reader{b: body}
	count := r.number()
	out := binary.AppendUvarint(nil, count)
	for range count {
		module, name := r.name(), r.name()
		rest := r.b
		r.skipImport()
		if r.failed {
			return nil, errors.New("the import section cannot be read")
		}
		def, ok := defs[[2]string{module, name}]
		if !ok {
			return nil, fmt.Errorf("the import %q %q is not resolved; this is a bug of the host", module, name)
		}
		from, export := strconv.Itoa(def.Instance), def.Name
		if def.Instance < 0 {
			from, export = link.TrampolineModule, strconv.Itoa(def.Trampoline)
		}
		out = appendName(appendName(out, from), export)
		out = append(out, rest[:len(rest)-len(r.b)]...)
	}
	if len(r.b) > 0 {
		return nil, errors.New("the import section cannot be read")
	}
	return out, nil
}

func appendName(b []byte, name string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(name))), name...)
}

// name reads a name.
func (r *reader) name() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return ""
	}
	name := string(r.b[:n])
	r.b = r.b[n:]
	return name
}

// skipImport skips what follows an import's names.
func (r *reader) skipImport() {
	switch component.Sort(r.byte()) {
	case component.SortCoreFunc:
		r.number()
	case component.SortCoreTable:
		r.skipType()
		r.limits()
	case component.SortCoreMemory:
		r.limits()
	case component.SortCoreGlobal:
		r.skipType()
		r.byte()
	case component.SortCoreTag:
		r.byte()
		r.number()
	default:
		r.failed = true
	}
}

// skipType skips a value type; a reference to a heap type has an integer after its first byte.
func (r *reader) skipType() {
	const ref, refNull = 0x64, 0x63
	if b := r.byte(); b == ref || b == refNull {
		r.number()
	}
}

// limits reads limits and gives the lower one.
func (r *reader) limits() uint64 {
	const hasMax = 1
	flags, low := r.number(), r.number()
	if flags&hasMax != 0 {
		r.number()
	}
	return low
}
