package component

import (
	"slices"
	"strings"
)

// Description documents a driver for people.
type Description struct {
	Type     string   `json:"type"`
	Aliases  []string `json:"aliases,omitempty"`
	Versions []string `json:"versions"`
	// Summary is one sentence; Doc is the rest and may be empty.
	Summary string `json:"summary"`
	Doc     string `json:"doc,omitempty"`
	// Fields are the metadata fields; Further tells that the driver takes others too.
	Fields  []Field `json:"fields"`
	Further bool    `json:"furtherFields,omitempty"`
}

// Describe documents the drivers of the set, sorted by type.
func (s Set[T]) Describe() []Description {
	out := make([]Description, 0, len(s.types))
	for _, typ := range s.types {
		spec := s.byType[typ]
		d := Description{Type: typ, Aliases: spec.Aliases, Versions: spec.Versions, Further: spec.Further, Fields: []Field{}}
		if len(d.Versions) == 0 {
			d.Versions = []string{"v1"}
		}
		d.Summary, d.Doc, _ = strings.Cut(spec.Doc, "\n\n")
		d.Fields = append(d.Fields, spec.Describes()...)
		out = append(out, d)
	}
	return out
}

// Named tells whether name is the driver's type or an alias of it, without case.
func (d Description) Named(name string) bool {
	return strings.EqualFold(d.Type, name) ||
		slices.ContainsFunc(d.Aliases, func(a string) bool { return strings.EqualFold(a, name) })
}
