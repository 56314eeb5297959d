package component

import "fmt"

const (
	maxFlatResults     = 1
	maxFlatAsyncParams = 4
)

// canon validates a canonical definition and adds the function that it makes.
func (v *validator) canon(s *scope, d *CanonDef) error {
	if d.Op == CanonLift {
		f, err := v.lift(s, d)
		s.funcs = append(s.funcs, f)
		return err
	}
	f, err := v.canonCore(s, d)
	s.coreFuncs = append(s.coreFuncs, f)
	return err
}

// need says what a definition must have among its options.
type need struct{ memory, realloc bool }

// options checks options against the core functions and memories.
func (s *scope) options(o CanonOpts, n need) error {
	if o.Memory >= 0 {
		m, err := at(s.coreOthers[SortCoreMemory], uint32(o.Memory), SortCoreMemory)
		if err != nil {
			return err
		}
		if m.Is64 || m.Shared {
			return invalid("a memory that is neither shared nor 64-bit", "a memory of %s", m.limits())
		}
	}
	if err := s.optionFunc("realloc", o.Realloc, 4, 1); err != nil {
		return err
	}
	if err := s.optionFunc("callback", o.Callback, 3, 1); err != nil {
		return err
	}
	switch {
	case o.Realloc >= 0 && o.Memory < 0:
		return invalid("the option memory with realloc", "none")
	case n.memory && o.Memory < 0:
		return invalid("the option memory, which the values' types need", "none")
	case n.realloc && o.Realloc < 0:
		return invalid("the option realloc, which the values' types need", "none")
	case o.Async && o.PostReturn >= 0:
		return invalid("async or post-return", "both")
	case o.Callback >= 0 && !o.Async:
		return invalid("callback with async", "callback without it")
	}
	return nil
}

// optionFunc checks the signature of an option's function, all of it i32.
func (s *scope) optionFunc(name string, index int64, params, results int) error {
	if index < 0 {
		return nil
	}
	f, err := s.coreFuncAt(index)
	if err != nil {
		return within(name, err)
	}
	if want := signature(params, results); !f.equal(want) {
		return within(name, invalid(want.String(), "%s", f))
	}
	return nil
}

// signature gives a core function type of i32s.
func signature(params, results int) *CoreFuncType {
	t := &CoreFuncType{Params: make([]CoreValType, params), Results: make([]CoreValType, results)}
	for i := range t.Params {
		t.Params[i] = coreI32
	}
	for i := range t.Results {
		t.Results[i] = coreI32
	}
	return t
}

// lift checks that a core function may be lifted to the type, and gives that.
func (v *validator) lift(s *scope, d *CanonDef) (*fnType, error) {
	f, err := s.coreFuncAt(int64(d.Func))
	if err != nil {
		return nil, err
	}
	t, err := s.funcTypeAt(d.Type)
	if err != nil {
		return nil, err
	}
	if d.Opts.Async && !t.async {
		return nil, invalid("the option async with an async function type only", "it with another")
	}
	params, results := t.flat()
	var n need
	n.realloc = anyPointers(t.params) || len(params) > maxFlat
	n.memory = n.realloc
	if t.result != nil {
		n.memory = n.memory || t.result.pointers || !d.Opts.Async && len(results) > maxFlatResults || len(results) > maxFlat
	}
	if err := s.options(d.Opts, n); err != nil {
		return nil, err
	}
	want := liftedSignature(d.Opts, params, results)
	if !f.equal(want) {
		return nil, invalid(fmt.Sprintf("a core function %s", want), "%s", f)
	}
	if d.Opts.PostReturn < 0 {
		return t, nil
	}
	post, err := s.coreFuncAt(d.Opts.PostReturn)
	if err != nil {
		return nil, within("post-return", err)
	}
	if want := (&CoreFuncType{Params: want.Results}); !post.equal(want) {
		return nil, within("post-return", invalid(want.String(), "%s", post))
	}
	return t, nil
}

func liftedSignature(o CanonOpts, params, results []CoreValType) *CoreFuncType {
	t := &CoreFuncType{Params: params, Results: results}
	if len(params) > maxFlat {
		t.Params = []CoreValType{coreI32}
	}
	switch {
	case o.Async && o.Callback >= 0:
		t.Results = []CoreValType{coreI32}
	case o.Async:
		t.Results = nil
	case len(results) > maxFlatResults:
		t.Results = []CoreValType{coreI32}
	}
	return t
}

// flat gives the core values of the parameters and of the result, cut off after one more than maxFlat.
func (t *fnType) flat() (params, results []CoreValType) {
	for _, p := range t.params {
		params = appendFlat(params, p.t.flat)
	}
	if t.result != nil {
		results = t.result.flat
	}
	return params, results
}

func anyPointers(params []vField) bool {
	for _, p := range params {
		if p.t.pointers {
			return true
		}
	}
	return false
}

// lower checks that a function may be lowered, and gives the core function's type.
func (v *validator) lower(s *scope, d *CanonDef) (*CoreFuncType, error) {
	t, err := at(s.funcs, d.Func, SortFunc)
	if err != nil {
		return nil, err
	}
	o := d.Opts
	switch {
	case o.Async && !t.async:
		return nil, invalid("the option async with an async function type only", "it with another")
	case o.PostReturn >= 0 || o.Callback >= 0:
		return nil, invalid("post-return and callback with lift only", "one of them")
	}
	most, mostResults := maxFlat, maxFlatResults
	if o.Async {
		most, mostResults = maxFlatAsyncParams, 0
	}
	params, results := t.flat()
	n := need{memory: anyPointers(t.params) || len(params) > most || len(results) > mostResults}
	if t.result != nil && t.result.pointers {
		n.memory, n.realloc = true, true
	}
	if err := s.options(o, n); err != nil {
		return nil, err
	}
	return loweredSignature(o, params, results, most, mostResults), nil
}

func loweredSignature(o CanonOpts, params, results []CoreValType, most, mostResults int) *CoreFuncType {
	t := &CoreFuncType{Params: params, Results: results}
	if len(params) > most {
		t.Params = []CoreValType{coreI32}
	}
	if len(results) > mostResults {
		t.Params, t.Results = append(append([]CoreValType(nil), t.Params...), coreI32), nil
	}
	if o.Async {
		t.Results = []CoreValType{coreI32}
	}
	return t
}
