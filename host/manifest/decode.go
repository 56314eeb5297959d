package manifest

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Object is embedded in every struct that is read from a mapping and knows where its fields stand.
type Object struct {
	// Pos is where the mapping starts.
	Pos Pos
	at  map[string]Pos
	// broken: what stands there is not a mapping, which is reported.
	broken bool
}

// At gives the position of a field, for errors that are found later: "timeout", "scopes[1]", or "env.LEVEL" for
// fields, elements and entries. For what is not written it gives the position of the object.
func (o *Object) At(field string) Pos {
	if p, ok := o.at[field]; ok {
		return p
	}
	return o.Pos
}

// Has tells whether a field is written in the manifest, be it as null.
func (o *Object) Has(field string) bool {
	_, ok := o.at[field]
	return ok
}

func (o *Object) object() *Object { return o }

// located is every struct that embeds Object.
type located interface{ object() *Object }

// place is where in a document the decoder is.
type place struct {
	path  string // as in the table of what is not acted on: "spec.actors[].type", "spec.env.*"
	show  string // for messages: "spec.actors[1].type"
	field field  // whose value this is; elements of lists and maps keep it
	owner *Object
	rel   string // path from the owner, for Object.At
	depth int
}

func (p place) child(f field, owner *Object) place {
	return place{path: join(p.path, f.name), show: join(p.show, f.name), field: f, owner: owner, rel: f.name, depth: p.depth + 1}
}

func (p place) element(i int) place {
	p.path, p.show, p.rel = p.path+"[]", fmt.Sprintf("%s[%d]", p.show, i), fmt.Sprintf("%s[%d]", p.rel, i)
	p.depth++
	return p
}

func (p place) entry(key string) place {
	p.path, p.show, p.rel = p.path+".*", p.show+"."+shorten(key), p.rel+"."+key
	p.depth++
	return p
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// mention is a field that the document has.
type mention struct {
	path, value string
	at          Pos
}

// decoder reads one document into one struct and reports everything that does not fit.
type decoder struct {
	*report
	visited  int
	total    *int // visited of all documents of a load
	file     string
	offset   int
	kind     string
	root     reflect.Type
	mentions []mention
}

func (d *decoder) pos(n *yaml.Node) Pos {
	return Pos{File: d.file, Line: d.offset + n.Line, Col: n.Column}
}

// run calls read and turns its end by a limit into a diagnostic; ok is false then.
func (d *decoder) run(read func()) (ok bool) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case tooBig:
			d.errorf(r.at, "", "%s", r.what)
			ok = false
		default:
			panic(r)
		}
	}()
	read()
	return true
}

// value reads n into v. What does not fit is reported and v keeps what it had.
func (d *decoder) value(n *yaml.Node, v reflect.Value, p place) {
	n = d.enter(n, p.depth)
	if n.Kind == yaml.ScalarNode {
		d.mentions = append(d.mentions, mention{p.path, n.Value, d.pos(n)})
	} else {
		d.mentions = append(d.mentions, mention{p.path, "", d.pos(n)})
	}
	if p.owner != nil && p.rel != "" {
		if p.owner.at == nil {
			p.owner.at = map[string]Pos{}
		}
		p.owner.at[p.rel] = d.pos(n)
	}
	t := v.Type()
	switch {
	case t == valueType:
		d.scalarValue(n, v, p)
		return
	case t == anyType:
		if x := d.plain(n, p); x != nil {
			v.Set(reflect.ValueOf(x))
		}
		return
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		d.null(n, v, p)
		return
	case t.Kind() == reflect.Pointer:
		target := reflect.New(t.Elem())
		before := len(d.list)
		d.value(n, target.Elem(), p)
		if t.Elem().Kind() == reflect.Struct || len(d.list) == before {
			v.Set(target)
		}
		return
	}
	switch {
	case isObject(t):
		d.object(n, v, p)
	case t.Kind() == reflect.Slice:
		d.sequence(n, v, p)
	case t.Kind() == reflect.Map:
		d.mapping(n, v, p)
	default:
		d.scalar(n, v, p)
	}
}

// null is the same as not written, as in JSON, where something else could be.
func (d *decoder) null(n *yaml.Node, v reflect.Value, p place) {
	l, isLocated := v.Addr().Interface().(located)
	if isLocated {
		d.defaults(v, d.pos(n))
	}
	switch own := p.rel == p.field.name; {
	case own && p.field.required:
		d.errorf(d.pos(n), "", "%s is empty (%s)", p.show, p.field.doc)
	case own, isLocated && v.Kind() == reflect.Struct && !strings.HasSuffix(p.rel, "]"), v.Kind() == reflect.String && !strings.HasSuffix(p.rel, "]"):
		return
	default: // an element of a list, or an entry of a map that has no empty value
		d.errorf(d.pos(n), "", "%s: want %s, found nothing", p.show, want(v.Type()))
	}
	if isLocated {
		l.object().broken = true
	}
}

func (d *decoder) object(n *yaml.Node, v reflect.Value, p place) {
	owner := &Object{}
	if l, ok := v.Addr().Interface().(located); ok {
		owner = l.object()
	}
	owner.Pos = d.pos(n)
	if n.Kind != yaml.MappingNode {
		owner.broken = true
		d.wrongType(n, v.Type(), p)
		d.defaults(v, owner.Pos)
		return
	}
	fields := fieldsOf(v.Type())
	given := map[string]bool{}
	for _, e := range d.pairs(n, p, true) {
		f, ok := lookup(fields, e.key.Value)
		if !ok {
			if meant := d.unknown(e.key, fields, p); meant != "" {
				given[meant] = given[meant] || false // so that it is not reported as missing too
			}
			continue
		}
		before := len(d.list)
		d.value(e.value, v.FieldByIndex(f.index), p.child(f, owner))
		// A null is as if the field were not there, and so is what could not be read.
		null := e.value.Kind == yaml.ScalarNode && e.value.ShortTag() == "!!null"
		given[f.name] = !null && len(d.list) == before
	}
	for _, f := range fields {
		_, written := given[f.name]
		switch {
		case f.required && !written:
			d.errorf(owner.Pos, "", "%s is missing (%s)", join(p.show, f.name), f.doc)
			d.fieldDefault(f, v, owner.Pos)
		case !given[f.name]:
			d.fieldDefault(f, v, owner.Pos)
		}
	}
}

func lookup(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if strings.EqualFold(f.name, name) {
			return f, true
		}
	}
	return field{}, false
}

// unknown reports a field that is not there, and gives the name of the one that was likely meant.
func (d *decoder) unknown(key *yaml.Node, fields []field, p place) (meant string) {
	in := p.show
	if in == "" {
		in = d.kind
	}
	meant = closest(key.Value, names(fields))
	hint := didYouMean(key.Value, names(fields))
	if path := elsewhere(d.root, key.Value, ""); meant == "" && path != "" {
		hint = fmt.Sprintf("did you mean %s?", path)
	}
	d.errorf(d.pos(key), hint, "%s has no field %s", in, quote(key.Value))
	return meant
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, p place) {
	if n.Kind != yaml.SequenceNode {
		d.wrongType(n, v.Type(), p)
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		d.value(c, list.Index(i), p.element(i))
	}
	v.Set(list)
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, p place) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, v.Type(), p)
		return
	}
	m := reflect.MakeMap(v.Type())
	for _, e := range d.pairs(n, p, false) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, elem, p.entry(e.key.Value))
		m.SetMapIndex(reflect.ValueOf(e.key.Value), elem)
	}
	v.Set(m)
}

func (d *decoder) wrongType(n *yaml.Node, t reflect.Type, p place) {
	hint := ""
	if p.show == "" {
		p.show = d.kind
	}
	if n.Kind == yaml.ScalarNode && t.Kind() == reflect.Slice && !strings.ContainsAny(n.Value, "[,") {
		hint = "write [" + shorten(n.Value) + "]"
	}
	d.errorf(d.pos(n), hint, "%s: want %s, found %s", p.show, want(t), found(n))
}

// defaults fills in the defaults of a struct of which nothing is written; it stands where its parent does.
func (d *decoder) defaults(v reflect.Value, parent Pos) {
	if l, ok := v.Addr().Interface().(located); ok {
		l.object().Pos = parent
	}
	for _, f := range fieldsOf(v.Type()) {
		d.fieldDefault(f, v, parent)
	}
}

func (d *decoder) fieldDefault(f field, v reflect.Value, parent Pos) {
	fv := v.FieldByIndex(f.index)
	switch {
	case isObject(f.typ) && fv.Addr().Interface().(located).object().Pos == Pos{}:
		d.defaults(fv, parent)
	case isObject(f.typ): // it is written, and has its defaults
	case fv.IsZero() && f.def != "":
		if err := setText(fv, f.def); err != nil {
			panic(fmt.Sprintf("default %q of field %s: %v", f.def, f.name, err)) // a bug, which every test finds
		}
	}
}
