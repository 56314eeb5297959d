package witgen

import (
	"fmt"
	"regexp"
	"strings"
)

// exportSide writes the typed callers of what a guest exports.
func (h *hostWriter) exportSide(i *iface, funcs []*function) {
	module := h.moduleConst(i)
	name := h.unit.ifaceNames[i]
	exports := h.unit.unique(name + "Exports")
	h.std(abiPath)
	h.doc(i.docs, "")
	if i.docs != "" {
		h.p("//")
	}
	h.p("// %s gives the core functions that a guest exports for it.", exports)
	h.p("func %s() []abi.Func {", exports)
	h.p("return []abi.Func{")
	for _, f := range funcs {
		m := module
		if i.world {
			m = `""`
		}
		h.p("{Module: %s, Name: %q, %s, Type: %q},", m, f.name, h.coreSignature(f, true), f.text())
	}
	for _, d := range i.resources() {
		h.p("{Module: %s, Name: %q, Params: []abi.ValType{abi.I32}},", module, "[dtor]"+d.name)
	}
	h.p("}\n}\n")
	for _, f := range funcs {
		if f.kind != funcMethod {
			h.exportCall(f)
		}
	}
}

// exportName is the core name of f as an export.
func (f *function) exportName() string {
	if f.iface.world {
		return f.name
	}
	return f.iface.module + "#" + f.name
}

// exportCall writes the typed caller of f.
func (h *hostWriter) exportCall(f *function) {
	h.temps = 0
	h.std("context")
	h.std(abiPath)
	h.doc(f.docs, "")
	if f.docs != "" {
		h.p("//")
	}
	if f.kind == funcMethod {
		h.p("// %s calls it in the guest. It fails with %s.", f.goName(), h.callErrors(f))
		h.p("func (self *%s) %s(%s) %s {", h.defName(f.resource), f.goName(), h.paramList(f, "ctx context.Context"), h.callResults(f))
	} else {
		name := h.unit.unique("Call" + h.unit.ifaceNames[f.iface] + f.goName())
		h.p("// %s calls it in g. It fails with %s.", name, h.callErrors(f))
		h.p("func %s(%s) %s {", name, h.paramList(f, "ctx context.Context", "g abi.Guest"), h.callResults(f))
	}
	h.p("const fn = %q", f.exportName())
	h.p("defer %s.Catch(fn, &err)", h.rt())
	if f.kind == funcMethod {
		h.p("g := self.value.g")
	}
	params, results := f.signature(true)
	h.p("var stack [%d]uint64", max(len(params), len(results)))
	body := h.capture(func() { h.exportBody(f) })
	if usesAt.MatchString(body) || usesCallee.MatchString(body) || usesHandles.MatchString(body) {
		h.p("at := %s.At(g, fn)", h.rt())
	}
	if usesHandles.MatchString(body) {
		h.p("hs := %s(at)", h.handlesOf())
	}
	if usesCallee.MatchString(body) {
		h.p("x := %s(g, at)", h.calleeOf())
	}
	h.p("%sreturn %s\n}\n", body, h.callReturn(f))
}

// What finds uses of the guest as the function sees it, and of the callee, in code.
var (
	usesAt     = regexp.MustCompile(`\bat\)`)
	usesCallee = regexp.MustCompile(`\bx[.,)]`)
)

// exportBody writes what lowers the parameters, calls f and lifts its result.
func (h *hostWriter) exportBody(f *function) {
	lends := f.paramTuple().anyHandle(h.hostBorrow)
	if lends {
		h.p("scope := new(%s.Scope)", h.rt())
	}
	h.lowerParams(f)
	h.p("if err = g.Call(ctx, fn, stack[:]); err != nil {\nreturn %s\n}", h.callReturn(f))
	if lends {
		h.p("scope.End()")
	}
	h.liftCallResult(f)
	if f.ownsMemory() {
		h.p("if g.Has(%q) {", "cabi_post_"+f.exportName())
		h.p("if post := g.Call(ctx, %q, stack[:]); post != nil {", "cabi_post_"+f.exportName())
		h.p("err = post\n}\n}")
	}
}

// callErrors says what a typed caller fails with.
func (h *hostWriter) callErrors(f *function) string {
	trap := "an *abi.Trap"
	if f.result == nil || f.result.base().kind != kindResult {
		return trap
	}
	return "a *" + h.errorValue(f.result.base()) + " or " + trap
}

// errorValue is the Go type whose pointer is the error of result type r for its callers.
func (e *emitter) errorValue(r *typ) string {
	if r.err != nil && r.err.errorType() {
		return e.goType(r.err)
	}
	return fmt.Sprintf("%s.Failure[%s]", e.rt(), e.goType(r.err))
}

// value is the type that a caller of f gets beside the error; nil for none.
func (f *function) value() *typ {
	if f.result == nil {
		return nil
	}
	if r := f.result.base(); r.kind == kindResult {
		return r.ok
	}
	return f.result
}

func (h *hostWriter) callResults(f *function) string {
	if v := f.value(); v != nil {
		return fmt.Sprintf("(result %s, err error)", h.goType(v))
	}
	return "(err error)"
}

func (h *hostWriter) callReturn(f *function) string {
	if f.value() != nil {
		return "result, err"
	}
	return "err"
}

// lowerParams puts f's parameters on the stack, or into memory if they are too many.
func (h *hostWriter) lowerParams(f *function) {
	names := goParams(f)
	params := f.paramTuple()
	if f.paramsInMemory() || hasPointer(params) {
		h.p("lower := canon.NewLower(ctx, at)\nw := &lower")
	}
	if f.paramsInMemory() {
		h.p("params := w.Alloc(%d, %d)", params.size, params.align)
		for i, off := range offsets(f.params) {
			h.memLower(f.params[i].typ, "params", off, names[i])
		}
		h.p("stack[0] = uint64(params)")
		return
	}
	slot := 0
	for i, p := range f.params {
		h.flatLower(p.typ, slot, names[i])
		slot += len(p.typ.flat)
	}
}

// hasPointer tells whether t holds strings or lists.
func hasPointer(t *typ) bool {
	if t == nil {
		return false
	}
	t = t.base()
	if t.kind == kindString || t.kind == kindList {
		return true
	}
	if hasPointer(t.ok) || hasPointer(t.err) || hasPointer(t.elem) {
		return true
	}
	for _, list := range [][]field{t.fields, t.cases} {
		for _, f := range list {
			if hasPointer(f.typ) {
				return true
			}
		}
	}
	return false
}

// liftCallResult lifts the result of a typed caller into result and err.
func (h *hostWriter) liftCallResult(f *function) {
	if f.result == nil {
		return
	}
	r := f.result.base()
	if r.kind != kindResult {
		body := h.capture(func() {
			if f.resultInMemory() {
				h.p("b := l.Area(uint32(stack[0]), %d, %d)", f.result.size, f.result.align)
				h.p("result = %s", h.memLift(f.result, 0))
			} else {
				h.p("result = %s", h.flatLift(f.result, 0))
			}
		})
		if usesLift.MatchString(body) {
			h.p("lift := canon.NewLift(at)\nl := &lift")
		}
		h.p("%s", strings.TrimSuffix(body, "\n"))
		return
	}
	if !f.resultInMemory() {
		h.p("if canon.Disc(%q, uint32(stack[0]), 2) == 1 {\nerr = &%s{}\n}", r.String(), h.errorValue(r))
		return
	}
	h.p("lift := canon.NewLift(at)\nl := &lift")
	h.p("b := l.Area(uint32(stack[0]), %d, %d)", r.size, r.align)
	h.p("if canon.Disc(%q, uint32(canon.U8(b, 0)), 2) == 1 {", r.String())
	switch off := r.payloadOffset(); {
	case r.err == nil:
		h.p("err = &%s{}", h.errorValue(r))
	case r.err.errorType():
		v := h.temp()
		h.p("%s := %s", v, h.memLift(r.err, off))
		h.p("err = &%s", v)
	default:
		h.p("err = &%s{Value: %s}", h.errorValue(r), h.memLift(r.err, off))
	}
	if r.ok != nil {
		h.p("} else {\nresult = %s", h.memLift(r.ok, r.payloadOffset()))
	}
	h.p("}")
}
