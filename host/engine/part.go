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

// bindPart gives a core module's bytes with its imports renamed so that each names what provides it: the module is the
// number of a core instance or link.TrampolineModule, the name that of the export there. It also gives the size of the
// memory that the module defines, in bytes.
func bindPart(wasm []byte, args []link.CoreArg) (bound []byte, minMemory uint64, err error) {
	defs := make(map[[2]string]link.CoreDef, len(args))
	for _, a := range args {
		defs[[2]string{a.Module, a.Name}] = a.Def
	}
	bound = wasm[:min(len(wasm), 8)]
	for pos := 8; pos < len(wasm); {
		r := reader{b: wasm[pos+1:]}
		size := r.number()
		if r.failed || size > uint64(len(r.b)) {
			return nil, 0, fmt.Errorf("section %d at byte %#x is cut off (unexpected EOF)", wasm[pos], pos)
		}
		body := r.b[:size]
		end := len(wasm) - len(r.b) + int(size)
		switch wasm[pos] {
		case sectionImport:
			if body, err = bindImports(body, defs); err != nil {
				return nil, 0, err
			}
			bound = append(append([]byte{}, bound...), sectionImport)
			bound = append(binary.AppendUvarint(bound, uint64(len(body))), body...)
		case sectionMemory:
			minMemory = memoryMin(body)
			fallthrough
		default:
			bound = append(bound[:len(bound):len(bound)], wasm[pos:end]...)
		}
		pos = end
	}
	return bound, minMemory, nil
}

// memoryMin gives the least size of all memories of a section.
func memoryMin(body []byte) (bytes uint64) {
	const hasMax = 1
	r := reader{b: body}
	for range min(r.number(), uint64(len(body))) {
		flags := r.number()
		bytes += r.number() * pageSize
		if flags&hasMax != 0 {
			r.number()
		}
	}
	return bytes
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
		r.skipLimits()
	case component.SortCoreMemory:
		r.skipLimits()
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

func (r *reader) skipLimits() {
	const hasMax = 1
	flags := r.number()
	r.number()
	if flags&hasMax != 0 {
		r.number()
	}
}
