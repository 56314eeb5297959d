package manifest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const docs = "../../docs/"

// current compares a checked-in file with what it should be; with -update it writes the file.
func current(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err == nil && bytes.Equal(got, want) {
		return
	}
	if !*update {
		t.Fatalf("%s is not current; run: go test ./host/manifest -update", filepath.Base(path))
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSchemaIsCurrent(t *testing.T) {
	s, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	current(t, docs+"manifest.schema.json", append(s, '\n'))
}

var tableMark = regexp.MustCompile(`(?s)<!-- fields (\S+) (\S+) -->.*?<!-- end -->`)

// TestReferenceIsCurrent checks the tables of docs/manifest.md between <!-- fields KIND VERSION --> and <!-- end -->.
func TestReferenceIsCurrent(t *testing.T) {
	page, err := os.ReadFile(docs + "manifest.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	want := tableMark.ReplaceAllFunc(page, func(mark []byte) []byte {
		m := tableMark.FindSubmatch(mark)
		for _, k := range kinds() {
			if k.name == string(m[1]) && k.version == string(m[2]) {
				found++
				return []byte(table(k))
			}
		}
		t.Errorf("docs/manifest.md: there is no kind %s of %s", m[1], m[2])
		return mark
	})
	if found != len(kinds()) {
		t.Errorf("docs/manifest.md has tables of %d kinds, want %d", found, len(kinds()))
	}
	current(t, docs+"manifest.md", want)
}

func table(k kind) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- fields %s %s -->\n| field | type | default | meaning |\n|---|---|---|---|\n", k.name, k.version)
	rows(&b, reflect.TypeOf(k.make()).Elem(), "")
	b.WriteString("<!-- end -->")
	return b.String()
}

func rows(b *strings.Builder, t reflect.Type, path string) {
	for _, f := range fieldsOf(t) {
		if path == "" && (f.name == "apiVersion" || f.name == "kind" || f.name == "metadata") {
			continue // the same for all kinds, described once
		}
		name, typ, below := typeName(f)
		def := ""
		switch {
		case f.required:
			def = "required"
		case f.def != "":
			def = "`" + f.def + "`"
		}
		meaning := strings.ReplaceAll(f.doc, "|", "\\|")
		switch {
		case f.min != nil && f.max != nil && (*f.min != 0 || *f.max != 0):
			meaning += fmt.Sprintf(" (%d to %d)", *f.min, *f.max)
		case len(f.enum) > 0:
			meaning += " (" + strings.Join(f.enum, ", ") + ")"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", path+f.name, typ, def, meaning)
		if below != nil {
			rows(b, below, path+f.name+name+".")
		}
	}
}

// typeName describes a field's type; suffix and below are for the fields of what it holds.
func typeName(f field) (suffix, name string, below reflect.Type) {
	t := f.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice:
		f.typ = t.Elem()
		_, inner, below := typeName(f)
		return "[]", "list of " + plural(inner), below
	case reflect.Map:
		f.typ = t.Elem()
		_, inner, below := typeName(f)
		return ".<name>", "map of " + plural(inner), below
	default: // below
	}
	switch {
	case t == durationType:
		return "", "duration", nil
	case t == reflect.TypeFor[Bytes]():
		return "", "size", nil
	case t == reflect.TypeFor[Route]():
		return "", "route", nil
	case t == valueType:
		return "", "text, number or bool", nil
	case t == anyType:
		return "", "anything", nil
	case isObject(t):
		return "", "object", t
	case t.Kind() == reflect.Bool:
		return "", "bool", nil
	case t.Kind() == reflect.Int:
		return "", "integer", nil
	default:
		return "", "text", nil
	}
}

func plural(name string) string {
	switch name {
	case "text", "anything":
		return name
	case "text, number or bool":
		return "texts, numbers or bools"
	default:
		return name + "s"
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestExamplesOfTheReference loads every example of docs/manifest.md.
func TestExamplesOfTheReference(t *testing.T) {
	page, err := os.ReadFile(docs + "manifest.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "orders"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "orders", "main.go"), []byte("package main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(page, -1)
	if len(blocks) < len(kindNames()) {
		t.Errorf("docs/manifest.md has %d examples, want one a kind: %d", len(blocks), len(kindNames()))
	}
	// All at once: examples may name each other.
	var all []Source
	for i, m := range blocks {
		all = append(all, Source{Name: filepath.Join(dir, fmt.Sprintf("example%d.yaml", i)), Data: m[1]})
	}
	if _, err := (Loader{}).Parse(all...); err != nil {
		t.Errorf("an example has errors:\n%v", err)
	}
}

// TestPendingPathsExist checks that each row of what is not acted on names a field that there is.
func TestPendingPathsExist(t *testing.T) {
	for _, row := range notYet() {
		found := false
		for _, k := range kinds() {
			if k.name == row.kind {
				found = found || hasPath(reflect.TypeOf(k.make()).Elem(), strings.Split(row.path, "."))
			}
		}
		if !found {
			t.Errorf("%s has no field %s", row.kind, row.path)
		}
	}
}

func hasPath(t reflect.Type, path []string) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if len(path) == 0 {
		return true
	}
	if !isObject(t) {
		return false
	}
	for _, f := range fieldsOf(t) {
		if f.name == path[0] {
			return hasPath(f.typ, path[1:])
		}
	}
	return false
}

// TestEveryFieldIsDocumented also finds bad defaults: they are set on an empty object.
func TestEveryFieldIsDocumented(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if !isObject(typ) || seen[typ] {
			return
		}
		seen[typ] = true
		for _, f := range fieldsOf(typ) {
			if f.doc == "" {
				t.Errorf("%s.%s has no doc tag", typ.Name(), f.name)
			}
			walk(f.typ)
		}
		(&decoder{report: &report{}}).defaults(reflect.New(typ).Elem(), Pos{})
	}
	for _, k := range kinds() {
		walk(reflect.TypeOf(k.make()).Elem())
	}
}
