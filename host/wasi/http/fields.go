package http

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// maxFields bounds the names and values of one fields resource, in bytes. It is far above what any server takes.
const maxFields = 1 << 20

// usualFields is for how many lines there is room from the first on.
const usualFields = 4

// perField is what a field counts beside its name and value.
const perField = 32

// forbidden are the fields that belong to the connection or that the request's authority says: a guest can neither set
// nor see them.
var forbidden = [...]string{
	"connection", "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
	"transfer-encoding", "upgrade",
}

func isForbidden(name string) bool {
	return slices.ContainsFunc(forbidden[:], func(f string) bool { return len(f) == len(name) && strings.EqualFold(f, name) })
}

// field is one line of a header.
type field struct {
	name  string
	value []byte
}

// fields is the resource fields. The values of lines are never changed in place, so that clones share them.
type fields struct {
	lines     []field
	size      int
	immutable bool
}

var _ abihttp.Fields = (*fields)(nil)

// NewFields makes empty fields.
func (h *Host) NewFields(context.Context) abihttp.Fields { return &fields{} }

// FieldsFromList makes fields of a list.
func (h *Host) FieldsFromList(_ context.Context, entries []canon.Tuple2[string, []byte]) (abihttp.Fields, *abihttp.HeaderError) {
	f := &fields{lines: make([]field, 0, len(entries))}
	for _, e := range entries {
		if err := checkField(e.F0, e.F1); err != nil {
			return nil, err
		}
		f.add(e.F0, e.F1)
	}
	return f, nil
}

// fromHeader gives the fields of a header that came from outside, as the guest may see them.
func fromHeader(h http.Header) *fields {
	names := make([]string, 0, len(h))
	lines := 0
	for name, values := range h {
		if !isForbidden(name) {
			names = append(names, name)
			lines += len(values)
		}
	}
	slices.Sort(names)
	f := &fields{lines: make([]field, 0, lines), immutable: true}
	for _, name := range names {
		lower := strings.ToLower(name)
		for _, v := range h[name] {
			f.lines = append(f.lines, field{lower, []byte(v)})
		}
	}
	return f
}

// freeze makes the fields immutable.
func (f *fields) freeze() *fields {
	f.immutable = true
	return f
}

// child gives an immutable view.
func (f *fields) child() *fields { return &fields{lines: f.lines, size: f.size, immutable: true} }

// copyTo adds all lines to h, but forbidden ones.
func (f *fields) copyTo(h http.Header) {
	for _, l := range f.lines {
		if !isForbidden(l.name) {
			h.Add(l.name, string(l.value))
		}
	}
}

// is compares names without case.
func (l field) is(name string) bool {
	return len(l.name) == len(name) && strings.EqualFold(l.name, name)
}

// add appends a line that was checked.
func (f *fields) add(name string, value []byte) {
	if f.size += len(name) + len(value) + perField; f.size > maxFields {
		abi.Trapf("fields: expected at most %d bytes of names and values, found more", maxFields)
	}
	if f.lines == nil {
		f.lines = make([]field, 0, usualFields)
	}
	f.lines = append(f.lines, field{name, value})
}

// remove deletes all lines of a name. It makes a new list, since views share the old one.
func (f *fields) remove(name string) {
	if !f.has(name) {
		return
	}
	kept := make([]field, 0, len(f.lines))
	f.size = 0
	for _, l := range f.lines {
		if !l.is(name) {
			kept = append(kept, l)
			f.size += len(l.name) + len(l.value) + perField
		}
	}
	f.lines = kept
}

func (f *fields) has(name string) bool {
	return slices.ContainsFunc(f.lines, func(l field) bool { return l.is(name) })
}

// checkField tells whether a guest may make such a field.
func checkField(name string, value []byte) *abihttp.HeaderError {
	if err := checkName(name); err != nil {
		return err
	}
	if !validValue(value) {
		return &abihttp.HeaderError{Tag: abihttp.HeaderErrorInvalidSyntax}
	}
	return nil
}

func checkName(name string) *abihttp.HeaderError {
	if !httpguts.ValidHeaderFieldName(name) {
		return &abihttp.HeaderError{Tag: abihttp.HeaderErrorInvalidSyntax}
	}
	if isForbidden(name) {
		return &abihttp.HeaderError{Tag: abihttp.HeaderErrorForbidden}
	}
	return nil
}

// validValue takes visible characters, space, tab and everything above ASCII (RFC 9110 5.5).
func validValue(value []byte) bool {
	return !slices.ContainsFunc(value, func(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

func (f *fields) checkMutable() *abihttp.HeaderError {
	if f.immutable {
		return &abihttp.HeaderError{Tag: abihttp.HeaderErrorImmutable}
	}
	return nil
}

// Get gives all values of a name.
func (f *fields) Get(_ context.Context, name string) [][]byte {
	var out [][]byte
	for _, l := range f.lines {
		if l.is(name) {
			out = append(out, l.value)
		}
	}
	return out
}

// Has tells whether there is a field of the name.
func (f *fields) Has(_ context.Context, name string) bool { return f.has(name) }

// Set replaces all values of a name; none deletes it.
func (f *fields) Set(_ context.Context, name string, value [][]byte) *abihttp.HeaderError {
	if err := checkName(name); err != nil {
		return err
	}
	for _, v := range value {
		if err := checkField(name, v); err != nil {
			return err
		}
	}
	if err := f.checkMutable(); err != nil {
		return err
	}
	f.remove(name)
	for _, v := range value {
		f.add(name, v)
	}
	return nil
}

// Delete deletes all values of a name.
func (f *fields) Delete(_ context.Context, name string) *abihttp.HeaderError {
	if err := checkName(name); err != nil {
		return err
	}
	if err := f.checkMutable(); err != nil {
		return err
	}
	f.remove(name)
	return nil
}

// Append adds a value.
func (f *fields) Append(_ context.Context, name string, value []byte) *abihttp.HeaderError {
	if err := checkField(name, value); err != nil {
		return err
	}
	if err := f.checkMutable(); err != nil {
		return err
	}
	f.add(name, value)
	return nil
}

// Entries gives all names and values in order.
func (f *fields) Entries(context.Context) []canon.Tuple2[string, []byte] {
	out := make([]canon.Tuple2[string, []byte], len(f.lines))
	for i, l := range f.lines {
		out[i] = canon.Tuple2[string, []byte]{F0: l.name, F1: l.value}
	}
	return out
}

// Clone gives a mutable copy.
func (f *fields) Clone(context.Context) abihttp.Fields {
	return &fields{lines: slices.Clone(f.lines), size: f.size}
}

// Drop does nothing: fields hold nothing but memory.
func (f *fields) Drop(context.Context) {}

// contentLength gives the length that the fields declare, -1 for none; false if it is not a length.
func (f *fields) contentLength() (int64, bool) {
	length := int64(-1)
	for _, l := range f.lines {
		if !l.is("content-length") {
			continue
		}
		n, ok := parseLength(bytes.TrimSpace(l.value))
		if !ok || length >= 0 && n != length {
			return 0, false
		}
		length = n
	}
	return length, true
}

// parseLength takes decimal digits only, unlike strconv.
func parseLength(s []byte) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
