package component

// custom reads a custom section. What is wrong in the two that are known does not matter: they are for messages only.
func custom(r *reader, c *Component) {
	name := r.name()
	if r.failed() {
		return
	}
	// The section gets a quota of its own, so that its failures are its own.
	s := &reader{b: r.b[r.pos:], base: r.base + r.pos, q: &quota{
		nameBytes: r.q.nameBytes, debugNames: r.q.debugNames,
	}}
	switch name {
	case "component-name":
		c.Names = debugNames(s, c.Names)
	case "producers":
		c.Producers = append(c.Producers, producers(s)...)
	}
	r.q.nameBytes, r.q.debugNames = min(s.q.nameBytes, MaxNameBytes), s.q.debugNames
}

// debugName reads one name of the two sections.
func debugName(r *reader) string {
	if r.q.debugNames++; r.q.debugNames > MaxDebugNames {
		r.failAt(r.pos, "fewer names", "more")
	}
	return r.name()
}

func debugNames(r *reader, n *Names) *Names {
	if n == nil {
		n = &Names{ByRef: map[Ref]string{}}
	}
	for r.left() > 0 && !r.failed() {
		id := r.byte()
		s := r.sub(r.u32(), "names")
		switch id {
		case 0:
			if name := debugName(s); !s.failed() {
				n.Component = name
			}
		case 1:
			of := sort(s)
			for range s.count(MaxDebugNames, "names") {
				ref := Ref{Sort: of, Index: s.u32()}
				name := debugName(s)
				if s.failed() {
					break
				}
				n.ByRef[ref] = name
			}
		}
	}
	return n
}

func producers(r *reader) []Producer {
	var out []Producer
	for range r.count(MaxDebugNames, "fields") {
		field := debugName(r)
		for range r.count(MaxDebugNames, "values") {
			p := Producer{Field: field, Name: debugName(r), Version: debugName(r)}
			if r.failed() {
				return out
			}
			out = append(out, p)
		}
	}
	return out
}
