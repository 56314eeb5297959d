package component

import (
	"errors"
	"fmt"
)

// Parse decodes a component and validates it. Errors are of type [*Error].
func Parse(b []byte) (*Component, error) {
	c, err := Decode(b)
	if err != nil {
		return nil, err
	}
	if err := Validate(c); err != nil {
		return nil, err
	}
	return c, nil
}

// Validate checks a decoded component against the whole of the specification. Of core modules it checks declarations
// and the operand types of code; segments, constant expressions, alignments, the start function and what goes
// beyond WebAssembly 2.0 are left to the engine that compiles them. It takes time and memory in proportion to the component's size
// plus at most MaxWork steps. Errors are of type [*Error].
func Validate(c *Component) error {
	v := &validator{modules: map[*CoreModuleType]*modType{}, matched: map[compared]struct{}{}}
	for k := range v.primitives {
		b := &vBody{kind: ValueKind(k), facts: facts{depth: 1}, nodes: 1}
		b.layout()
		v.primitives[k] = &vType{vBody: b}
	}
	_, err := v.component(c, nil)
	return err
}

// validator is what validating one file needs throughout.
type validator struct {
	work       int
	primitives [KindErrorContext + 1]*vType
	modules    map[*CoreModuleType]*modType // the types that have been looked into
	matched    map[compared]struct{}        // the pairs of types that match
}

// step counts work.
func (v *validator) step(n int) error {
	if v.work += n; v.work > MaxWork {
		return invalid(fmt.Sprintf("a component whose types are compared in at most %d steps", MaxWork), "one that takes more")
	}
	return nil
}

// scopeKind is what a scope belongs to.
type scopeKind uint8

const (
	inComponent scopeKind = iota
	inComponentType
	inInstanceType
)

// scope has the index spaces of a component, component type or instance type.
type scope struct {
	kind  scopeKind
	outer *scope
	depth int

	coreFuncs     []*CoreFuncType
	coreOthers    [SortCoreTag + 1][]CoreExternType // tables, memories, globals and tags, by sort
	coreTypes     []*CoreTypeDef
	modules       []*modType
	coreInstances []map[string]CoreExternType
	funcs         []*fnType
	types         []anyType
	components    []*compType
	instances     []*instType

	imports, exports side
	// imported and defined are as in compType; local are the resource types that the component itself defines.
	imported, defined []*resourceID
	local             map[*resourceID]struct{}
	contextType       CoreValType // of context.get and context.set, 0 before the first
}

// side is what a scope imports or exports.
type side struct {
	externs
	keys      map[string]string    // the names by what must be unique of them
	resources map[string]*resource // the resources by their label
	labels    map[*resource]string // and back
	names     names                // the types that may be used
}

// component validates a component and gives its type.
func (v *validator) component(c *Component, outer *scope) (*compType, error) {
	s, err := newScope(inComponent, outer)
	if err != nil {
		return nil, err
	}
	for i, d := range c.Defs {
		if err := v.def(s, d); err != nil {
			offset := int(c.Offset)
			if i < len(c.Offsets) {
				offset = int(c.Offsets[i])
			}
			return nil, placed(err, offset, d)
		}
	}
	t, err := v.finish(s)
	if err != nil {
		return nil, placed(err, int(c.Offset), nil)
	}
	return t, nil
}

// placed puts the place of a definition into an error that has none.
func placed(err error, offset int, d Def) error {
	var e *Error
	if !errors.As(err, &e) || e.Offset != 0 {
		return err
	}
	out := *e
	out.Offset = offset
	if what := defName(d); what != "" {
		return within(what, &out)
	}
	return &out
}

// defName says which definition it is.
func defName(d Def) string {
	switch d := d.(type) {
	case *ImportDef:
		return fmt.Sprintf("import %.100q", d.Name.Name)
	case *ExportDef:
		return fmt.Sprintf("export %.100q", d.Name.Name)
	case *ExportDecl:
		return fmt.Sprintf("export %.100q", d.Name.Name)
	case *CanonDef:
		return "canon " + d.Op.String()
	case *CoreModuleDef:
		return "core module"
	case *CoreInstanceDef:
		return "core instance"
	case *InstanceDef:
		return "instance"
	case *AliasDef:
		return "alias"
	case *TypeDef, *CoreTypeDef:
		return "type"
	default:
		return ""
	}
}

func newScope(kind scopeKind, outer *scope) (*scope, error) {
	s := &scope{kind: kind, outer: outer, local: map[*resourceID]struct{}{}}
	if outer != nil {
		s.depth = outer.depth + 1
	}
	if s.depth > MaxNesting {
		return nil, invalid(fmt.Sprintf("components and types at most %d deep in each other", MaxNesting), "more")
	}
	return s, nil
}

// def validates one definition or declaration and adds it to the scope.
func (v *validator) def(s *scope, d Def) error {
	switch d := d.(type) {
	case *CoreModuleDef:
		m, err := scanModule(d)
		s.modules = append(s.modules, m)
		return err
	case *CoreInstanceDef:
		return v.coreInstance(s, d)
	case *CoreTypeDef:
		return v.coreType(s, d)
	case *ComponentDef:
		t, err := v.component(d.Component, s)
		s.components = append(s.components, t)
		return err
	case *InstanceDef:
		return v.instance(s, d)
	case *AliasDef:
		return v.alias(s, d)
	case *TypeDef:
		t, err := v.typeDef(s, d)
		s.types = append(s.types, t)
		return err
	case *CanonDef:
		return v.canon(s, d)
	case *ImportDef:
		return v.importDef(s, d)
	case *ExportDef:
		return v.exportDef(s, d)
	case *ExportDecl:
		return v.exportDecl(s, d)
	case *StartDef:
		return invalid("a component without a start definition (values are not supported)", "one")
	default:
		return invalid("a definition", "%T", d)
	}
}

func (v *validator) coreType(s *scope, d *CoreTypeDef) error {
	s.coreTypes = append(s.coreTypes, d)
	if d.Module == nil {
		return nil
	}
	_, err := v.module(d.Module)
	return err
}

// module gives the type that a definition writes out, each once.
func (v *validator) module(t *CoreModuleType) (*modType, error) {
	if m, ok := v.modules[t]; ok {
		return m, nil
	}
	m, err := moduleTypeOf(t)
	if err != nil {
		return nil, err
	}
	v.modules[t] = m
	return m, nil
}

// finish gives a component's type [Type Checking]. Resource types that it defines may occur in its exports if they are
// exported themselves, and never in its imports.
func (v *validator) finish(s *scope) (*compType, error) {
	t := &compType{imports: s.imports.externs, exports: s.exports.externs, imported: s.imported}
	imports := v.freeOf()
	if err := imports.externs(&t.imports); err != nil {
		return nil, err
	}
	exports := v.freeOf()
	if err := exports.externs(&t.exports); err != nil {
		return nil, err
	}
	explicit := map[*resourceID]struct{}{}
	if err := v.explicit(&t.exports, explicit); err != nil {
		return nil, err
	}
	for _, id := range s.defined {
		if _, ok := imports.ids[id]; ok {
			return nil, invalid("imports that mention no resource type that the component defines", "one that does")
		}
		if _, ok := exports.ids[id]; !ok {
			continue
		}
		if _, ok := explicit[id]; !ok {
			return nil, invalid("exports whose resource types are exported too", "one that is not")
		}
		t.defined = append(t.defined, id)
	}
	t.known = t.imports.facts()
	t.known.add(t.exports.facts())
	return t, checkDepth(t.known)
}

// explicit collects the resource types that are exported, directly or in instances.
func (v *validator) explicit(l *externs, ids map[*resourceID]struct{}) error {
	if err := v.step(len(l.ents)); err != nil {
		return err
	}
	for _, e := range l.ents {
		switch t := e.t.(type) {
		case *resource:
			ids[t.id] = struct{}{}
		case *instType:
			if e.sort != SortInstance || !t.known.handles {
				continue
			}
			if err := v.explicit(&t.exports, ids); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSize checks a value type or function type.
func checkSize(f facts, nodes int) error {
	if nodes > MaxTypeSize {
		return invalid(fmt.Sprintf("types of at most %d parts, written out in full", MaxTypeSize), "a larger one")
	}
	return checkDepth(f)
}

func checkDepth(f facts) error {
	if f.depth > MaxTypeDepth {
		return invalid(fmt.Sprintf("types that refer to others at most %d deep", MaxTypeDepth), "deeper ones")
	}
	return nil
}
