package witgen

import (
	"fmt"
	"go/token"
	"regexp"
	"strings"
)

// The packages that generated code uses.
const (
	modulePath = "github.com/mrt-wasm/mrt-wasm"
	abiPath    = modulePath + "/abi"
	canonPath  = modulePath + "/abi/canon"
	cabiPath   = modulePath + "/guest-sdk/go/cabi"
)

// hostFile writes the host's glue of a unit.
func hostFile(p *plan, u *unit, name string) (File, error) {
	h := &hostWriter{newEmitter(p, u, canonPath)}
	h.writeResource = h.resource
	h.newValue = func(t string) string { return "canon.New[" + t + "](l)" }
	h.types()
	for _, i := range u.ifaces {
		if p.imports[i] && len(i.funcs)+len(i.resources()) > 0 {
			h.importSide(i)
		}
		if funcs := i.exported(); p.exports[i] && len(funcs) > 0 {
			h.exportSide(i, funcs)
		}
	}
	return h.file(name, u.sources(), u.doc("Package "+u.name+" is the host's side of "))
}

// exported are the functions that a guest exports for i.
func (i *iface) exported() []*function {
	if i.world {
		return i.exports
	}
	return i.funcs
}

// doc is the package comment of a unit.
func (u *unit) doc(start string) string {
	var docs []string
	for _, i := range u.ifaces {
		if d := strings.TrimSpace(i.pkg.docs); d != "" && (len(docs) == 0 || docs[len(docs)-1] != d) {
			docs = append(docs, d)
		}
	}
	s := start + u.sources() + ", generated from its WIT."
	if len(docs) > 0 {
		s += "\n\n" + strings.Join(docs, "\n\n")
	}
	return s
}

// hostWriter writes code that lifts from and lowers to the memory of a guest by abi/canon. In that code l is a
// *canon.Lift, w a *canon.Lower, g the abi.Guest and stack the core parameters and results.
type hostWriter struct{ *emitter }

// moduleConst writes the constant with the interface's module name, once.
func (h *hostWriter) moduleConst(i *iface) string {
	name := h.unit.ifaceNames[i] + "Module"
	if i.world {
		return fmt.Sprintf("%q", "$root")
	}
	if _, done := h.helpers["module "+i.module]; !done {
		h.helpers["module "+i.module] = h.unit.unique(name)
		h.p("// %s is the core module name of the interface %s.", h.helpers["module "+i.module], i.name)
		h.p("const %s = %q\n", h.helpers["module "+i.module], i.module)
	}
	return h.helpers["module "+i.module]
}

// importSide writes what the host implements and how it is linked.
func (h *hostWriter) importSide(i *iface) {
	module := h.moduleConst(i)
	name := h.unit.ifaceNames[i]
	host := h.hostInterface(i, name)
	fn := h.unit.unique(name + "Funcs")
	h.std("context")
	h.std(abiPath)
	if host != "" {
		h.p("// %s gives the core functions by which a guest calls h.", fn)
		h.p("func %s(h %s) []abi.Func {", fn, host)
	} else {
		h.doc(i.docs, "")
		if i.docs != "" {
			h.p("//")
		}
		h.p("// %s gives the core functions by which a guest uses the resources.", fn)
		h.p("func %s() []abi.Func {", fn)
	}
	h.p("return []abi.Func{")
	calls := make([]string, len(i.funcs))
	for k, f := range i.funcs {
		calls[k] = h.unit.unique(camel(i.name) + f.packageName())
		call := calls[k] + "(h)"
		if f.kind == funcMethod {
			call = calls[k]
		}
		h.p("{Module: %s, Name: %q, %s, Type: %q, Call: %s},", module, f.name, h.coreSignature(f, false), f.text(), call)
	}
	var drops []string
	for _, d := range i.resources() {
		drops = append(drops, h.dropFunc(i, d, module))
	}
	h.p("}\n}\n")
	for k, f := range i.funcs {
		h.importCall(calls[k], host, f)
	}
	for k, d := range i.resources() {
		h.dropCall(drops[k], d)
	}
}

// hostInterface writes the interface of what belongs to no value, and gives its name; "" if there is nothing.
func (h *hostWriter) hostInterface(i *iface, name string) string {
	funcs := i.functions()
	if len(funcs) == 0 {
		return ""
	}
	host := h.unit.unique(name + "Host")
	h.doc(i.docs, "")
	if i.docs != "" {
		h.p("//")
	}
	h.p("// %s is what the host implements of it. Methods find the calling instance by ctx. What they get is theirs to", host)
	h.p("// keep; what they return is copied.")
	h.p("type %s interface {", host)
	for _, f := range funcs {
		h.doc(f.docs, "")
		h.p("%s", h.method(f))
	}
	h.p("}\n")
	return host
}

// coreSignature writes the Params and Results of an abi.Func.
func (h *hostWriter) coreSignature(f *function, export bool) string {
	params, results := f.signature(export)
	return "Params: " + coreList(params) + ", Results: " + coreList(results)
}

func coreList(cs []core) string {
	if len(cs) == 0 {
		return "nil"
	}
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = "abi." + string(c)
	}
	return "[]abi.ValType{" + strings.Join(out, ", ") + "}"
}

// goParams are the Go names of f's parameters; a method's own resource is self.
func goParams(f *function) []string {
	taken := map[string]bool{}
	out := make([]string, len(f.params))
	for i, p := range f.params {
		if i == 0 && f.kind == funcMethod {
			out[i] = "self"
			continue
		}
		out[i] = paramName(p.name, taken)
		taken[out[i]] = true
	}
	return out
}

// paramList writes f's parameters with types, after the given ones.
func (e *emitter) paramList(f *function, first ...string) string {
	for i, name := range goParams(f) {
		if i > 0 || f.kind != funcMethod {
			first = append(first, name+" "+e.goType(f.params[i].typ))
		}
	}
	return strings.Join(first, ", ")
}

// method is the signature by which f is implemented.
func (h *hostWriter) method(f *function) string {
	h.std("context")
	return f.goName() + "(" + h.declaredParams(f, "ctx context.Context") + ")" + h.implResults(f)
}

// declaredParams is paramList where there is no body whose names parameters could shadow.
func (e *emitter) declaredParams(f *function, first ...string) string {
	taken := map[string]bool{"ctx": true}
	for _, p := range f.goParams() {
		name := camel(p.name)
		for token.IsKeyword(name) || taken[name] {
			name += "_"
		}
		taken[name] = true
		first = append(first, name+" "+e.goType(p.typ))
	}
	return strings.Join(first, ", ")
}

// implResults are the results of an implementation of f: a result<T, E> is (T, *E).
func (e *emitter) implResults(f *function) string {
	if f.result == nil {
		return ""
	}
	r := f.result.base()
	switch {
	case r.kind != kindResult:
		return " " + e.goType(f.result)
	case r.ok == nil && r.err == nil:
		return " (ok bool)"
	case r.ok == nil:
		return " *" + e.goType(r.err)
	case r.err == nil:
		return fmt.Sprintf(" (result %s, ok bool)", e.goType(r.ok))
	default:
		return fmt.Sprintf(" (%s, *%s)", e.goType(r.ok), e.goType(r.err))
	}
}

// importCall writes the function that lifts the parameters, calls the host and lowers its result.
func (h *hostWriter) importCall(name, host string, f *function) {
	h.temps = 0
	if f.kind == funcMethod {
		h.p("func %s(ctx context.Context, g abi.Guest, stack []uint64) {", name)
	} else {
		h.p("func %s(h %s) func(context.Context, abi.Guest, []uint64) {", name, host)
		h.p("return func(ctx context.Context, g abi.Guest, stack []uint64) {")
	}
	h.p("defer %s.Name(%q)", h.rt(), f.iface.module+"#"+f.name)
	body := h.capture(func() {
		if params, _ := f.signature(false); f.resultInMemory() {
			h.p("ret := uint32(stack[%d])", len(params)-1)
			h.p("l.Area(ret, %d, %d)", f.result.size, f.result.align)
		}
		args, receiver := h.liftParams(f), "h"
		if f.kind == funcMethod {
			receiver, args = args[0], args[1:]
		}
		h.lowerImplResult(f, receiver+"."+f.goName()+"("+strings.Join(append([]string{"ctx"}, args...), ", ")+")")
	})
	if usesLift.MatchString(body) {
		h.p("lift := canon.NewLift(g)\nl := &lift")
	}
	if usesHandles.MatchString(body) {
		h.p("hs := %s(g)", h.handlesOf())
	}
	if f.kind == funcMethod {
		h.p("%s}\n", body)
	} else {
		h.p("%s}\n}\n", body)
	}
}

// liftParams gives the expressions of f's parameters.
func (h *hostWriter) liftParams(f *function) []string {
	params := h.paramLifts(f)
	if f.paramTuple().anyHandle(isOwn) {
		return h.liftOwning(params)
	}
	out := make([]string, len(params))
	for i, p := range params {
		out[i] = p.lift()
	}
	return out
}

// paramLifts says how each of f's parameters is lifted.
func (h *hostWriter) paramLifts(f *function) []liftedParam {
	out := make([]liftedParam, len(f.params))
	if f.paramsInMemory() {
		t := f.paramTuple()
		h.p("b := l.Area(uint32(stack[0]), %d, %d)", t.size, t.align)
		for i, off := range offsets(f.params) {
			t := f.params[i].typ
			out[i] = liftedParam{index: i, typ: t, lift: func() string { return h.memLift(t, off) }, handle: h.handleAt(off)}
		}
		return out
	}
	slot := 0
	for i, p := range f.params {
		at := slot
		out[i] = liftedParam{index: i, typ: p.typ, lift: func() string { return h.flatLift(p.typ, at) }, handle: flatHandle(at)}
		slot += len(p.typ.flat)
	}
	return out
}

// handleAt gives the index of the handle at offset off of the view b, flatHandle of that in slot i of the stack.
func (h *hostWriter) handleAt(off uint32) string { return fmt.Sprintf("%s.U32(b, %d)", h.rt(), off) }

func flatHandle(i int) string { return fmt.Sprintf("uint32(stack[%d])", i) }

// lowerImplResult calls the implementation and lowers what it gives, to the return area ret or to the stack.
func (h *hostWriter) lowerImplResult(f *function, call string) {
	if f.result == nil {
		h.p("%s", call)
		return
	}
	r := f.result.base()
	if r.kind != kindResult {
		h.p("result := %s", call)
		if f.resultInMemory() {
			h.p("lower := canon.NewLower(ctx, g)\nw := &lower")
			h.memLower(f.result, "ret", 0, "result")
		} else {
			h.flatLower(f.result, 0, "result")
		}
		return
	}
	failed := "err != nil"
	switch {
	case r.ok == nil && r.err == nil:
		h.p("ok := %s", call)
		failed = "!ok"
	case r.ok == nil:
		h.p("err := %s", call)
	case r.err == nil:
		h.p("result, ok := %s", call)
		failed = "!ok"
	default:
		h.p("result, err := %s", call)
	}
	if !f.resultInMemory() {
		h.p("stack[0] = canon.BoolBits(%s)", failed)
		return
	}
	h.p("lower := canon.NewLower(ctx, g)\nw := &lower")
	off := r.payloadOffset()
	h.p("if %s {\nw.PutU8(ret, 1)", failed)
	if r.err != nil {
		h.memLower(r.err, "ret", off, "(*err)")
	}
	h.p("return\n}\nw.PutU8(ret, 0)")
	if r.ok != nil {
		h.memLower(r.ok, "ret", off, "result")
	}
}

// usesLift finds uses of l, the Lift, in code.
var usesLift = regexp.MustCompile(`\bl[.,)]`)
