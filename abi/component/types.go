package component

import "strings"

// This file has the types that validation works with. They are trees with sharing, immutable once they are made, and
// their identity counts: what is exported or imported as a type gets an identity of its own, its name
// [External Visibility of Types].

// anyType is a type of the type index space, or what an entity is: *vType, *resource, *fnType, *compType, *instType or
// *modType.
type anyType interface{ facts() facts }

// facts are what is known of a type without looking into it.
type facts struct {
	depth   int  // how deep it refers to others
	handles bool // it mentions a resource
}

func (f *facts) add(t facts) {
	f.depth = max(f.depth, t.depth)
	f.handles = f.handles || t.handles
}

// resourceID is a resource type: a variable that instantiation may replace. Its address is what it is, so it must not
// be of size zero.
type resourceID struct{ _ byte }

// resource is a name for a resource type.
type resource struct{ id *resourceID }

func (*resource) facts() facts { return facts{depth: 1, handles: true} }

// vType is a name for a value type.
type vType struct{ *vBody }

func (t *vType) facts() facts { return t.vBody.facts }

// vBody is a value type as its structure is.
type vBody struct {
	facts    facts
	kind     ValueKind
	fields   []vField
	elem     *vType // as in ValueType
	err      *vType
	length   uint32
	resource *resource
	nodes    int // its parts, written out in full
	// borrows tells that it contains a borrow, pointers that it contains a list, a string or a map.
	borrows, pointers bool
	size, align       uint64 // in memory with pointers of 64 bits
	// flat are its core types if they are at most maxFlat; else they are cut off after one more.
	flat []CoreValType
}

// vField is a named member; its type is nil for labels and cases without payload.
type vField struct {
	name string
	t    *vType
}

// fnType is a function's type.
type fnType struct {
	known  facts
	async  bool
	params []vField
	result *vType
}

func (t *fnType) facts() facts { return t.known }

// entity is what an import or export is.
type entity struct {
	sort Sort
	t    anyType
}

// externs are imports or exports in order.
type externs struct {
	names []string
	ents  []entity
	index map[string]int
}

func (e *externs) add(name string, ent entity) {
	if e.index == nil {
		e.index = map[string]int{}
	}
	e.index[name] = len(e.names)
	e.names = append(e.names, name)
	e.ents = append(e.ents, ent)
}

func (e *externs) get(name string) (entity, bool) {
	i, ok := e.index[name]
	if !ok {
		return entity{}, false
	}
	return e.ents[i], true
}

func (e *externs) facts() facts {
	var f facts
	for _, ent := range e.ents {
		f.add(ent.t.facts())
	}
	f.depth++
	return f
}

// compType is a component's type.
type compType struct {
	known            facts
	imports, exports externs
	// imported are the resource types that its imports introduce, defined those that each instance makes anew.
	imported, defined []*resourceID
}

func (t *compType) facts() facts { return t.known }

// instType is an instance's type.
type instType struct {
	known   facts
	exports externs
	// defined are the resource types that each import or export of this type makes anew. The type of an instance
	// itself has none.
	defined []*resourceID
}

func (t *instType) facts() facts { return t.known }

// modType is a core module's type.
type modType struct {
	imports []CoreImport
	byName  map[[2]string]int // the imports by their two names
	exports map[string]CoreExternType
}

func (*modType) facts() facts { return facts{depth: 1} }

// describe names what a type is.
func describe(t anyType) string {
	switch t := t.(type) {
	case *vType:
		return article(t.kind.String())
	case *resource:
		return "a resource type"
	case *fnType:
		return "a function type"
	case *compType:
		return "a component type"
	case *instType:
		return "an instance type"
	default:
		return "a core module type"
	}
}

// article puts the right one before a noun.
func article(noun string) string {
	if noun != "" && strings.ContainsRune("aeio", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
