package witgen

import (
	"fmt"
	"strings"
)

// liftCases declares v as the option, result or variant t and fills it: disc is its discriminant's expression, and
// payload gives the expression of a payload, perhaps after statements.
func (e *emitter) liftCases(t *typ, v, disc string, payload func(*typ) string) {
	switch t.kind {
	case kindOption:
		e.p("var %s %s", v, e.goType(t))
		e.p("if %s == 1 {", disc)
		if t.elem.isHandle() {
			e.p("%s = %s\n}", v, payload(t.elem))
			return
		}
		e.p("%s = %s", v, e.newValue(e.goType(t.elem)))
		e.p("*%s = %s\n}", v, payload(t.elem))
	case kindResult:
		e.p("var %s %s", v, e.goType(t))
		e.p("if %s == 1 {", disc)
		e.p("%s.Err = %s", v, e.newValue(e.goType(t.err)))
		if t.err != nil {
			e.p("*%s.Err = %s", v, payload(t.err))
		}
		e.otherwise(func() {
			if t.ok != nil {
				e.p("%s.OK = %s", v, payload(t.ok))
			}
		})
	default:
		e.p("%s := %s{Tag: %s(%s)}", v, e.goType(t), e.tagName(t.def), disc)
		e.liftVariant(t, v, payload)
	}
}

// liftVariant fills in the payload of the variant v by its tag. Cases with one type that share a field share a branch.
func (e *emitter) liftVariant(t *typ, v string, payload func(*typ) string) {
	groups := t.payloadGroups()
	if len(groups) == 0 {
		return
	}
	if len(groups) == 1 && len(groups[0]) == len(t.cases) {
		e.p("%s.%s = %s", v, payloadName(t, 0), payload(t.cases[0].typ))
		return
	}
	e.p("switch %s.Tag {", v)
	for _, g := range groups {
		e.p("case %s:", strings.Join(e.caseNames(t, g), ", "))
		e.p("%s.%s = %s", v, payloadName(t, g[0]), payload(t.cases[g[0]].typ))
	}
	e.p("}")
}

// payloadGroups gives the cases that carry something, by the field that holds it.
func (t *typ) payloadGroups() [][]int {
	var out [][]int
	for i, c := range t.cases {
		switch {
		case c.typ == nil:
		case t.samePayload() && len(out) == 1:
			out[0] = append(out[0], i)
		default:
			out = append(out, []int{i})
		}
	}
	return out
}

func (e *emitter) caseNames(t *typ, cases []int) []string {
	out := make([]string, len(cases))
	for k, i := range cases {
		out[k] = e.caseName(t.def, i)
	}
	return out
}

// caseWriter stores the parts of an option, result or variant: an integer expression of the discriminant's type, and
// a payload.
type caseWriter struct {
	disc    func(expr string)
	payload func(t *typ, v string)
}

// lowerCases stores v: a *T for an option, else a pointer to, or a variable of, t.
func (e *emitter) lowerCases(t *typ, v string, c caseWriter) {
	switch t.kind {
	case kindOption:
		e.p("if %s != nil {", v)
		c.disc("1")
		if t.elem.isHandle() {
			c.payload(t.elem, v)
		} else {
			c.payload(t.elem, "(*"+v+")")
		}
		e.otherwise(func() { c.disc("0") })
	case kindResult:
		e.p("if %s.Err != nil {", v)
		c.disc("1")
		if t.err != nil {
			c.payload(t.err, "(*"+v+".Err)")
		}
		e.otherwise(func() {
			c.disc("0")
			if t.ok != nil {
				c.payload(t.ok, v+".OK")
			}
		})
	default:
		c.disc(fmt.Sprintf("%s(%s.Tag)", goUint(t.discSize()), v))
		e.lowerVariant(t, v, c)
	}
}

func (e *emitter) lowerVariant(t *typ, v string, c caseWriter) {
	groups := t.payloadGroups()
	if len(groups) == 0 {
		return
	}
	e.p("switch %s.Tag {", v)
	for _, g := range groups {
		e.p("case %s:", strings.Join(e.caseNames(t, g), ", "))
		c.payload(t.cases[g[0]].typ, v+"."+payloadName(t, g[0]))
	}
	e.p("}")
}

// otherwise closes a block, with an else if write writes something.
func (e *emitter) otherwise(write func()) {
	if body := e.capture(write); body != "" {
		e.p("} else {\n%s", strings.TrimSuffix(body, "\n"))
	}
	e.p("}")
}
