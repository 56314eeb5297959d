package canon

import (
	"fmt"
	"strconv"
	"strings"
)

// The bounds of a type's text, in bytes: a type that is made of the same type over and over, in a few levels, has a
// text of any length.
const (
	maxMessageText = 1 << 12
	maxText        = 4 << 20
)

// text builds a type's text up to a bound.
type text struct {
	strings.Builder
	bound int
}

// full tells whether the text is beyond its bound, and so not complete.
func (s *text) full() bool { return s.Len() > s.bound }

// String gives the type as WIT text; of records, variants, enums and flags, which WIT only knows by name, the
// definition without the name. It is for messages: beyond 4 KiB it is cut off.
func (t *Type) String() string {
	s := text{bound: maxMessageText}
	s.write(t)
	if s.full() {
		return s.String() + " ..."
	}
	return s.String()
}

// Text gives the function's type as WIT text, for example "func(self: borrow<wasi:io/poll@0.2/pollable>) -> bool". Two
// functions of the same text have the same type, given that resources of the same name are the same. A text of more
// than 4 MiB is cut off and made equal to no other function's.
func (f *Func) Text() string {
	s := text{bound: maxText}
	if f.async {
		s.WriteString("async ")
	}
	s.WriteString("func")
	s.list("(", ")", f.params, s.field)
	if f.result != nil {
		s.WriteString(" -> ")
		s.write(f.result)
	}
	if s.full() {
		fmt.Fprintf(&s, " ... (func at %p is too long)", f)
	}
	return s.String()
}

func (s *text) write(t *Type) {
	if s.full() {
		return
	}
	s.WriteString(t.kind.String())
	switch t.kind {
	case KindList, KindFixedList:
		s.WriteByte('<')
		s.write(t.elem)
		if t.count > 0 {
			s.WriteString(", " + strconv.FormatUint(uint64(t.count), 10))
		}
		s.WriteByte('>')
	case KindOwn, KindBorrow:
		s.WriteString("<" + t.res.Name + ">")
	case KindMap:
		s.list("<", ">", t.elem.members, s.typeOnly)
	case KindTuple:
		s.list("<", ">", t.members, s.typeOnly)
	case KindOption:
		s.list("<", ">", t.members[1:], s.typeOnly)
	case KindResult:
		s.result(t)
	case KindRecord:
		s.list(" { ", " }", t.members, s.field)
	case KindVariant, KindEnum, KindFlags:
		s.list(" { ", " }", t.members, s.label)
	default:
	}
}

func (s *text) typeOnly(f Field) { s.write(f.Type) }

func (s *text) field(f Field) {
	s.WriteString(f.Name + ": ")
	s.write(f.Type)
}

func (s *text) label(f Field) {
	s.WriteString(f.Name)
	if f.Type != nil {
		s.WriteByte('(')
		s.write(f.Type)
		s.WriteByte(')')
	}
}

func (s *text) result(t *Type) {
	ok, fail := t.members[0].Type, t.members[1].Type
	if ok == nil && fail == nil {
		return
	}
	s.WriteByte('<')
	if ok == nil {
		s.WriteByte('_')
	} else {
		s.write(ok)
	}
	if fail != nil {
		s.WriteString(", ")
		s.write(fail)
	}
	s.WriteByte('>')
}

func (s *text) list(open, end string, fields []Field, each func(Field)) {
	s.WriteString(open)
	for i, f := range fields {
		if s.full() {
			return
		}
		if i > 0 {
			s.WriteString(", ")
		}
		each(f)
	}
	s.WriteString(end)
}
