package witgen

// resource writes what there is of resource d for the host: an interface to implement, with the identity, or a type
// with typed callers.
func (h *hostWriter) resource(d *def) {
	if h.plan.guestDefines(d) {
		h.guestResource(d)
		return
	}
	h.std("context")
	name, identity := h.defName(d), h.unit.resourceNames[d]
	h.doc(d.docs, "")
	if d.docs != "" {
		h.p("//")
	}
	h.p("// %s is what the host implements of the resource %s. A guest's table holds it by handles.", name, d.name)
	h.p("type %s interface {", name)
	for _, f := range d.iface.methods(d) {
		h.doc(f.docs, "")
		h.p("%s", h.method(f))
	}
	h.p("// Drop is called once, when the guest drops the resource or ends with it. It is not called for what the guest")
	h.p("// gives away, to a function of the host.")
	h.p("Drop(ctx context.Context)\n}\n")
	h.p("// %s is the identity of the resource %s in handle tables.", identity, d.name)
	h.p("var %s = &%s.Resource{", identity, h.rt())
	h.p("Name: %q,\nHost: true,", d.resourceName())
	h.p("Drop: func(ctx context.Context, rep canon.Rep) { rep.Obj.(%s).Drop(ctx) },\n}\n", name)
}

// dropFunc writes the list's element for the drop of d, and gives its name.
func (h *hostWriter) dropFunc(i *iface, d *def, module string) string {
	name := h.unit.unique("drop" + h.defName(d))
	own := &typ{kind: kindOwn, elem: d.typ}
	own.setLayout()
	f := &function{name: "[resource-drop]" + d.name, iface: i, params: []field{{name: "self", typ: own}}}
	h.p("{Module: %s, Name: %q, %s, Call: %s},", module, f.name, h.coreSignature(f, false), name)
	return name
}

// dropCall writes the import by which a guest drops d.
func (h *hostWriter) dropCall(name string, d *def) {
	h.p("func %s(ctx context.Context, g abi.Guest, stack []uint64) {", name)
	h.p("defer %s.Name(%q)", h.rt(), d.iface.module+"#[resource-drop]"+d.name)
	h.p("%s(g).Drop(ctx, %s, uint32(stack[0]))\n}\n", h.handlesOf(), h.resourceVar(d))
}

// guestResource writes the type of a resource that guests define.
func (h *hostWriter) guestResource(d *def) {
	h.std("context")
	name := h.defName(d)
	h.doc(d.docs, "")
	if d.docs != "" {
		h.p("//")
	}
	h.p("// %s is a resource %s of a guest. It is good as long as the guest is, and until it is dropped or given back to", name, d.name)
	h.p("// the guest. It is not safe for concurrent use.")
	h.callee()
	h.p("type %s struct{ value %s }\n", name, h.valueType())
	h.p("// Drop has the guest destroy the resource; a second time it does nothing. It fails with an *abi.Trap.")
	h.p("func (self *%s) Drop(ctx context.Context) (err error) {", name)
	h.p("defer %s.Catch(%q, &err)", h.rt(), d.iface.module+"#[dtor]"+d.name)
	h.p("self.value.drop(ctx)\nreturn nil\n}\n")
	for _, f := range d.iface.methods(d) {
		h.exportCall(f)
	}
}

// valueType is the type that the resources of guests have in common.
func (h *hostWriter) valueType() string {
	return h.once("guestValue", func(name string) {
		h.p("// %s is a resource that the guest g defines; res is nil when it is gone.", name)
		h.p("type %s struct {\ng abi.Guest\nres *canon.Resource\nrep canon.Rep\n}\n", name)
		h.p("func (v *%s) drop(ctx context.Context) {", name)
		h.p("res := v.res\nv.res = nil\nif res != nil && res.Drop != nil {\nres.Drop(ctx, v.rep)\n}\n}\n")
	})
}

// callee is the type that passes resources from and to who defines them.
func (h *hostWriter) callee() string {
	return h.once("callee", func(name string) {
		value := h.valueType()
		h.std(abiPath)
		h.p("// %s is the guest of a typed call: as it is called, and as the function sees it.", name)
		h.p("type %s struct {\ng abi.Guest\nside canon.Side\n}\n", name)
		h.p("func (x *%s) resource(iface, name string) *canon.Resource {", name)
		h.p("res := x.side.Resource(iface, name)")
		h.p("if res == nil {\nabi.Trapf(\"resource %%s of %%s: expected the guest to export it, found none\", name, iface)\n}")
		h.p("return res\n}\n")
		h.p("// take takes what the handle i owns out of the guest's table.")
		h.p("func (x *%s) take(iface, name string, i uint32) %s {", name, value)
		h.p("res := x.resource(iface, name)")
		h.p("return %s{g: x.g, res: res, rep: x.side.Handles().Take(res, i)}\n}\n", value)
		h.p("// give puts v into the guest's table, and v is gone.")
		h.p("func (x *%s) give(iface, name string, v *%s) uint32 {", name, value)
		h.p("x.lend(iface, name, v)")
		h.p("res := v.res\nv.res = nil\nreturn x.side.Handles().Add(res, v.rep)\n}\n")
		h.p("// lend gives the representation of v, by which its own guest knows it.")
		h.p("func (x *%s) lend(iface, name string, v *%s) uint32 {", name, value)
		h.p("if res := x.resource(iface, name); v.res != res || v.g != x.g {")
		h.p("abi.Trapf(\"resource %%s of %%s: expected one of the guest that is called, found one that is gone or another guest's\", name, iface)\n}")
		h.p("return v.rep.Num\n}\n")
	})
}

// calleeOf is the function that gives x.
func (h *hostWriter) calleeOf() string {
	callee := h.callee()
	return h.once("calleeOf", func(name string) {
		h.p("// %s gives the guest g, which the function sees as at.", name)
		h.p("func %s(g, at abi.Guest) *%s {", name, callee)
		h.p("side, ok := at.(canon.Side)")
		h.p("if !ok {\nabi.Trapf(\"resources: expected a guest with a handle table, found one without\")\n}")
		h.p("return &%s{g: g, side: side}\n}\n", callee)
	})
}
