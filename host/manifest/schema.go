package manifest

import (
	"encoding/json"
	"reflect"
)

// Schema gives the JSON schema (draft 7) of one document of a manifest, for editors. Where the loader takes more
// than one spelling, names and enum values without case for example, the schema has the usual one.
func Schema() ([]byte, error) {
	defs := map[string]any{}
	var branches []any
	for _, k := range kinds() {
		t := reflect.TypeOf(k.make()).Elem()
		object := objectSchema(t, defs)
		props := object["properties"].(map[string]any)
		props["apiVersion"] = map[string]any{"const": k.version}
		props["kind"] = map[string]any{"const": k.name}
		object["description"] = k.doc
		id := k.name + "." + lastPart(k.version)
		defs[id] = object
		branches = append(branches, map[string]any{
			"if": map[string]any{
				"properties": map[string]any{"kind": map[string]any{"const": k.name}, "apiVersion": map[string]any{"const": k.version}},
				"required":   []string{"kind", "apiVersion"},
			},
			"then": map[string]any{"$ref": "#/definitions/" + id},
		})
	}
	return json.MarshalIndent(map[string]any{
		"$schema":     "http://json-schema.org/draft-07/schema#",
		"title":       "mrt-wasm manifest",
		"type":        "object",
		"required":    []string{"apiVersion", "kind"},
		"properties":  map[string]any{"apiVersion": map[string]any{"enum": versions()}, "kind": map[string]any{"enum": kindNames()}},
		"allOf":       branches,
		"definitions": defs,
	}, "", "  ")
}

func versions() []string { return []string{AppVersion, DaprVersion, DaprV2} }

func lastPart(version string) string {
	for i := len(version) - 1; i >= 0; i-- {
		if version[i] == '/' {
			return version[i+1:]
		}
	}
	return version
}

// objectSchema describes a struct; structs below it go to defs by their Go name.
func objectSchema(t reflect.Type, defs map[string]any) map[string]any {
	props, required := map[string]any{}, []string{}
	for _, f := range fieldsOf(t) {
		props[f.name] = fieldSchema(f, defs)
		if f.required {
			required = append(required, f.name)
		}
	}
	out := map[string]any{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func fieldSchema(f field, defs map[string]any) map[string]any {
	s := typeSchema(f.typ, f, defs)
	if _, ref := s["$ref"]; ref { // draft 7 ignores what stands beside a $ref
		s = map[string]any{"allOf": []any{s}}
	}
	s["description"] = f.doc
	if f.def != "" {
		s["default"] = f.def
		if t := s["type"]; t == "integer" {
			s["default"] = json.Number(f.def)
		}
	}
	return s
}

func typeSchema(t reflect.Type, f field, defs map[string]any) map[string]any {
	switch {
	case t.Kind() == reflect.Pointer:
		return typeSchema(t.Elem(), f, defs)
	case t == valueType && f.check == "env":
		return map[string]any{"anyOf": []any{
			map[string]any{"type": []string{"string", "number", "boolean", "null"}},
			map[string]any{
				"type": "object", "required": []string{"envRef"}, "additionalProperties": false,
				"properties": map[string]any{"envRef": map[string]any{"type": "string"}},
			},
		}}
	case t == valueType, t == anyType:
		return map[string]any{}
	case t == durationType:
		return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$`}
	case t == reflect.TypeFor[Bytes]():
		return map[string]any{"type": []string{"string", "integer"}, "pattern": `^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$`}
	case t == reflect.TypeFor[Route]():
		return map[string]any{"type": "string", "pattern": "^/"}
	case isObject(t):
		if _, done := defs[t.Name()]; !done {
			defs[t.Name()] = nil // a placeholder ends recursion
			defs[t.Name()] = objectSchema(t, defs)
		}
		return map[string]any{"$ref": "#/definitions/" + t.Name()}
	}
	return plainSchema(t, f, defs)
}

func plainSchema(t reflect.Type, f field, defs map[string]any) map[string]any {
	switch t.Kind() {
	case reflect.Slice:
		return map[string]any{"type": "array", "items": typeSchema(t.Elem(), f, defs)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": typeSchema(t.Elem(), f, defs)}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		s := map[string]any{"type": "integer"}
		if f.min != nil {
			s["minimum"] = *f.min
		}
		if f.max != nil {
			s["maximum"] = *f.max
		}
		return s
	default:
		s := map[string]any{"type": "string"}
		if len(f.enum) > 0 {
			s["enum"] = f.enum
		}
		if f.required {
			s["minLength"] = 1
		}
		return s
	}
}
