package witgen

import (
	"fmt"
	"strings"
)

// resourceType writes the Go type of resource d, into the file of types: a handle of the host's, or an interface for
// the app to implement.
func (e *emitter) resourceType(d *def) {
	name := e.defName(d)
	e.doc(d.docs, "")
	if d.docs != "" {
		e.p("//")
	}
	if !e.plan.guestDefines(d) {
		e.p("// %s is a handle of the host's resource %s. What functions give is to be dropped, unless it is given away to one that", name, d.name)
		e.p("// takes it. A parameter of an export that is only lent is dropped after the call.")
		e.p("type %s struct {", name)
		e.p("// CABI is what generated code passes.")
		e.p("CABI %s.Handle\n}\n", e.rt())
		return
	}
	e.p("// %s is the resource %s, which the app defines. A value with a method Drop() has it called when the last owner drops", name, d.name)
	e.p("// it. What a function is given as an owner is the app's alone, without a call of Drop.")
	e.p("type %s interface {", name)
	for _, f := range d.iface.methods(d) {
		e.doc(f.docs, "")
		e.p("%s(%s)%s", f.goName(), e.declaredParams(f), e.implResults(f))
	}
	e.p("}\n")
}

// resource writes how the handles of d are dropped, or the table of what they stand for.
func (g *guestWriter) resource(d *def) {
	if g.plan.guestDefines(d) {
		g.table(d)
		return
	}
	name := g.defName(d)
	drop := g.unit.unique("wasmimportDrop" + name)
	g.p("//go:wasmimport %s [resource-drop]%s", d.iface.module, d.name)
	g.p("func %s(uint32)\n", drop)
	g.p("// Drop drops the handle. After the first time, and after the handle was given away, it does nothing.")
	g.p("func (self *%s) Drop() {", name)
	g.p("if i := self.CABI.Drop(); i != 0 {\n%s.Wait()\n%s(i)\n}\n}\n", g.rt(), drop)
}

// table writes the table of the resource d of the app, and what brings its values in and out.
func (g *guestWriter) table(d *def) {
	name := g.defName(d)
	table := g.tableName(d)
	g.p("// %s has what the resources %s of the app stand for.", table, d.name)
	g.p("var %s %s.Table[%s]\n", table, g.rt(), name)
	for _, builtin := range []string{"new", "rep", "drop"} {
		g.p("//go:wasmimport [export]%s [resource-%s]%s", d.iface.module, builtin, d.name)
		result := " uint32"
		if builtin == "drop" {
			result = ""
		}
		g.p("func %s%s(uint32)%s\n", table, pascal(builtin), result)
	}
	g.p("// %sGive gives the handle of a new resource.", table)
	g.p("func %sGive(v %s) uint32 {", table, name)
	g.p("%s.Wait()\nreturn %sNew(%s.Add(v))\n}\n", g.rt(), table, table)
	g.p("// %sTake gives what the handle i owns, and ends the resource.", table)
	g.p("func %sTake(i uint32) %s {", table, name)
	g.p("%s.Wait()\nv := %s.Take(%sRep(i))\n%sDrop(i)\nreturn v\n}\n", g.rt(), table, table, table)
	g.p("//go:wasmexport %s#[dtor]%s", d.iface.module, d.name)
	g.p("func %sDestroy(rep uint32) {\n%s.Destroy(rep)\n}\n", table, table)
}

// tableName is the variable with the table of resource d of the app.
func (g *guestWriter) tableName(d *def) string {
	key := "table " + d.iface.module + "." + d.name
	if g.helpers[key] == "" {
		g.helpers[key] = g.unit.unique(camel(d.name) + "Table")
	}
	return g.helpers[key]
}

// liftHandle gives the expression of the handle t with the index, or of a loan of what the app defines.
func (g *guestWriter) liftHandle(t *typ, index string) string {
	d := t.resource()
	switch {
	case !g.plan.guestDefines(d):
		return fmt.Sprintf("&%s{CABI: %s.HandleOf(%s)}", g.defName(d), g.rt(), index)
	case t.kind == kindOwn:
		return fmt.Sprintf("%sTake(%s)", g.tableName(d), index)
	default:
		return fmt.Sprintf("%s.Get(%s)", g.tableName(d), index)
	}
}

// lowerHandle gives the index by which v passes.
func (g *guestWriter) lowerHandle(t *typ, v string) string {
	switch d := t.resource(); {
	case g.plan.guestDefines(d):
		return fmt.Sprintf("%sGive(%s)", g.tableName(d), v)
	case t.kind == kindOwn:
		return v + ".CABI.Give()"
	default:
		return v + ".CABI.Index()"
	}
}

// hostBorrow tells whether t is a handle that the host lent.
func (g *guestWriter) hostBorrow(t *typ) bool {
	return t.kind == kindBorrow && !g.plan.guestDefines(t.resource())
}

// dropLent writes the statements that drop what the host lent in v, a t.
func (g *guestWriter) dropLent(t *typ, v string) {
	if !t.anyHandle(g.hostBorrow) {
		return
	}
	switch t = t.base(); t.kind {
	case kindBorrow:
		g.p("%s.Drop()", v)
	case kindList:
		i := g.temp()
		g.p("for %s := range %s {", i, v)
		g.dropLent(t.elem, v+"["+i+"]")
		g.p("}")
	case kindOption:
		g.p("if %s != nil {", v)
		if t.elem.isHandle() {
			g.dropLent(t.elem, v)
		} else {
			g.dropLent(t.elem, "(*"+v+")")
		}
		g.p("}")
	case kindResult:
		g.p("if %s.Err != nil {", v)
		g.dropLent(t.err, "(*"+v+".Err)")
		g.p("} else {")
		g.dropLent(t.ok, v+".OK")
		g.p("}")
	case kindVariant:
		g.p("switch %s.Tag {", v)
		for _, group := range t.payloadGroups() {
			g.p("case %s:", strings.Join(g.caseNames(t, group), ", "))
			g.dropLent(t.cases[group[0]].typ, v+"."+payloadName(t, group[0]))
		}
		g.p("}")
	default:
		for i, f := range t.fields {
			g.dropLent(f.typ, v+"."+fieldName(t, i))
		}
	}
}
