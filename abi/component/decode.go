package component

import (
	"bytes"
	"fmt"
)

// The sections' numbers.
const (
	secCustom = iota
	secCoreModule
	secCoreInstance
	secCoreType
	secComponent
	secInstance
	secAlias
	secType
	secCanon
	secStart
	secImport
	secExport
	secValue
)

// sectionNames are the names of sections by number.
var sectionNames = [...]string{
	"custom", "core module", "core instance", "core type", "component", "instance", "alias", "type", "canon", "start",
	"import", "export", "value",
}

var (
	magic    = []byte("\x00asm")
	preamble = []byte("\x00asm\x0d\x00\x01\x00")
)

// IsComponent tells whether b begins as a component does (layer 1), of whatever version, rather than as a core module.
func IsComponent(b []byte) bool {
	return len(b) >= len(preamble) && bytes.HasPrefix(b, magic) && b[6] == 1 && b[7] == 0
}

// Decode reads a component. It checks the format and the limits, not validity: see [Validate]. The result shares
// memory with b, which must not change any more. Errors are of type [*Error].
func Decode(b []byte) (*Component, error) {
	q := &quota{maxDefs: MaxDefs}
	r := &reader{b: b, q: q}
	if len(b) > MaxSize {
		r.failAt(0, fmt.Sprintf("a component of at most %d bytes", MaxSize), "%d", len(b))
		return nil, q.err
	}
	d := &decoder{}
	c := d.component(r)
	if q.err != nil {
		return nil, q.err
	}
	return c, nil
}

// decoder is what decoding knows besides the tree.
type decoder struct {
	// scopes are the core types of the scopes around what is being read. Module types are decoded with their function
	// types in place, so their indices are resolved at once.
	scopes [][]*CoreTypeDef
}

// open begins a scope; false if they lie too deep.
func (d *decoder) open(r *reader) bool {
	if len(d.scopes) > MaxNesting {
		r.failAt(r.pos, fmt.Sprintf("components and types at most %d deep in each other", MaxNesting), "more")
		return false
	}
	d.scopes = append(d.scopes, nil)
	return true
}

func (d *decoder) close() { d.scopes = d.scopes[:len(d.scopes)-1] }

// addCoreType adds an index to the core type index space; t is nil if it cannot be known.
func (d *decoder) addCoreType(t *CoreTypeDef) {
	s := &d.scopes[len(d.scopes)-1]
	*s = append(*s, t)
}

// coreType gives the core type with an index in the scope count scopes outward, nil if there is none.
func (d *decoder) coreType(count, index uint32) *CoreTypeDef {
	if uint64(count) >= uint64(len(d.scopes)) {
		return nil
	}
	s := d.scopes[len(d.scopes)-1-int(count)]
	if uint64(index) >= uint64(len(s)) {
		return nil
	}
	return s[index]
}

// component reads one with its preamble, to the end of r.
func (d *decoder) component(r *reader) *Component {
	c := &Component{Offset: uint32(r.base)}
	if !d.open(r) {
		return nil
	}
	defer d.close()
	readPreamble(r)
	for r.left() > 0 && !r.failed() {
		d.section(r, c)
	}
	return c
}

func readPreamble(r *reader) {
	if bytes.HasPrefix(r.b, preamble) {
		r.pos = len(preamble)
		return
	}
	const want = "the preamble of a component (00 61 73 6d 0d 00 01 00)"
	head := r.b[:min(len(r.b), len(preamble))]
	switch {
	case len(head) < len(preamble) || !bytes.HasPrefix(head, magic):
		r.failAt(0, want, "%d bytes: % x", len(r.b), head)
	case head[6] == 0 && head[7] == 0:
		r.failAt(6, want, "a core module (layer 0)")
	case head[6] != 1 || head[7] != 0:
		r.failAt(6, want, "layer %d", uint(head[6])|uint(head[7])<<8)
	default:
		r.failAt(4, want, "version %#x; build the component with a toolchain for version 0xd", uint(head[4])|uint(head[5])<<8)
	}
}

// section reads one section.
func (d *decoder) section(r *reader, c *Component) {
	at := r.pos
	id := r.byte()
	if int(id) >= len(sectionNames) {
		r.failAt(at, fmt.Sprintf("a section of a component (0 to %d)", len(sectionNames)-1), "%d", id)
		return
	}
	s := r.sub(r.u32(), "the "+sectionNames[id]+" section")
	s.where = sectionNames[id] + " section"
	if s.failed() {
		return
	}
	switch id {
	case secCustom:
		custom(s, c)
		return
	case secCoreModule:
		d.coreModule(s, c)
	case secComponent:
		d.nested(s, c)
	case secStart:
		c.add(s.base, start(s))
	case secValue:
		s.failAt(0, "a component without value definitions (their format is not released)", "some")
	default:
		s.vector(itemNames[id], func(at int) {
			if def := d.def(id, s); !s.failed() {
				c.add(s.base+at, def)
			}
		})
	}
	s.end()
}

var itemNames = [...]string{
	secCoreInstance: "core instance", secCoreType: "core type", secInstance: "instance", secAlias: "alias",
	secType: "type", secCanon: "definition", secImport: "import", secExport: "export",
}

func (c *Component) add(offset int, def Def) {
	c.Defs = append(c.Defs, def)
	c.Offsets = append(c.Offsets, uint32(offset))
}

// def reads one definition of a section that is a vector of them.
func (d *decoder) def(section byte, r *reader) Def {
	switch section {
	case secCoreInstance:
		return coreInstance(r)
	case secCoreType:
		return d.coreTypeDef(r)
	case secInstance:
		return instance(r)
	case secAlias:
		return d.alias(r)
	case secType:
		return d.typeDef(r)
	case secCanon:
		return canonDef(r)
	case secImport:
		return &ImportDef{Name: externName(r), Type: externType(r)}
	default:
		return exportDef(r)
	}
}

func (d *decoder) coreModule(r *reader, c *Component) {
	if r.q.modules++; r.q.modules > MaxModules {
		r.failAt(0, fmt.Sprintf("at most %d core modules in a file", MaxModules), "more")
		return
	}
	c.add(r.base, &CoreModuleDef{Bytes: r.take(uint32(r.left()), "a module"), Offset: uint32(r.base)})
}

func (d *decoder) nested(r *reader, c *Component) {
	if r.q.components++; r.q.components > MaxComponents {
		r.failAt(0, fmt.Sprintf("at most %d nested components in a file", MaxComponents), "more")
		return
	}
	at := r.base
	r.where = ""
	if n := d.component(r); n != nil {
		c.add(at, &ComponentDef{Component: n})
	}
}
