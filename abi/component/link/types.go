package link

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// typ is a type: one of val, fn, instance and resource is set, or none for a component's type, which nothing here
// looks into. A value or function type that cannot be had has err instead: it matters where it is used.
type typ struct {
	val      *canon.Type
	fn       *canon.Func
	err      error
	weight   int // an upper bound of the text's length, in bytes
	instance *component.InstanceType
	resource *resource
	// def is its definition and scope where that is; nil for a resource of the host.
	def   *component.TypeDef
	scope *scope
	// name is the name that an export or import gives to the type eq, iface the interface in which it has it.
	name, iface string
	eq          *typ
}

// named gives t under a name.
func (t *typ) named(iface, name string) *typ {
	n := *t
	n.iface, n.name, n.eq = iface, name, t
	return &n
}

// handleWeight is what the name of a resource is taken for: it may be known only later.
const handleWeight = 256

// defineType adds a type.
func (s *scope) defineType(d *component.TypeDef) error {
	t, err := s.resolve(d)
	if err != nil {
		return err
	}
	defined := *t // t may be shared: that of a primitive is
	defined.def, defined.scope = d, s
	s.push(component.SortType, &defined)
	return nil
}

// resolve resolves a type. Its error is one of the component; what cannot be represented is in typ.err.
func (s *scope) resolve(d *component.TypeDef) (*typ, error) {
	switch {
	case d.Value != nil:
		return s.valueType(d.Value)
	case d.Func != nil:
		return s.funcType(d.Func)
	case d.Instance != nil:
		return &typ{instance: d.Instance}, nil
	case d.Resource != nil:
		return s.defineResource(d.Resource)
	default:
		return &typ{}, nil
	}
}

// defineResource makes a resource type of the component instance.
func (s *scope) defineResource(d *component.ResourceType) (*typ, error) {
	if s.inType {
		return nil, errors.New("expected a resource type in a component, found it in a type")
	}
	r := Resource{Component: s.component, Type: &canon.Resource{}}
	if d.HasDtor && !s.b.typesOnly {
		def, err := lookup[CoreDef](s, component.SortCoreFunc, d.Dtor)
		if err != nil {
			return nil, fmt.Errorf("destructor: %w", err)
		}
		r.Dtor = &def
	}
	return s.b.addResource(r)
}

func (b *builder) addResource(r Resource) (*typ, error) {
	if len(b.plan.Resources) == MaxResources {
		return nil, fmt.Errorf("expected at most %d resource types, found more", MaxResources)
	}
	b.plan.Resources = append(b.plan.Resources, r)
	return &typ{resource: &resource{len(b.plan.Resources) - 1, r.Type}}, nil
}

// fits gives t, unless its text is too long.
func (t *typ) fits() *typ {
	if t.err == nil && t.weight > MaxTypeText {
		t.err = fmt.Errorf("expected a type of at most %d bytes of text, found a longer one", MaxTypeText)
	}
	return t
}

// member resolves a reference to a value type.
func (s *scope) member(v component.ValType) (*typ, error) {
	if !v.IsPrim {
		t, err := lookup[*typ](s, component.SortType, v.Index)
		if err == nil && t.val == nil && t.err == nil {
			err = fmt.Errorf("type %d: expected a value type, found another", v.Index)
		}
		return t, err
	}
	if int(v.Prim) < len(s.b.prims) {
		return s.b.prims[v.Prim], nil
	}
	return &typ{err: &Unsupported{kindName(v.Prim)}}, nil
}

// optional is member for a type that may be missing; then val is nil.
func (s *scope) optional(v *component.ValType) (*typ, error) {
	if v == nil {
		return &typ{weight: 1}, nil
	}
	return s.member(*v)
}

func kindName(k component.ValueKind) string {
	switch k {
	case component.KindErrorContext:
		return "the type error-context"
	case component.KindStream:
		return "the type stream"
	case component.KindFuture:
		return "the type future"
	default:
		return fmt.Sprintf("the kind of type %d", k)
	}
}

// valueType resolves a defined value type.
func (s *scope) valueType(v *component.ValueType) (*typ, error) {
	switch v.Kind {
	case component.KindOwn, component.KindBorrow:
		t, err := lookup[*typ](s, component.SortType, v.Resource)
		if err != nil {
			return nil, err
		}
		if t.resource == nil {
			return nil, fmt.Errorf("type %d: expected a resource type, found another", v.Resource)
		}
		if v.Kind == component.KindOwn {
			return &typ{val: canon.OwnOf(t.resource.id), weight: handleWeight}, nil
		}
		return &typ{val: canon.BorrowOf(t.resource.id), weight: handleWeight}, nil
	case component.KindStream, component.KindFuture, component.KindErrorContext:
		return &typ{err: &Unsupported{kindName(v.Kind)}}, nil
	case component.KindList, component.KindFixedList, component.KindOption, component.KindResult, component.KindMap:
		return s.wrapper(v)
	default:
		if int(v.Kind) < len(s.b.prims) {
			return s.b.prims[v.Kind], nil
		}
		return s.composite(v)
	}
}

// wrapper resolves a type of one or two types without names.
func (s *scope) wrapper(v *component.ValueType) (*typ, error) {
	first, err := s.optional(v.Elem)
	if err != nil {
		return nil, err
	}
	second, err := s.optional(v.Err)
	if err != nil {
		return nil, err
	}
	t := &typ{weight: 32 + first.weight + second.weight, err: first.err}
	if t.err == nil {
		t.err = second.err
	}
	if t.fits().err != nil {
		return t, nil
	}
	switch v.Kind {
	case component.KindList:
		t.val, t.err = canon.ListOf(first.val)
	case component.KindFixedList:
		t.val, t.err = canon.FixedListOf(first.val, v.Length)
	case component.KindOption:
		t.val, t.err = canon.OptionOf(first.val)
	case component.KindMap:
		t.val, t.err = canon.MapOf(first.val, second.val)
	default:
		t.val, t.err = canon.ResultOf(first.val, second.val)
	}
	return t, nil
}

// composite resolves a record, variant, tuple, flags or enum.
func (s *scope) composite(v *component.ValueType) (*typ, error) {
	fields, t, err := s.fields(v.Fields)
	if err != nil || t.fits().err != nil {
		return t, err
	}
	switch v.Kind {
	case component.KindRecord:
		t.val, t.err = canon.RecordOf(fields...)
	case component.KindVariant:
		t.val, t.err = canon.VariantOf(fields...)
	case component.KindTuple:
		types := make([]*canon.Type, len(fields))
		for i, f := range fields {
			types[i] = f.Type
		}
		t.val, t.err = canon.TupleOf(types...)
	case component.KindFlags:
		t.val, t.err = canon.FlagsOf(labels(fields)...)
	case component.KindEnum:
		t.val, t.err = canon.EnumOf(labels(fields)...)
	default:
		t.err = &Unsupported{kindName(v.Kind)}
	}
	return t, nil
}

// fields resolves members; t has their weight and the first of their errors.
func (s *scope) fields(from []component.Field) ([]canon.Field, *typ, error) {
	if err := s.b.step(len(from)); err != nil {
		return nil, nil, err
	}
	t := &typ{weight: 32}
	fields := make([]canon.Field, len(from))
	for i, f := range from {
		m, err := s.optional(f.Type)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", quote(f.Name), err)
		}
		if t.err == nil {
			t.err = m.err
		}
		t.weight = min(t.weight+len(f.Name)+4+m.weight, MaxTypeText+1)
		fields[i] = canon.Field{Name: f.Name, Type: m.val}
	}
	return fields, t, nil
}

func labels(fields []canon.Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}

// funcType resolves a function's type.
func (s *scope) funcType(f *component.FuncType) (*typ, error) {
	params, t, err := s.fields(f.Params)
	if err != nil {
		return nil, err
	}
	result, err := s.optional(f.Result)
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	t.weight += result.weight
	switch {
	case f.Async:
		t.err = &Unsupported{"an async function"}
	case t.err == nil:
		t.err = result.err
	}
	if t.fits().err != nil {
		return t, nil
	}
	t.fn, t.err = canon.NewFunc(params, result.val)
	return t, nil
}

// function gives a function type that is used.
func (s *scope) function(index uint32) (*typ, error) {
	t, err := lookup[*typ](s, component.SortType, index)
	if err == nil && t.fn == nil && t.err == nil {
		err = fmt.Errorf("type %d: expected a function type, found another", index)
	}
	return t, err
}
