package link

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// coreModule is what linking needs to know of a core module.
type coreModule struct {
	bytes   []byte
	index   int // of Plan.Modules; -1 for a module that is not instantiated
	imports []coreImport
	exports map[string]component.Sort
	// memories counts the memories that it defines; memory is the name of an exported memory.
	memories int
	memory   string
	// memoryIndex are the indices of the exported memories.
	memoryIndex map[string]uint64
	// odd says what a merge cannot take, for example "a shared memory".
	odd string
}

type coreImport struct {
	module, name string
	sort         component.Sort
}

// module reads a core module's imports and exports, once for all instances of a component.
func (b *builder) module(d *component.CoreModuleDef) (*coreModule, error) {
	if m, ok := b.modules[d]; ok {
		return m, nil
	}
	m := &coreModule{bytes: d.Bytes, index: -1, exports: map[string]component.Sort{}}
	if b.typesOnly {
		return m, nil
	}
	if err := m.read(); err != nil {
		return nil, fmt.Errorf("core module at byte %d: %w", d.Offset, err)
	}
	b.modules[d] = m
	return m, nil
}

const (
	coreHeader        = "\x00asm\x01\x00\x00\x00"
	sectionImport     = 2
	sectionMemory     = 5
	sectionExport     = 7
	sectionTag        = 13
	maxCoreNameLength = 100_000
)

// read looks at the import, memory and export sections and skips all others.
func (m *coreModule) read() error {
	if len(m.bytes) < len(coreHeader) || string(m.bytes[:len(coreHeader)]) != coreHeader {
		return errors.New("expected the header of a core module, found none")
	}
	r := &coreReader{b: m.bytes[len(coreHeader):]}
	for len(r.b) > 0 && r.err == nil {
		id := r.byte()
		section := &coreReader{b: r.take(r.u64())}
		switch {
		case r.err != nil:
		case id == sectionImport:
			m.readImports(section)
		case id == sectionExport:
			m.readExports(section)
		case id == sectionMemory:
			for n := section.u64(); n > 0 && section.err == nil; n-- {
				m.memories++
				m.limits(section)
			}
		case id == sectionTag:
			m.odd = "a tag"
		}
		if section.err != nil {
			return section.err
		}
	}
	return r.err
}

func (m *coreModule) readImports(r *coreReader) {
	for n := r.u64(); n > 0 && r.err == nil; n-- {
		imp := coreImport{module: r.name(), name: r.name()}
		kind := r.byte()
		if kind > byte(component.SortCoreTag) {
			r.fail("expected a kind of import, found %#x", kind)
		}
		imp.sort = component.Sort(kind)
		switch imp.sort {
		case component.SortCoreTable:
			r.valType()
			r.limits()
		case component.SortCoreMemory:
			m.limits(r)
		case component.SortCoreGlobal:
			r.valType()
			r.byte()
		case component.SortCoreTag:
			r.byte()
			r.u64()
		default:
			r.u64()
		}
		if r.err == nil {
			m.imports = append(m.imports, imp)
		}
	}
}

func (m *coreModule) readExports(r *coreReader) {
	for n := r.u64(); n > 0 && r.err == nil; n-- {
		name, kind, index := r.name(), r.byte(), r.u64()
		if kind > byte(component.SortCoreTag) {
			r.fail("expected a kind of export, found %#x", kind)
		}
		if r.err == nil {
			m.exports[name] = component.Sort(kind)
			if m.exports[name] == component.SortCoreMemory {
				m.memory = name
				if m.memoryIndex == nil {
					m.memoryIndex = map[string]uint64{}
				}
				m.memoryIndex[name] = index
			}
		}
	}
}

// coreReader reads a part of a core module. After an error it gives zero values.
type coreReader struct {
	b   []byte
	err error
}

func (r *coreReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.b = nil
}

func (r *coreReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail("expected %d bytes, found %d", n, len(r.b))
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *coreReader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// u64 reads an unsigned LEB128 integer; signed ones that are only skipped look the same.
func (r *coreReader) u64() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("expected an integer, found none")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *coreReader) name() string {
	n := r.u64()
	if n > maxCoreNameLength {
		r.fail("expected a name of at most %d bytes, found %d", maxCoreNameLength, n)
		return ""
	}
	return string(r.take(n))
}

// valType skips a value type; a reference to a heap type has an integer after its first byte.
func (r *coreReader) valType() {
	const ref, refNull = 0x64, 0x63
	if b := r.byte(); b == ref || b == refNull {
		r.u64()
	}
}

// The flags of limits.
const (
	limitsMax = 1 << iota
	limitsShared
	limits64
	limitsPageSize
)

func (r *coreReader) limits() (flags byte) {
	flags = r.byte()
	r.u64()
	if flags&limitsMax != 0 {
		r.u64()
	}
	if flags&limitsPageSize != 0 {
		r.u64()
	}
	return flags
}

// limits reads a memory's limits.
func (m *coreModule) limits(r *coreReader) {
	switch flags := r.limits(); {
	case flags&limitsShared != 0:
		m.odd = "a shared memory"
	case flags&limits64 != 0:
		m.odd = "a 64-bit memory"
	case flags&limitsPageSize != 0:
		m.odd = "a memory with pages of its own size"
	}
}
