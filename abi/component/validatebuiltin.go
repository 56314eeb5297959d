package component

import "fmt"

// canonCore validates a canonical definition other than lift, and gives the type of the core function that it makes.
func (v *validator) canonCore(s *scope, d *CanonDef) (*CoreFuncType, error) {
	switch d.Op {
	case CanonLower:
		return v.lower(s, d)
	case CanonResourceNew, CanonResourceRep, CanonResourceDrop:
		return v.resourceBuiltin(s, d)
	case CanonTaskReturn:
		return v.taskReturn(s, d)
	case CanonContextGet, CanonContextSet:
		return v.context(s, d)
	case CanonWaitableSetWait, CanonWaitableSetPoll:
		return signature(2, 1), s.options(CanonOpts{Memory: int64(d.Immediates[0]), Realloc: -1, PostReturn: -1, Callback: -1}, need{})
	case CanonErrorContextNew, CanonErrorContextDebugMessage:
		return v.errorContext(s, d)
	case CanonThreadNewIndirect, CanonThreadSpawnIndirect:
		return v.threadIndirect(s, d)
	case CanonThreadSpawnRef:
		return &CoreFuncType{Params: []CoreValType{coreNullable, coreI32}, Results: []CoreValType{coreI32}}, s.threadStart(d.Type)
	default:
		if kind, ok := elemKind(d.Op); ok {
			return v.elemBuiltin(s, d, kind)
		}
		return plainBuiltin(d.Op)
	}
}

// plainBuiltin gives the type of those that depend on nothing.
func plainBuiltin(op CanonOp) (*CoreFuncType, error) {
	switch op {
	case CanonBackpressureInc, CanonBackpressureDec, CanonTaskCancel:
		return signature(0, 0), nil
	case CanonWaitableSetNew, CanonThreadIndex, CanonThreadSuspend, CanonThreadYield, CanonThreadAvailableParallelism:
		return signature(0, 1), nil
	case CanonWaitableSetDrop, CanonSubtaskDrop, CanonThreadResumeLater, CanonErrorContextDrop:
		return signature(1, 0), nil
	case CanonSubtaskCancel, CanonThreadSuspendThenResume, CanonThreadYieldThenResume, CanonThreadSuspendThenPromote,
		CanonThreadYieldThenPromote:
		return signature(1, 1), nil
	case CanonWaitableJoin:
		return signature(2, 0), nil
	default:
		return nil, invalid("a canonical definition", "%s", op)
	}
}

func (v *validator) resourceBuiltin(s *scope, d *CanonDef) (*CoreFuncType, error) {
	r, err := s.resourceAt(d.Type)
	if err != nil {
		return nil, err
	}
	if d.Op == CanonResourceDrop {
		return signature(1, 0), nil
	}
	if _, local := s.local[r.id]; !local {
		return nil, invalid("a resource type that this component defines", "another one")
	}
	return signature(1, 1), nil
}

func (v *validator) taskReturn(s *scope, d *CanonDef) (*CoreFuncType, error) {
	if d.Opts.Realloc >= 0 || d.Opts.PostReturn >= 0 || d.Opts.Callback >= 0 || d.Opts.Async {
		return nil, invalid("no options but memory and string-encoding", "another one")
	}
	t, err := v.optional(s, d.Result)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return signature(0, 0), s.options(d.Opts, need{})
	}
	if t.borrows {
		return nil, invalid("a result without borrow", "a borrow in it")
	}
	params := t.flat
	if len(params) > maxFlat {
		params = []CoreValType{coreI32}
	}
	return &CoreFuncType{Params: params}, s.options(d.Opts, need{memory: t.pointers || len(t.flat) > maxFlat})
}

func (v *validator) context(s *scope, d *CanonDef) (*CoreFuncType, error) {
	t := CoreValType(d.Immediates[0])
	switch {
	case t != coreI32 && t != coreI64:
		return nil, invalid("a context of type i32 or i64", "%s", t)
	case s.contextType != 0 && s.contextType != t:
		return nil, invalid(fmt.Sprintf("contexts of type %s as before", s.contextType), "%s", t)
	case d.Immediates[1] > 1:
		return nil, invalid("context 0 or 1", "%d", d.Immediates[1])
	}
	s.contextType = t
	if d.Op == CanonContextGet {
		return &CoreFuncType{Results: []CoreValType{t}}, nil
	}
	return &CoreFuncType{Params: []CoreValType{t}}, nil
}

func (v *validator) errorContext(s *scope, d *CanonDef) (*CoreFuncType, error) {
	if d.Opts.Async || d.Opts.PostReturn >= 0 || d.Opts.Callback >= 0 {
		return nil, invalid("no async, post-return or callback", "one of them")
	}
	if d.Op == CanonErrorContextNew {
		return signature(2, 1), s.options(d.Opts, need{memory: true})
	}
	return signature(2, 0), s.options(d.Opts, need{memory: true, realloc: true})
}

// threadStart checks the type of a function that a thread begins with.
func (s *scope) threadStart(index uint32) error {
	t, err := at(s.coreTypes, index, SortCoreType)
	if err != nil {
		return err
	}
	if want := signature(1, 0); t.Func == nil || !t.Func.equal(want) {
		return invalid("the core function type "+want.String(), "another type at core type index %d", index)
	}
	return nil
}

func (v *validator) threadIndirect(s *scope, d *CanonDef) (*CoreFuncType, error) {
	if err := s.threadStart(d.Type); err != nil {
		return nil, err
	}
	table, err := at(s.coreOthers[SortCoreTable], d.Immediates[0], SortCoreTable)
	if err != nil {
		return nil, err
	}
	if table.Elem != 0x70 || table.Is64 {
		return nil, invalid("a table of funcref", "a table of %s", table.Elem)
	}
	return signature(2, 1), nil
}

// elemKind tells whether op is a built-in of streams or of futures.
func elemKind(op CanonOp) (ValueKind, bool) {
	switch {
	case op >= CanonStreamNew && op <= CanonStreamDropWritable:
		return KindStream, true
	case op >= CanonFutureNew && op <= CanonFutureDropWritable:
		return KindFuture, true
	default:
		return 0, false
	}
}

// elemBuiltin validates a built-in of streams or futures.
func (v *validator) elemBuiltin(s *scope, d *CanonDef, kind ValueKind) (*CoreFuncType, error) {
	any, err := s.typeAt(d.Type)
	if err != nil {
		return nil, err
	}
	t, ok := any.(*vType)
	if !ok || t.kind != kind {
		return nil, invalid("a "+kind.String()+" type", "%s at type index %d", describe(any), d.Type)
	}
	var n need
	pointers := t.elem != nil && t.elem.pointers
	switch d.Op {
	case CanonStreamNew, CanonFutureNew:
		return &CoreFuncType{Results: []CoreValType{coreI64}}, nil
	case CanonStreamDropReadable, CanonStreamDropWritable, CanonFutureDropReadable, CanonFutureDropWritable:
		return signature(1, 0), nil
	case CanonStreamRead, CanonFutureRead:
		n = need{memory: t.elem != nil, realloc: pointers}
	case CanonStreamWrite, CanonFutureWrite:
		n = need{memory: t.elem != nil}
	default: // cancel
		return signature(1, 1), nil
	}
	if d.Opts.PostReturn >= 0 || d.Opts.Callback >= 0 {
		return nil, invalid("no post-return or callback", "one of them")
	}
	params := 3
	if kind == KindFuture {
		params = 2
	}
	return signature(params, 1), s.options(d.Opts, n)
}
