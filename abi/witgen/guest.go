package witgen

import (
	"fmt"
	"strconv"
	"strings"
)

// guestFiles writes a guest's glue of a unit: the types, which compile everywhere, and the functions, which compile
// for wasip1.
func guestFiles(p *plan, u *unit) ([]File, error) {
	types := newEmitter(p, u, cabiPath)
	types.guest, types.writeResource = true, types.resourceType
	types.types()
	g := &guestWriter{newEmitter(p, u, cabiPath)}
	g.tag, g.guest = "wasip1", true
	g.newValue = func(t string) string { return "new(" + t + ")" }
	any := false
	for _, i := range u.ifaces {
		if p.imports[i] || p.exports[i] {
			for _, d := range i.resources() {
				g.resource(d)
				any = true
			}
		}
		if p.imports[i] {
			for _, f := range i.funcs {
				g.importFunc(f)
				any = true
			}
		}
		if funcs := i.exported(); p.exports[i] && len(funcs) > 0 {
			g.exportSide(types, i, funcs)
			any = true
		}
	}
	tf, err := types.file(u.name+".wit.go", u.sources(), u.guestDoc())
	if err != nil || !any {
		return []File{tf}, err
	}
	gf, err := g.file(u.name+"_wasip1.wit.go", u.sources(), "")
	return []File{tf, gf}, err
}

// guestDoc is the package comment of a guest's unit.
func (u *unit) guestDoc() string {
	if len(u.ifaces) != 1 {
		return u.doc("Package " + u.name + " is a guest's side of ")
	}
	i := u.ifaces[0]
	s := fmt.Sprintf("Package %s is a guest's side of %s, generated from its WIT.", u.name, i.module)
	if d := strings.TrimSpace(i.docs); d != "" {
		s += "\n\n" + d
	}
	return s
}

// guestWriter writes code that runs in a guest, over guest-sdk/go/cabi. In that code c is the *cabi.Call.
type guestWriter struct{ *emitter }

// goCore are the Go types that go:wasmimport and go:wasmexport take for core types.
var goCore = map[core]string{coreI32: "uint32", coreI64: "uint64", coreF32: "float32", coreF64: "float64"}

// funcName is the Go name of an imported function.
func (e *emitter) funcName(f *function) string {
	if e.unit.bare {
		return f.goName()
	}
	return e.unit.ifaceNames[f.iface] + f.goName()
}

// coreFunc writes the core signature of f with parameters named p0, p1 ...
func coreFunc(params, results []core) string {
	parts := make([]string, len(params))
	for i, c := range params {
		parts[i] = "p" + strconv.Itoa(i) + " " + goCore[c]
	}
	s := "(" + strings.Join(parts, ", ") + ")"
	if len(results) > 0 {
		s += " " + goCore[results[0]]
	}
	return s
}

// importFunc writes the import f and the function that apps call.
func (g *guestWriter) importFunc(f *function) {
	g.temps = 0
	name, receiver := f.goName(), ""
	imported := g.unit.ifaceNames[f.iface] + f.packageName()
	if f.kind == funcMethod {
		receiver = fmt.Sprintf("(self *%s) ", g.defName(f.resource))
	} else {
		name = g.unit.unique(g.funcName(f))
		imported = name
	}
	imported = g.unit.unique("wasmimport" + imported)
	params, results := f.signature(false)
	g.p("//go:wasmimport %s %s", f.iface.module, f.name)
	g.p("func %s%s\n", imported, coreFunc(params, results))
	g.doc(f.docs, name+" calls the import "+f.name+".")
	if r := f.result; r != nil && r.base().kind == kindResult {
		g.p("// The error is a *%s.", g.errorValue(r.base()))
	}
	g.p("func %s%s(%s)%s {", receiver, name, g.paramList(f), g.callerResults(f))
	body := g.capture(func() { g.importBody(f, imported) })
	if usesCall.MatchString(body) {
		g.p("c := %s.Begin()", g.rt())
	}
	g.p("%s}\n", body)
}

// callerResults are the results of the function that apps call: a result<T, E> is (T, error).
func (g *guestWriter) callerResults(f *function) string {
	if f.result == nil {
		return ""
	}
	r := f.result.base()
	switch {
	case r.kind != kindResult:
		return " (result " + g.goType(f.result) + ")"
	case r.ok == nil:
		return " (err error)"
	default:
		return fmt.Sprintf(" (result %s, err error)", g.goType(r.ok))
	}
}

// importBody lowers the parameters, calls and lifts the result.
func (g *guestWriter) importBody(f *function, imported string) {
	args := g.lowerParams(f)
	if f.resultInMemory() {
		g.p("ret := c.Area(%d)", f.result.size)
		args = append(args, "ret")
	}
	call := fmt.Sprintf("%s(%s)", imported, strings.Join(args, ", "))
	flat := f.result != nil && !f.resultInMemory()
	if flat {
		call = "ret := " + call
	}
	// Only a host that allocates, for a result, needs to know the call.
	if f.resultInMemory() {
		g.p("c.Enter()\n%s\nc.Leave()", call)
	} else {
		g.p("%s.Wait()\n%s", g.rt(), call)
	}
	if f.result != nil {
		g.liftResult(f)
	}
	if f.resultInMemory() || f.paramsInMemory() || hasPointer(f.paramTuple()) {
		g.p("c.End()")
	}
	if f.result == nil {
		return
	}
	switch r := f.result.base(); {
	case r.kind != kindResult:
		g.p("return result")
	case r.ok == nil:
		g.p("return err")
	default:
		g.p("return result, err")
	}
}

// lowerParams gives the core arguments, in variables, after the statements that compute them.
func (g *guestWriter) lowerParams(f *function) []string {
	names := goParams(f)
	if f.paramsInMemory() {
		t := f.paramTuple()
		g.p("params := c.Alloc(%d)", t.size)
		for i, off := range offsets(f.params) {
			g.memLower(f.params[i].typ, "params", off, names[i])
		}
		return []string{"params"}
	}
	var args []string
	for i, p := range f.params {
		for _, x := range g.flatLower(p.typ, names[i]) {
			v := g.temp()
			g.p("%s := %s", v, x)
			args = append(args, v)
		}
	}
	return args
}

// liftResult lifts ret, a core value or an address, into result and err.
func (g *guestWriter) liftResult(f *function) {
	r := f.result.base()
	switch {
	case r.kind != kindResult && f.resultInMemory():
		g.p("result = %s", g.memLift(f.result, "ret", 0))
		return
	case r.kind != kindResult:
		g.p("result = %s", g.flatLift(f.result, []string{"ret"}))
		return
	case !f.resultInMemory():
		g.p("if ret != 0 {\nerr = &%s{}\n}", g.errorValue(r))
		return
	}
	off := r.payloadOffset()
	g.p("if %s.U8(ret) != 0 {", g.rt())
	switch {
	case r.err == nil:
		g.p("err = &%s{}", g.errorValue(r))
	case r.err.errorType():
		v := g.temp()
		g.p("%s := %s\nerr = &%s", v, g.memLift(r.err, "ret", off), v)
	default:
		g.p("err = &%s{Value: %s}", g.errorValue(r), g.memLift(r.err, "ret", off))
	}
	if r.ok != nil {
		g.p("} else {\nresult = %s", g.memLift(r.ok, "ret", off))
	}
	g.p("}")
}

// exportSide writes the variable with the functions that an app gives, into the file of types, and the exports.
func (g *guestWriter) exportSide(types *emitter, i *iface, funcs []*function) {
	name := "Exports"
	if !g.unit.bare {
		name = g.unit.ifaceNames[i] + name
	}
	name = g.unit.unique(name)
	if fs := selectFuncs(funcs, func(f *function) bool { return f.kind != funcMethod }); len(fs) > 0 {
		types.p("// %s are the functions that the host calls: importing this package exports them. An app sets all of them in an", name)
		types.p("// init function, since main does not run in a module that only exports.")
		types.p("var %s struct {", name)
		for _, f := range fs {
			types.doc(f.docs, "")
			types.p("%s func(%s)%s", f.goName(), types.declaredParams(f), types.implResults(f))
		}
		types.p("}\n")
	}
	for _, f := range funcs {
		g.exportFunc(f, name)
	}
}

// exportFunc writes one export: it lifts the parameters, calls the app's function and lowers its result.
func (g *guestWriter) exportFunc(f *function, exports string) {
	g.temps = 0
	name := g.unit.unique("wasmexport" + g.unit.ifaceNames[f.iface] + f.packageName())
	params, results := f.signature(true)
	g.p("//go:wasmexport %s", f.exportName())
	g.p("func %s%s {", name, coreFunc(params, results))
	if f.kind != funcMethod {
		g.p("if %s.%s == nil {", exports, f.goName())
		g.p("panic(%q)\n}", f.exportName()+": "+g.unit.name+"."+exports+"."+f.goName()+" is not set")
	}
	g.p("c := %s.Accept()", g.rt())
	args := g.liftParams(f, params)
	g.p("c.Lifted()")
	all := args
	if f.kind == funcMethod {
		exports, args = args[0], args[1:]
	}
	g.callImpl(f, fmt.Sprintf("%s.%s(%s)", exports, f.goName(), strings.Join(args, ", ")), func() {
		for i, p := range f.params {
			g.dropLent(p.typ, all[i])
		}
	})
	g.p("}\n")
	if f.ownsMemory() {
		g.p("//go:wasmexport cabi_post_%s", f.exportName())
		g.p("func %sPost(uint32) { %s.PostReturn() }\n", name, g.rt())
	}
}

// liftParams gives the Go arguments, in variables.
func (g *guestWriter) liftParams(f *function, params []core) []string {
	var args []string
	take := func(x string) {
		v := g.temp()
		g.p("%s := %s", v, x)
		args = append(args, v)
	}
	if f.paramsInMemory() {
		for i, off := range offsets(f.params) {
			take(g.memLift(f.params[i].typ, "p0", off))
		}
		return args
	}
	names := make([]string, len(params))
	for i := range names {
		names[i] = "p" + strconv.Itoa(i)
	}
	for _, p := range f.params {
		take(g.flatLift(p.typ, names[:len(p.typ.flat)]))
		names = names[len(p.typ.flat):]
	}
	return args
}

// callImpl calls the app's function, has after write what follows, lowers what the function gives and returns it to
// the host.
func (g *guestWriter) callImpl(f *function, call string, after func()) {
	if f.result == nil {
		g.p("%s", call)
		after()
		g.p("c.End()")
		return
	}
	r := f.result.base()
	if r.kind != kindResult {
		g.p("result := %s", call)
		after()
		if !f.resultInMemory() {
			x := g.flatLower(f.result, "result")
			g.p("c.End()\nreturn %s", x[0])
			return
		}
		g.p("ret := c.Area(%d)", r.size)
		g.memLower(f.result, "ret", 0, "result")
		g.p("c.Return()\nreturn ret")
		return
	}
	g.callFallible(f, r, call, after)
}

// callFallible is callImpl for a function whose result is r, a result<T, E>.
func (g *guestWriter) callFallible(f *function, r *typ, call string, after func()) {
	failed := "err != nil"
	switch {
	case r.ok == nil && r.err == nil:
		g.p("ok := %s", call)
		failed = "!ok"
	case r.ok == nil:
		g.p("err := %s", call)
	case r.err == nil:
		g.p("result, ok := %s", call)
		failed = "!ok"
	default:
		g.p("result, err := %s", call)
	}
	after()
	if !f.resultInMemory() {
		g.p("c.End()\nreturn %s.Bool(%s)", g.rt(), failed)
		return
	}
	g.p("ret := c.Area(%d)", r.size)
	g.p("if %s {\n%s.PutU8(ret, 1)", failed, g.rt())
	if r.err != nil {
		g.memLower(r.err, "ret", r.payloadOffset(), "(*err)")
	}
	g.p("} else {\n%s.PutU8(ret, 0)", g.rt())
	if r.ok != nil {
		g.memLower(r.ok, "ret", r.payloadOffset(), "result")
	}
	g.p("}\nc.Return()\nreturn ret")
}
