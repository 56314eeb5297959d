package witgen

import (
	"fmt"
	"regexp"
	"slices"
)

// In code that a hostWriter writes, hs is the *canon.Handles of the instance, x the *callee of a typed call that passes
// resources of the guest, and scope the *canon.Scope of one that lends resources of the host.

// usesHandles finds uses of hs in code.
var usesHandles = regexp.MustCompile(`\bhs[.,)]`)

// hostHandle tells whether t is a handle of a resource that the host defines.
func (h *hostWriter) hostHandle(t *typ) bool { return !h.plan.guestDefines(t.resource()) }

// guestHandle tells whether t is a handle of a resource that the guest defines.
func (h *hostWriter) guestHandle(t *typ) bool { return h.plan.guestDefines(t.resource()) }

// hostBorrow tells whether t is a handle that the host lends.
func (h *hostWriter) hostBorrow(t *typ) bool { return t.kind == kindBorrow && h.hostHandle(t) }

// extra gives what the function that lifts or lowers t needs besides: arguments and parameters, each after a comma.
func (h *hostWriter) extra(t *typ, lower bool) (args, params string) {
	if t.anyHandle(h.hostHandle) {
		args, params = ", hs", ", hs *"+h.rt()+".Handles"
	}
	if t.anyHandle(h.guestHandle) {
		args, params = args+", x", params+", x *"+h.callee()
	}
	if lower && t.anyHandle(h.hostBorrow) {
		args, params = args+", scope", params+", scope *"+h.rt()+".Scope"
	}
	return args, params
}

// resourceVar is the variable with the identity of resource d of the host.
func (h *hostWriter) resourceVar(d *def) string {
	return h.qualify(d, h.plan.of[d.iface].resourceNames[d])
}

// liftHandle gives the expression of the handle t with the index.
func (h *hostWriter) liftHandle(t *typ, index string) string {
	d := t.resource()
	switch {
	case h.guestHandle(t):
		return fmt.Sprintf("&%s{x.take(%q, %q, %s)}", h.defName(d), d.iface.module, d.name, index)
	case t.kind == kindOwn:
		return h.hostObject("Take", t, index)
	default:
		return h.hostObject("Get", t, index)
	}
}

// hostObject gives the host's value for a handle.
func (h *hostWriter) hostObject(method string, t *typ, index string) string {
	d := t.resource()
	return fmt.Sprintf("hs.%s(%s, %s).Obj.(%s)", method, h.resourceVar(d), index, h.defName(d))
}

// lowerHandle gives the index of a new handle t of v; of what is lent to who defines it, the representation.
func (h *hostWriter) lowerHandle(t *typ, v string) string {
	d := t.resource()
	switch {
	case h.guestHandle(t) && t.kind == kindOwn:
		return fmt.Sprintf("x.give(%q, %q, &%s.value)", d.iface.module, d.name, v)
	case h.guestHandle(t):
		return fmt.Sprintf("x.lend(%q, %q, &%s.value)", d.iface.module, d.name, v)
	case t.kind == kindOwn:
		return fmt.Sprintf("hs.Add(%s, %s.Rep{Obj: %s})", h.resourceVar(d), h.rt(), v)
	default:
		return fmt.Sprintf("hs.Borrow(%s, %s.Rep{Obj: %s}, scope)", h.resourceVar(d), h.rt(), v)
	}
}

// once writes a declaration of the unit after all else, once, and gives its name.
func (h *hostWriter) once(name string, write func(name string)) string {
	key := "once " + name
	if have, ok := h.helpers[key]; ok {
		return have
	}
	unique := h.unit.unique(name)
	h.helpers[key] = unique
	h.queue = append(h.queue, func() { write(unique) })
	return unique
}

// handlesOf is the function that gives hs.
func (h *hostWriter) handlesOf() string { return h.rt() + ".HandlesOf" }

// liftedParam is one parameter of an import with handles.
type liftedParam struct {
	index int
	// rank is the turn in which it is lifted.
	rank int
	typ  *typ
	// lift gives the expression; handle is that of the index if it is one.
	lift   func() string
	handle string
}

// liftOwning gives the expressions of parameters some of which pass to the host. What may trap comes first, so that
// nothing is lost that was taken out of the guest's table: values and loans, then owned handles, then compounds of such.
func (h *hostWriter) liftOwning(params []liftedParam) []string {
	for i := range params {
		switch p := &params[i]; {
		case !p.typ.anyHandle(isOwn):
		case p.typ.isHandle():
			p.rank = 1
		default:
			p.rank = 2
		}
	}
	out := make([]string, len(params))
	order := slices.Clone(params)
	slices.SortStableFunc(order, func(a, b liftedParam) int { return a.rank - b.rank })
	var lent []string
	guarded := false
	for i, p := range order {
		var expr string
		if h.lentAndOwned(p, params) {
			expr = h.hostObject("Lend", p.typ.base(), p.handle)
			lent = append(lent, p.handle)
		} else {
			expr = p.lift()
		}
		v := h.temp()
		h.p("%s := %s", v, expr)
		out[p.index] = v
		if p.rank == 1 && i < len(order)-1 {
			if !guarded {
				h.p("lifted := false")
				guarded = true
			}
			h.p("defer func() {\nif !lifted {\n%s.Drop(ctx)\n}\n}()", v)
		}
	}
	if guarded {
		h.p("lifted = true")
	}
	for _, index := range lent {
		h.p("hs.Return(%s)", index)
	}
	return out
}

func isOwn(t *typ) bool { return t.kind == kindOwn }

// lentAndOwned tells whether p lends a resource that another parameter may give away: a trap if it is the same one.
func (h *hostWriter) lentAndOwned(p liftedParam, params []liftedParam) bool {
	if p.typ.base().kind != kindBorrow {
		return false
	}
	return slices.ContainsFunc(params, func(o liftedParam) bool {
		return o.typ.anyHandle(func(t *typ) bool { return isOwn(t) && t.resource() == p.typ.resource() })
	})
}
