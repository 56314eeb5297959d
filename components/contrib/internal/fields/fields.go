// Package fields reads what components-contrib says about the metadata of its components, beside them in metadata.yaml:
// names, types and rules. What it says in sentences stays there.
package fields

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Module gives the folder of components-contrib, in the version that go.mod names.
func Module() (string, error) {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/dapr/components-contrib")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	dir := strings.TrimSpace(string(out))
	if err == nil && dir == "" {
		err = errors.New("the module is not downloaded: go mod download github.com/dapr/components-contrib")
	}
	return dir, err
}

// document is a metadata.yaml.
type document struct {
	Type, Name string
	Metadata   []field
	Own        []profile `yaml:"authenticationProfiles"`
	Shared     []profile `yaml:"builtinAuthenticationProfiles"`
}

// profile is a way to sign in.
type profile struct {
	Title, Name string
	Metadata    []field
}

type field struct {
	Name, Type, Default string
	Required, Sensitive bool
	Deprecated          bool
	Allowed             []string `yaml:"allowedValues"`
	Binding             *struct{ Input, Output bool }
}

// kinds are those that a host has drivers of.
var kinds = []string{"bindings", "configuration", "crypto", "lock", "pubsub", "secretstores", "state"}

// Read gives the fields of every component by its type, as daprd registers it.
func Read(module string) (map[string][]component.Field, error) {
	out := map[string][]component.Field{}
	for _, kind := range kinds {
		err := filepath.WalkDir(filepath.Join(module, kind), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.Name() != "metadata.yaml" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var doc document
			// Some have tabs at the end of a line, which YAML does not allow there.
			if err := yaml.Unmarshal(bytes.ReplaceAll(text, []byte("\t"), []byte(" ")), &doc); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			typ := doc.Type + "." + doc.Name
			typ = cmp.Or(registered[typ], typ)
			found := doc.fields(typ)
			if other, several := out[typ]; several { // another version of the component
				found = union(other, found)
			}
			out[typ] = found
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, stale(out)
}

// stale reports corrections of fields that are no longer there.
func stale(all map[string][]component.Field) error {
	var errs []error
	for typ, names := range optional {
		for _, name := range names {
			if !slices.ContainsFunc(all[typ], func(f component.Field) bool { return f.Name == name }) {
				errs = append(errs, fmt.Errorf("corrections.go: %s has no field %s", typ, name))
			}
		}
	}
	for _, typ := range registered {
		if len(all[typ]) == 0 {
			errs = append(errs, fmt.Errorf("corrections.go: no component becomes %s", typ))
		}
	}
	return errors.Join(errs...)
}

// fields gives a component's fields: those that it always has, and those of each way to sign in.
func (d document) fields(typ string) []component.Field {
	var out list
	for _, f := range d.Metadata {
		out.add(typ, f, "")
	}
	for _, p := range d.Own {
		for _, f := range p.Metadata {
			out.add(typ, f, p.Title)
		}
	}
	for _, p := range d.Shared {
		for _, f := range p.Metadata {
			out.add(typ, f, shared[p.Name].title)
		}
		for _, s := range shared[p.Name].ways {
			for _, f := range s.Metadata {
				out.add(typ, f, s.Title)
			}
		}
	}
	return out
}

// list is of fields, each once.
type list []component.Field

// add adds a field, or a further use of it.
func (l *list) add(typ string, f field, use string) {
	if f.Deprecated {
		return
	}
	i := slices.IndexFunc(*l, func(have component.Field) bool { return strings.EqualFold(have.Name, f.Name) })
	if i < 0 {
		i = len(*l)
		*l = append(*l, component.Field{
			Name: f.Name, Aliases: aliases[typ][f.Name], Kind: cmp.Or(f.Type, "string"),
			Default: unquoted(f.Default), Allowed: f.Allowed,
		})
	} else if use != "" && len((*l)[i].For) == 0 {
		return // the component has it anyhow
	}
	to := &(*l)[i]
	to.Secret = to.Secret || f.Sensitive
	required := f.Required && f.Default == "" && !slices.Contains(optional[typ], f.Name)
	if use == "" && f.Binding != nil && f.Binding.Input != f.Binding.Output {
		use = map[bool]string{true: "input", false: "output"}[f.Binding.Input]
	}
	if use == "" {
		to.Required = required
		return
	}
	to.For = append(to.For, component.Use{Name: use, Required: required})
}

// unquoted gives a default as it is to be written: many are in quotes, and some have a remark behind them.
func unquoted(text string) string {
	text = strings.Trim(strings.TrimSpace(text), "\u201c\u201d")
	if rest, quoted := strings.CutPrefix(text, `"`); quoted {
		text, _, _ = strings.Cut(rest, `"`)
	}
	return text
}

// union gives the fields of two versions: required is what both need.
func union(a, b []component.Field) []component.Field {
	out := slices.Clone(a)
	for i := range out {
		if !slices.ContainsFunc(b, func(f component.Field) bool { return f.Name == out[i].Name && f.Required }) {
			out[i].Required = false
		}
	}
	for _, f := range b {
		if !slices.ContainsFunc(a, func(have component.Field) bool { return have.Name == f.Name }) {
			f.Required = false
			out = append(out, f)
		}
	}
	return out
}

// Encode writes fields as the file that is embedded: JSON with a line for each field, so that changes can be read.
func Encode(all map[string][]component.Field) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, typ := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "  %q: [", typ)
		for j, f := range all[typ] {
			if j > 0 {
				b.WriteByte(',')
			}
			text, err := json.Marshal(f)
			if err != nil {
				return nil, err
			}
			b.WriteString("\n    ")
			b.Write(text)
		}
		b.WriteString("]")
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}
