// Package localsecret reads secrets from what is on this machine: JSON files and the environment.
package localsecret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
)

// File are the secrets of a JSON file as it was when it was read.
type File struct{ secrets map[string]map[string]string }

// ReadFile reads a JSON object. Nested objects and lists are flattened: the path to a value, joined by separator, is
// its name, and a list's elements are called 0, 1 and so on. With multi each field of the outermost object is one
// secret, and only what is below it is flattened to its keys. Numbers and booleans become their JSON text, null the
// empty text. No error has a value of the file in it.
func ReadFile(path, separator string, multi bool) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // 1.50 stays 1.50
	var doc map[string]any
	err = dec.Decode(&doc)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			return nil, fmt.Errorf("%s: want one JSON object, found more behind it", at(path, text, dec.InputOffset()))
		}
	}
	if err != nil || doc == nil {
		return nil, broken(path, text, err)
	}
	f := &File{secrets: map[string]map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		if err := f.add(name, doc[name], separator, multi); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return f, nil
}

// add takes one field of the outermost object.
func (f *File) add(name string, value any, separator string, multi bool) error {
	flat := map[string]string{}
	_, isObject := value.(map[string]any)
	_, isList := value.([]any)
	if multi && (isObject || isList) {
		// No separator before the first part.
		for _, c := range children(value) {
			if err := flatten(flat, c.name, c.value, separator); err != nil {
				return fmt.Errorf("secret %q: %w", name, err)
			}
		}
		f.secrets[name] = flat
		return nil
	}
	if err := flatten(flat, name, value, separator); err != nil {
		return err
	}
	for full, text := range flat {
		if _, dup := f.secrets[full]; dup {
			return duplicate(full, separator)
		}
		f.secrets[full] = map[string]string{full: text}
	}
	return nil
}

func duplicate(name, separator string) error {
	return fmt.Errorf("%q is here twice: once as a name and once as a path that %q joins; rename one of them, or set metadata field nestedSeparator", name, separator)
}

type child struct {
	name  string
	value any
}

// children gives what an object or a list has in it.
func children(value any) []child {
	var out []child
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out = append(out, child{name, v[name]})
		}
	case []any:
		for i, e := range v {
			out = append(out, child{strconv.Itoa(i), e})
		}
	}
	return out
}

func flatten(into map[string]string, path string, value any, separator string) error {
	text := ""
	switch v := value.(type) {
	case map[string]any, []any:
		for _, c := range children(v) {
			if err := flatten(into, path+separator+c.name, c.value, separator); err != nil {
				return err
			}
		}
		return nil
	case string:
		text = v
	case json.Number:
		text = v.String()
	case bool:
		text = strconv.FormatBool(v)
	}
	if _, dup := into[path]; dup {
		return duplicate(path, separator)
	}
	into[path] = text
	return nil
}

// broken says what is wrong with the file, without quoting it.
func broken(path string, text []byte, err error) error {
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%s: want a JSON object: syntax error", at(path, text, s.Offset))
	}
	if w, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s: want a JSON object, found a JSON %s", at(path, text, w.Offset), w.Value)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: want a JSON object, found the end of the file", at(path, text, int64(len(text))))
	}
	return fmt.Errorf("%s: want a JSON object", path)
}

// at gives path:line:column.
func at(path string, text []byte, offset int64) string {
	before := text[:min(max(offset-1, 0), int64(len(text)))]
	line := bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("%s:%d:%d", path, line+1, column)
}

// Get gives a copy of one secret.
func (f *File) Get(name string) (map[string]string, bool) {
	values, ok := f.secrets[name]
	return maps.Clone(values), ok
}

// All gives a copy of all secrets.
func (f *File) All() map[string]map[string]string {
	out := make(map[string]map[string]string, len(f.secrets))
	for name, values := range f.secrets {
		out[name] = maps.Clone(values)
	}
	return out
}
