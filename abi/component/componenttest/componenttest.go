// Package componenttest gives tests the reference tests of the Component Model, compiled: components that must be
// accepted or refused, and calls with their expected results. It is for tests only.
package componenttest

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed testdata/component-model.zip
var archive []byte

// File is one file of the reference tests.
type File struct {
	// Source is its path, for example "values/strings.wast".
	Source string `json:"source"`
	// Cases are its cases in order. Later ones may depend on earlier ones only through the actions of one case.
	Cases []Case `json:"cases"`
}

// Async tells whether the file's cases need the async or threads features.
func (f File) Async() bool { return strings.HasPrefix(f.Source, "async/") }

// CaseKind says what is to be true of a component.
type CaseKind string

// The kinds of case.
const (
	// Instantiate must instantiate; then the actions run in order on the one instance.
	Instantiate CaseKind = "instantiate"
	// Definition must decode and be valid; it is not instantiated.
	Definition CaseKind = "definition"
	// AssertInvalid and AssertMalformed must be refused before instantiation.
	AssertInvalid   CaseKind = "assert-invalid"
	AssertMalformed CaseKind = "assert-malformed"
	// AssertInstantiationTrap is valid and must trap when it is instantiated.
	AssertInstantiationTrap CaseKind = "assert-instantiation-trap"
)

// Refused tells whether a component of this kind must not be accepted.
func (k CaseKind) Refused() bool { return k == AssertInvalid || k == AssertMalformed }

// Case is one component with what must be true of it.
type Case struct {
	// ID is unique, for example "values__strings__0000__L3".
	ID string `json:"id"`
	// Line is where it is in the source.
	Line int      `json:"line"`
	Kind CaseKind `json:"kind"`
	// Path names the component in the archive; Wasm are its bytes. They are shared: do not change them.
	Path string `json:"wasm"`
	Wasm []byte `json:"-"`
	// Message is the reference implementation's, for kinds that fail; texts need not be equal.
	Message string `json:"message"`
	// GenerationError says why there is no component: the text form itself is what is wrong. Such a case is left out.
	GenerationError string   `json:"generation_error"`
	Actions         []Action `json:"actions"`
}

// Generated tells whether there is a component to test.
func (c Case) Generated() bool { return c.GenerationError == "" && c.Path != "" }

// ActionKind says what an action expects.
type ActionKind string

// The kinds of action.
const (
	// Invoke calls and expects no trap.
	Invoke ActionKind = "invoke"
	// AssertReturn calls and expects Results.
	AssertReturn ActionKind = "assert-return"
	// AssertTrap calls and expects a trap; the instance cannot be used any more.
	AssertTrap ActionKind = "assert-trap"
)

// Action is one call of an export.
type Action struct {
	Line int        `json:"line"`
	Kind ActionKind `json:"kind"`
	// Export is the function's name.
	Export  string  `json:"export"`
	Args    []Value `json:"args"`
	Results []Value `json:"results"`
	Message string  `json:"message"`
	// GenerationError says why the action is not complete; it is left out then.
	GenerationError string `json:"generation_error"`
}

// Value is a component-level value. Raw is how the manifest writes it, by kind:
//
//	bool, s8 … u32            a JSON boolean or number
//	s64, u64                  a decimal number in a string
//	f32, f64                  the bits in hexadecimal in a string
//	char, string, enum        a string
//	list, tuple               an array of values
//	record                    an array of {name, value}: Named
//	variant                   {case, payload}: Case; payload is null for none
//	option                    a value or null
//	result                    {is_err, payload}: Result
//	flags                     an array of strings
type Value struct {
	Kind string          `json:"kind"`
	Raw  json.RawMessage `json:"value"`
}

// NamedValue is a field of a record.
type NamedValue struct {
	Name  string `json:"name"`
	Value Value  `json:"value"`
}

// VariantValue is the value of a variant.
type VariantValue struct {
	Case    string `json:"case"`
	Payload *Value `json:"payload"`
}

// ResultValue is the value of a result.
type ResultValue struct {
	IsErr   bool   `json:"is_err"`
	Payload *Value `json:"payload"`
}

// Cases gives all files with the bytes of their components, those in async/ last.
func Cases(tb testing.TB) []File {
	tb.Helper()
	data, where, err := source()
	if err != nil {
		tb.Fatalf("componenttest: %v", err)
	}
	files, err := read(data)
	if err != nil {
		tb.Fatalf("componenttest: %s: %v", where, err)
	}
	return files
}

// beside is where the tests may be in full, next to the repository; then they count, and not the archive.
const beside = "../shared/conformance/component-model"

// source gives the tests' files and says where they are.
func source() (data fs.FS, where string, err error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, "", err
	}
	for dir := root; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			root = dir
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	where = filepath.Join(root, filepath.FromSlash(beside))
	if _, err := os.Stat(filepath.Join(where, "manifest.json")); err == nil {
		return os.DirFS(where), where, nil
	}
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	return z, "testdata/component-model.zip", err
}

func read(data fs.FS) ([]File, error) {
	text, err := fs.ReadFile(data, "manifest.json")
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Files []File `json:"files"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	var sync, async []File
	for _, f := range manifest.Files {
		for i := range f.Cases {
			c := &f.Cases[i]
			if !c.Generated() {
				continue
			}
			if c.Wasm, err = fs.ReadFile(data, c.Path); err != nil {
				return nil, fmt.Errorf("manifest.json: case %s: %w", c.ID, err)
			}
		}
		if f.Async() {
			async = append(async, f)
		} else {
			sync = append(sync, f)
		}
	}
	return append(sync, async...), nil
}
