package manifest

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is one field of a struct that is read from YAML, as its tags describe it:
//
//	yaml:"name,options"  the field's name; options are required and positive (above zero)
//	default:"64Mi"       the value when the field is missing, as in YAML
//	enum:"a,b"           the values allowed, without case
//	min:"1" max:"9"      bounds of an integer
//	check:"route"        a check of checks() for the text, or for each text of a list or map
//	doc:"..."            the reference text
type field struct {
	name     string
	index    []int
	typ      reflect.Type
	required bool
	positive bool
	def      string
	enum     []string
	min, max *int64
	check    string
	doc      string
}

// fieldsOf lists the YAML fields of a struct type, those of embedded structs in their place.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, opts, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if sf.Anonymous && sf.Type.Kind() == reflect.Struct {
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				out = append(out, f)
			}
		}
		if name == "" {
			continue
		}
		options := strings.Split(opts, ",")
		f := field{
			name: name, index: []int{i}, typ: sf.Type, def: sf.Tag.Get("default"), check: sf.Tag.Get("check"),
			doc:      sf.Tag.Get("doc"),
			required: slices.Contains(options, "required"), positive: slices.Contains(options, "positive"),
			min: bound(sf.Tag.Get("min")), max: bound(sf.Tag.Get("max")),
		}
		if e := sf.Tag.Get("enum"); e != "" {
			f.enum = strings.Split(e, ",")
		}
		out = append(out, f)
	}
	return out
}

func bound(text string) *int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	valueType    = reflect.TypeFor[Value]()
	anyType      = reflect.TypeFor[any]()
	parserType   = reflect.TypeFor[textParser]()
)

// textParser is a type that is read from text; the error says what was wanted.
type textParser interface {
	parseText(text string) error
}

// isText tells whether values of t are written as text that t parses itself.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(parserType) }

// isObject tells whether t is a struct that is read from a mapping.
func isObject(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != valueType && !isText(t)
}

// want says what a value of t looks like, for messages.
func want(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return want(t.Elem())
	case t == durationType:
		return "a duration such as 30s, 1m30s or 200ms"
	case t == reflect.TypeFor[Bytes]():
		return "a size such as 64Mi, 1Gi or a number of bytes"
	case t == valueType:
		return "text, a number, true or false"
	case isText(t):
		return "text"
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "a mapping (name: value)"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int64:
		return "an integer"
	default:
		return "a value"
	}
}

// elsewhere looks for a field by its name below t and gives its path, or "": for "did you mean spec.x?".
func elsewhere(t reflect.Type, name, path string) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if !isObject(t) {
		return ""
	}
	for _, f := range fieldsOf(t) {
		if strings.EqualFold(f.name, name) {
			return path + f.name
		}
	}
	for _, f := range fieldsOf(t) {
		if p := elsewhere(f.typ, name, path+f.name+"."); p != "" {
			return p
		}
	}
	return ""
}
