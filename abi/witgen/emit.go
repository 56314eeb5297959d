package witgen

import (
	"bytes"
	"fmt"
	"go/format"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// File is a file to be written.
type File struct {
	// Name is the path below the output folder, with slashes.
	Name string
	// Data is the formatted source.
	Data []byte
}

// emitter writes one Go file of a unit.
type emitter struct {
	plan *plan
	unit *unit
	// runtime is the import path of the package with tuples, results and the ABI's primitives.
	runtime string
	// tag is the build constraint; "" for none.
	tag string
	buf bytes.Buffer
	// imports are the names of imported packages by path.
	imports map[string]string
	// helpers are the names of the functions that lift and lower compound types, by direction and type.
	helpers map[string]string
	// queue holds helpers to be written.
	queue []func()
	temps int
	// params are the names of all parameters in the unit.
	params map[string]bool
	// guest tells that the file is a guest's.
	guest bool
	// writeResource writes a resource's type.
	writeResource func(*def)
	// newValue gives the expression that allocates a value of a Go type.
	newValue func(goType string) string
}

func newEmitter(p *plan, u *unit, runtime string) *emitter {
	return &emitter{plan: p, unit: u, runtime: runtime, imports: map[string]string{}, helpers: map[string]string{}}
}

// p writes a line.
func (e *emitter) p(format string, args ...any) {
	fmt.Fprintf(&e.buf, format, args...)
	e.buf.WriteByte('\n')
}

// doc writes a comment, or otherwise if there is none.
func (e *emitter) doc(text, otherwise string) {
	if strings.TrimSpace(text) == "" {
		text = otherwise
	}
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		e.p("%s", strings.TrimRight("// "+line, " "))
	}
}

// capture gives what write writes, and takes it out again.
func (e *emitter) capture(write func()) string {
	before := e.buf
	e.buf = bytes.Buffer{}
	write()
	out := e.buf.String()
	e.buf = before
	return out
}

// temp gives a new local name.
func (e *emitter) temp() string {
	e.temps++
	return "v" + strconv.Itoa(e.temps-1)
}

// importPath imports a package and gives the name that it has in this file.
func (e *emitter) importPath(p, name, otherwise string) string {
	if have, ok := e.imports[p]; ok {
		return have
	}
	if slices.Contains(stringValues(e.imports), name) {
		name = otherwise
	}
	e.imports[p] = name
	return name
}

func stringValues(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// std imports a package of the standard library, or one of ours, under its own name.
func (e *emitter) std(p string) string { return e.importPath(p, path.Base(p), path.Base(p)) }

// rt is the runtime package's name.
func (e *emitter) rt() string { return e.std(e.runtime) }

// defName is the Go name of d as this file writes it.
func (e *emitter) defName(d *def) string {
	d = e.plan.target(d)
	return e.qualify(d, e.plan.of[d.iface].defNames[d])
}

// tagName is the Go name of the tag type of variant d.
func (e *emitter) tagName(d *def) string { return e.qualify(d, e.plan.of[d.iface].tagNames[d]) }

// caseName is the Go name of the constant for case i of d.
func (e *emitter) caseName(d *def, i int) string {
	return e.qualify(d, e.plan.of[d.iface].caseNames[d][i])
}

func (e *emitter) qualify(d *def, name string) string {
	u := e.plan.of[d.iface]
	if u == e.unit {
		return name
	}
	alias := packageName(d.iface.pkg.name) + u.name
	if e.shadowed(u.name) {
		return e.importPath(u.path, alias, alias+"_") + "." + name
	}
	return e.importPath(u.path, u.name, alias) + "." + name
}

// shadowed tells whether a package cannot go by name in the file: the code needs it, or a parameter has it.
func (e *emitter) shadowed(name string) bool {
	if e.params == nil {
		e.params = map[string]bool{}
		for _, i := range e.unit.ifaces {
			for _, f := range slices.Concat(i.funcs, i.exports) {
				for _, p := range f.params {
					e.params[camel(p.name)] = true
				}
			}
		}
	}
	return reservedNames[name] || token.IsKeyword(name) || e.params[name]
}

// primitiveGo are the Go types of the kinds below kindList.
var primitiveGo = [...]string{
	"bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "rune", "string",
}

// goType is the Go type of t; nil is struct{}.
func (e *emitter) goType(t *typ) string {
	switch {
	case t == nil:
		return "struct{}"
	case t.def != nil:
		return e.defName(t.def)
	case t.isByteList():
		return "[]byte"
	}
	switch t.kind {
	case kindList:
		return "[]" + e.goType(t.elem)
	case kindOption:
		if t.elem.isHandle() {
			return e.goType(t.elem) // which may be nil
		}
		return "*" + e.goType(t.elem)
	case kindOwn, kindBorrow:
		return e.handleType(t)
	case kindResult:
		return fmt.Sprintf("%s.Result[%s, %s]", e.rt(), e.goType(t.ok), e.goType(t.err))
	case kindTuple:
		return e.tupleType(t)
	default:
		return primitiveGo[t.kind]
	}
}

// handleType is the Go type of a handle: an interface for the side that defines the resource, else a pointer.
func (e *emitter) handleType(t *typ) string {
	name := e.defName(t.elem.def)
	if e.plan.guestDefines(t.resource()) != e.guest {
		return "*" + name
	}
	return name
}

// maxTuple is the longest tuple of the runtime packages; longer ones are anonymous structs.
const maxTuple = 8

func (e *emitter) tupleType(t *typ) string {
	types := make([]string, len(t.fields))
	for i, f := range t.fields {
		types[i] = e.goType(f.typ)
	}
	if len(types) <= maxTuple {
		return fmt.Sprintf("%s.Tuple%d[%s]", e.rt(), len(types), strings.Join(types, ", "))
	}
	for i := range types {
		types[i] = fmt.Sprintf("F%d %s", i, types[i])
	}
	return "struct{ " + strings.Join(types, "; ") + " }"
}

// fieldName is the Go name of field i of a record or tuple.
func fieldName(t *typ, i int) string {
	if t.kind == kindTuple {
		return "F" + strconv.Itoa(i)
	}
	name := pascal(t.fields[i].name)
	for j := range i {
		if pascal(t.fields[j].name) == name {
			return name + "_"
		}
	}
	return name
}

// payloadName is the Go field that holds the payload of case i of variant t: Value if all payloads have one type,
// else one field for each case.
func payloadName(t *typ, i int) string {
	if t.samePayload() {
		return "Value"
	}
	name := pascal(t.cases[i].name)
	if name == "Tag" || (name == "Error" && t.errorType()) {
		name += "_"
	}
	return name
}

// samePayload tells whether all cases of variant t that carry something carry the same type.
func (t *typ) samePayload() bool {
	var first *typ
	for _, c := range t.cases {
		switch {
		case c.typ == nil:
		case first == nil:
			first = c.typ
		case c.typ.key() != first.key():
			return false
		}
	}
	return first != nil
}

// helper gives the name of the function that lifts or lowers t, and has it written once.
func (e *emitter) helper(direction string, t *typ, write func(name string)) string {
	t = t.base()
	key := direction + " " + t.key()
	if name, ok := e.helpers[key]; ok {
		return name
	}
	name := e.unit.unique(direction + e.mangle(t))
	e.helpers[key] = name
	e.queue = append(e.queue, func() { write(name) })
	return name
}

// drain writes the helpers that were asked for, and those that they ask for.
func (e *emitter) drain() {
	for len(e.queue) > 0 {
		next := e.queue[0]
		e.queue = e.queue[1:]
		e.temps = 0
		next()
	}
}

// file puts the header, the imports and what was written together. An empty doc gives no package comment.
func (e *emitter) file(name, sources, doc string) (File, error) {
	e.drain()
	var out bytes.Buffer
	fmt.Fprintf(&out, "// Code generated by mrt-wasm bindgen from %s. DO NOT EDIT.\n\n", sources)
	if e.tag != "" {
		fmt.Fprintf(&out, "//go:build %s\n\n", e.tag)
	}
	if doc != "" {
		for line := range strings.SplitSeq(strings.TrimSpace(doc), "\n") {
			fmt.Fprintf(&out, "%s\n", strings.TrimRight("// "+line, " "))
		}
	}
	fmt.Fprintf(&out, "package %s\n\n", e.unit.name)
	e.writeImports(&out)
	code := parens.ReplaceAll(e.buf.Bytes(), []byte("$1*$2$3"))
	out.Write(derefs.ReplaceAll(code, []byte("$1.")))
	src, err := format.Source(out.Bytes())
	if err != nil {
		return File{}, fmt.Errorf("generated file %s does not parse, a bug of the generator: %w\n%s", name, err, out.Bytes())
	}
	return File{Name: path.Join(e.unit.dir, name), Data: src}, nil
}

// What expressions are simplified: parens is a dereferenced argument in parentheses of its own, derefs a field of a
// dereferenced pointer.
var (
	parens = regexp.MustCompile(`(\(|, )\(\*([\w.]+)\)([,)])`)
	derefs = regexp.MustCompile(`\(\*([\w.]+)\)\.`)
)

// writeImports writes the standard library's packages first, then the others.
func (e *emitter) writeImports(out *bytes.Buffer) {
	var std, other []string
	for p, name := range e.imports {
		line := strconv.Quote(p)
		if name != path.Base(p) {
			line = name + " " + line
		}
		if first, _, _ := strings.Cut(p, "/"); strings.Contains(first, ".") {
			other = append(other, line)
		} else {
			std = append(std, line)
		}
	}
	if len(std)+len(other) == 0 {
		return
	}
	byPath := func(a, b string) int { return strings.Compare(a[strings.Index(a, `"`):], b[strings.Index(b, `"`):]) }
	slices.SortFunc(std, byPath)
	slices.SortFunc(other, byPath)
	out.WriteString("import (\n")
	out.WriteString(strings.Join(std, "\n"))
	if len(std) > 0 && len(other) > 0 {
		out.WriteString("\n\n")
	}
	out.WriteString(strings.Join(other, "\n"))
	out.WriteString("\n)\n\n")
}

// sources names the WIT packages that a unit comes from.
func (u *unit) sources() string {
	var ids []string
	for _, i := range u.ifaces {
		if id := i.pkg.id(); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return strings.Join(ids, ", ")
}
