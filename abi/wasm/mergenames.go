package wasm

import (
	"strings"
	"unicode/utf8"
)

// maxPartName is how many bytes of a part's name stand in front of each of its functions: a name is repeated as often
// as there are functions.
const maxPartName = 64

// startName is the name of the function that calls the start functions of several parts.
const startName = "mrt:start of all parts"

// names makes the name section.
func (g *merger) names() {
	var all []Name
	for _, p := range g.parts {
		prefix := cutName(strings.ToValidUTF8(p.name, "?"), maxPartName) + "!"
		imports := len(p.spaces[KindFunc]) - len(p.m.Funcs)
		for i, name := range p.funcNames(uint32(imports)) {
			if name != "" {
				all = append(all, Name{p.index[KindFunc][imports+i], cutName(prefix+name, MaxNameLength)})
			}
		}
	}
	if g.entry > 0 {
		all = append(all, Name{g.entry, startName})
	}
	if len(all) > 0 {
		g.out.Names = &Names{Funcs: all}
	}
}

// funcNames gives the names of the functions that a part defines. One that its part does not name has the name of its
// first export.
func (p *mergePart) funcNames(imports uint32) []string {
	names := make([]string, len(p.m.Funcs))
	for _, e := range p.m.Exports {
		if e.Kind == KindFunc && e.Index >= imports && names[e.Index-imports] == "" {
			names[e.Index-imports] = e.Name
		}
	}
	if p.m.Names == nil {
		return names
	}
	for _, n := range p.m.Names.Funcs {
		if n.Index >= imports && n.Name != "" {
			names[n.Index-imports] = n.Name
		}
	}
	return names
}

// cutName shortens a name at the start of a character.
func cutName(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
