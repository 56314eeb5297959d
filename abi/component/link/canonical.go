package link

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// canon adds what a canonical definition defines. What the specification has beyond these is async: each would be a
// case here that makes a trampoline of a kind of its own.
func (s *scope) canon(d *component.CanonDef) error {
	if s.b.typesOnly {
		return s.canonType(d)
	}
	switch d.Op {
	case component.CanonLift:
		return s.lift(d)
	case component.CanonLower:
		return s.lower(d)
	case component.CanonResourceNew:
		return s.resource(d, ResourceNew)
	case component.CanonResourceRep:
		return s.resource(d, ResourceRep)
	case component.CanonResourceDrop:
		if d.Async {
			return &Unsupported{"async resource.drop"}
		}
		return s.resource(d, ResourceDrop)
	default:
		return &Unsupported{opName(d.Op)}
	}
}

// canonType is canon if only types count.
func (s *scope) canonType(d *component.CanonDef) error {
	if d.Op != component.CanonLift {
		s.push(component.SortCoreFunc, CoreDef{})
		return nil
	}
	t, err := s.function(d.Type)
	if err == nil {
		s.push(component.SortFunc, &function{typ: t, lifted: &Lifted{Func: t.fn}})
	}
	return err
}

func (s *scope) lift(d *component.CanonDef) error {
	t, err := s.function(d.Type)
	if err != nil {
		return err
	}
	if t.err != nil {
		return t.err
	}
	core, err := lookup[CoreDef](s, component.SortCoreFunc, d.Func)
	if err != nil {
		return err
	}
	l := &Lifted{Core: core, Func: t.fn}
	if l.Options, err = s.options(d.Opts); err != nil {
		return err
	}
	if l.PostReturn, err = s.optionalFunc("post-return", d.Opts.PostReturn); err != nil {
		return err
	}
	s.push(component.SortFunc, &function{typ: t, lifted: l})
	return nil
}

func (s *scope) lower(d *component.CanonDef) error {
	f, err := lookup[*function](s, component.SortFunc, d.Func)
	if err != nil {
		return err
	}
	if f.typ.err != nil {
		return f.typ.err
	}
	t := Trampoline{Kind: CallLifted, Callee: f.lifted}
	if t.Options, err = s.options(d.Opts); err != nil {
		return err
	}
	if f.lifted == nil {
		t.Kind = CallImport
		if t.Import, err = s.b.hostFunc(f); err != nil {
			return err
		}
	}
	t.Params, t.Results = f.typ.fn.Signature(canon.Import)
	return s.trampoline(t)
}

func (s *scope) resource(d *component.CanonDef, kind TrampolineKind) error {
	rt, err := lookup[*typ](s, component.SortType, d.Type)
	if err != nil {
		return err
	}
	if rt.resource == nil {
		return fmt.Errorf("type %d: expected a resource type, found another", d.Type)
	}
	t := Trampoline{Kind: kind, Resource: rt.resource.index, Params: []abi.ValType{abi.I32}}
	if kind != ResourceDrop {
		t.Results = []abi.ValType{abi.I32}
		if s.b.plan.Resources[t.Resource].Component != s.component {
			return errors.New("expected a resource that the component itself defines, found another's")
		}
	}
	if t.Options, err = s.options(component.CanonOpts{Memory: -1, Realloc: -1, PostReturn: -1, Callback: -1}); err != nil {
		return err
	}
	return s.trampoline(t)
}

// trampoline adds a core function that the engine provides; equal ones are one.
func (s *scope) trampoline(t Trampoline) error {
	b := s.b
	key := trampolineKey{t.Kind, t.Options, t.Import, t.Resource, t.Callee}
	i, ok := b.trampline[key]
	if !ok {
		if i = len(b.plan.Trampolines); i == MaxTrampolines {
			return fmt.Errorf("expected at most %d lowered functions, found more", MaxTrampolines)
		}
		b.plan.Trampolines = append(b.plan.Trampolines, t)
		b.trampline[key] = i
	}
	s.push(component.SortCoreFunc, CoreDef{Sort: component.SortCoreFunc, Instance: -1, Trampoline: i})
	return nil
}

// options resolves canonical options to an index of Plan.Options.
func (s *scope) options(o component.CanonOpts) (int, error) {
	if o.Async || o.Callback >= 0 {
		return 0, &Unsupported{"the canonical option async"}
	}
	out := Options{Component: s.component}
	switch o.Encoding {
	case component.UTF8:
		out.Encoding = canon.UTF8
	case component.UTF16:
		out.Encoding = canon.UTF16
	case component.Latin1UTF16:
		out.Encoding = canon.Latin1UTF16
	default:
		return 0, fmt.Errorf("expected a string encoding, found %d", o.Encoding)
	}
	if o.Memory >= 0 {
		m, err := lookup[CoreDef](s, component.SortCoreMemory, uint32(o.Memory))
		if err != nil {
			return 0, fmt.Errorf("memory: %w", err)
		}
		out.Memory = &m
	}
	var err error
	if out.Realloc, err = s.optionalFunc("realloc", o.Realloc); err != nil {
		return 0, err
	}
	return s.b.addOptions(out), nil
}

func (b *builder) addOptions(o Options) int {
	key := optionsKey{component: o.Component, encoding: o.Encoding, hasMem: o.Memory != nil, hasRe: o.Realloc != nil}
	if o.Memory != nil {
		key.memory = *o.Memory
	}
	if o.Realloc != nil {
		key.realloc = *o.Realloc
	}
	i, ok := b.options[key]
	if !ok {
		i = len(b.plan.Options)
		b.plan.Options = append(b.plan.Options, o)
		b.options[key] = i
	}
	return i
}

// optionalFunc resolves the core function of an option; nil for -1.
func (s *scope) optionalFunc(option string, index int64) (*CoreDef, error) {
	if index < 0 {
		return nil, nil
	}
	f, err := lookup[CoreDef](s, component.SortCoreFunc, uint32(index))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return &f, nil
}

// hostFunc gives the index of Plan.Imports of a function of the host.
func (b *builder) hostFunc(f *function) (int, error) {
	imp := Import{Interface: f.imported.iface, Name: f.imported.name, Func: f.typ.fn, Type: f.typ.fn.Text()}
	key := importKey{imp.Interface, imp.Name, imp.Type}
	if i, ok := b.imports[key]; ok {
		return i, nil
	}
	if b.texts += len(imp.Type); b.texts > maxTexts {
		return 0, errors.New("expected imports and exports whose types are shorter, found more than 64 MiB of text")
	}
	b.imports[key] = len(b.plan.Imports)
	b.plan.Imports = append(b.plan.Imports, imp)
	return len(b.plan.Imports) - 1, nil
}
