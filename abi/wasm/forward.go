package wasm

// skipForwarders makes calls of functions that only call another one with the same arguments go there at once, and
// counts them. The functions stay: a table or an export may name them.
func (m *Module) skipForwarders() (skipped int) {
	imports := uint32(m.imported(KindFunc))
	to := m.forwarders(imports)
	if to == nil {
		return 0
	}
	for i := range m.Funcs {
		m.Funcs[i].Code = rewriteCode(m.Funcs[i].Code, func(e *editor, in *instr) {
			if in.op != opCall || in.a < imports || to[in.a-imports] == in.a {
				return
			}
			e.instead(in)
			e.out = appendIndexed(e.out, opCall, to[in.a-imports])
			skipped++
		})
	}
	if skipped > 0 {
		m.codeChanged()
	}
	return skipped
}

// forwarders gives for each defined function the one that is called in its place: itself, or where it forwards to in
// the end. It is nil if all are themselves.
func (m *Module) forwarders(imports uint32) []uint32 {
	types, canonical := m.funcTypes(), m.canonicalTypes()
	to := make([]uint32, len(m.Funcs))
	found := false
	for i := range m.Funcs {
		fn := imports + uint32(i)
		target, ok := forwardsTo(m.Funcs[i].Code, len(m.Types[types[fn]].Params))
		if ok = ok && canonical[types[fn]] == canonical[types[target]]; !ok {
			target = fn
		}
		to[i] = target
		found = found || ok
	}
	if !found {
		return nil
	}
	walk := make([]uint32, len(to)) // on which walk a function was seen
	for i := range to {
		shorten(to, walk, imports, uint32(i))
	}
	return to
}

// forwardsTo gives the function that code calls if it does nothing but pass on its parameters.
func forwardsTo(code []byte, params int) (fn uint32, ok bool) {
	s := scan(code)
	var in instr
	for p := range params {
		if !s.next(&in) || in.op != opLocalGet || int(in.a) != p {
			return 0, false
		}
	}
	if !s.next(&in) || in.op != opCall {
		return 0, false
	}
	fn = in.a
	if s.next(&in) && in.op == opReturn {
		s.next(&in)
	}
	return fn, in.op == opEnd && in.end == len(code)
}

// shorten makes the functions on the way from one function point to the end of that way. A cycle of forwarders never
// returns: it is left as it is, since the calls in it are where fuel is charged.
func shorten(to, walk []uint32, imports, start uint32) {
	end := start + imports
	for end >= imports && to[end-imports] != end && walk[end-imports] == 0 {
		walk[end-imports] = start + 1
		end = to[end-imports]
	}
	cycle := false
	if end >= imports && to[end-imports] != end { // seen before: now, or on a walk that has been shortened
		cycle = walk[end-imports] == start+1
		end = to[end-imports]
	}
	for at := start + imports; at >= imports && walk[at-imports] == start+1; {
		next := to[at-imports]
		walk[at-imports] = ^uint32(0)
		to[at-imports] = end
		if cycle {
			to[at-imports] = at
		}
		at = next
	}
}
