package wasm

import (
	"slices"
	"unicode/utf8"
)

const nameSection = "name"

// Name is the name of something that has an index.
type Name struct {
	Index uint32
	Name  string
}

// Names is a name section. What is not listed here has been left out when it could be wrong after a rewrite.
type Names struct {
	// Module is the module's own name; empty without one.
	Module string
	// Funcs are the functions' names by ascending index.
	Funcs []Name
	// locals are the names of locals by function, each still encoded.
	locals []localNames
	// rest are the other subsections, still encoded.
	rest []subsection
}

type localNames struct {
	fn  uint32
	raw []byte
}

type subsection struct {
	id  byte
	raw []byte
}

// The subsections' numbers. Those whose indices no pass changes are types, memories and globals.
const (
	subModule   = 0
	subFuncs    = 1
	subLocals   = 2
	subTypes    = 4
	subMemories = 6
	subGlobals  = 7
)

// decodeNames reads a name section; nil if it is malformed.
func decodeNames(b []byte) *Names {
	r := &reader{b: b, section: nameSection}
	n := &Names{}
	last := -1
	for r.left() > 0 && r.err == nil {
		id := r.byte()
		b := r.take(r.u32(), "a subsection")
		sub := &reader{b: b, err: r.err}
		if int(id) <= last {
			return nil
		}
		last = int(id)
		switch id {
		case subModule:
			n.Module = sub.name()
		case subFuncs:
			n.Funcs = funcNames(sub)
		case subLocals:
			n.locals = allLocalNames(sub)
		default:
			n.rest = append(n.rest, subsection{id, sub.b})
			sub.pos = len(sub.b)
		}
		sub.end()
		r.err = sub.err
	}
	if r.err != nil {
		return nil
	}
	return n
}

// funcNames reads a name map; indices must ascend.
func funcNames(r *reader) []Name {
	var out []Name
	for range r.count(MaxFuncs, "names") {
		at := r.pos
		n := Name{r.u32(), r.name()}
		if len(out) > 0 && n.Index <= out[len(out)-1].Index {
			r.failAt(at, "indices in ascending order", "%d", n.Index)
		}
		if r.err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}

func allLocalNames(r *reader) []localNames {
	var out []localNames
	for range r.count(MaxFuncs, "functions") {
		fn, start := r.u32(), r.pos
		for range r.count(MaxLocals, "names") {
			r.u32()
			if b := r.take(r.u32(), "a name"); !utf8.Valid(b) {
				r.failAt(r.pos, "a name in UTF-8", "something else")
			}
			if r.err != nil {
				return nil
			}
		}
		if len(out) > 0 && fn <= out[len(out)-1].fn {
			r.failAt(start, "indices in ascending order", "%d", fn)
		}
		if r.err != nil {
			return nil
		}
		out = append(out, localNames{fn, r.b[start:r.pos]})
	}
	return out
}

// encode gives the section's contents after its name.
func (n *Names) encode() []byte {
	var out []byte
	if n.Module != "" {
		out = appendSection(out, subModule, appendName(nil, n.Module))
	}
	if len(n.Funcs) > 0 {
		b := appendUnsigned(nil, uint32(len(n.Funcs)))
		for _, f := range n.Funcs {
			b = appendName(appendUnsigned(b, f.Index), f.Name)
		}
		out = appendSection(out, subFuncs, b)
	}
	if len(n.locals) > 0 {
		b := appendUnsigned(nil, uint32(len(n.locals)))
		for _, l := range n.locals {
			b = append(appendUnsigned(b, l.fn), l.raw...)
		}
		out = appendSection(out, subLocals, b)
	}
	for _, s := range n.rest {
		out = appendSection(out, s.id, s.raw)
	}
	return out
}

// setFunc names a function that has no name yet and a higher index than all others.
func (m *Module) setFunc(index uint32, name string) {
	if m.Names == nil {
		m.Names = &Names{}
	}
	m.Names.Funcs = append(m.Names.Funcs, Name{index, name})
}

// setFuncAt names a function wherever it is.
func (m *Module) setFuncAt(index uint32, name string) {
	at, _ := slices.BinarySearchFunc(m.Names.Funcs, index, func(n Name, i uint32) int { return int(n.Index) - int(i) })
	m.Names.Funcs = slices.Insert(m.Names.Funcs, at, Name{index, name})
}

// limit drops the names of functions that do not exist.
func (n *Names) limit(funcs uint32) {
	n.Funcs = slices.DeleteFunc(n.Funcs, func(f Name) bool { return f.Index >= funcs })
	n.locals = slices.DeleteFunc(n.locals, func(l localNames) bool { return l.fn >= funcs })
}

// shift moves the names of functions from an index on by so many.
func (n *Names) shift(from, by uint32) {
	for i := range n.Funcs {
		if n.Funcs[i].Index >= from {
			n.Funcs[i].Index += by
		}
	}
	for i := range n.locals {
		if n.locals[i].fn >= from {
			n.locals[i].fn += by
		}
	}
}

// codeChanged drops what may not fit any more: names of labels, tables and segments, and custom sections that speak
// of code by its offset or by function index.
func (m *Module) codeChanged() {
	if m.Names != nil {
		m.Names.rest = slices.DeleteFunc(m.Names.rest, func(s subsection) bool {
			return s.id != subTypes && s.id != subMemories && s.id != subGlobals
		})
	}
	m.Customs = slices.DeleteFunc(m.Customs, func(c Custom) bool { return aboutCode(c.Name) })
}
