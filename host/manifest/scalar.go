package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Value is text that may be written as any YAML value: numbers and booleans become their text, lists and mappings
// their JSON, as in Dapr.
type Value struct {
	Text string
	// Env is the name of the environment variable when the value is {envRef: NAME}; only in App.spec.env.
	Env string
}

// scalarValue reads a Value.
func (d *decoder) scalarValue(n *yaml.Node, v reflect.Value, p place) {
	if p.field.check == "env" {
		d.envValue(n, v, p)
		return
	}
	text, err := valueText(d.plain(n, p))
	if err != nil {
		d.errorf(d.pos(n), "", "%s: %v", p.show, err)
	}
	v.Set(reflect.ValueOf(Value{Text: text}))
}

// envValue reads a scalar, or {envRef: NAME}.
func (d *decoder) envValue(n *yaml.Node, v reflect.Value, p place) {
	if n.Kind == yaml.MappingNode {
		var ref struct {
			EnvRef string `yaml:"envRef,required" doc:"name of an environment variable of the host"`
		}
		d.value(n, reflect.ValueOf(&ref).Elem(), p)
		v.Set(reflect.ValueOf(Value{Env: ref.EnvRef}))
		return
	}
	if n.Kind != yaml.ScalarNode {
		d.errorf(d.pos(n), "", "%s: want text, a number, true, false or {envRef: NAME}, found %s", p.show, found(n))
		return
	}
	text, err := valueText(d.plain(n, p))
	if err != nil {
		d.errorf(d.pos(n), "", "%s: %v", p.show, err)
	}
	v.Set(reflect.ValueOf(Value{Text: text}))
}

// valueText renders a value as Dapr does.
func valueText(x any) (string, error) {
	switch x := x.(type) {
	case nil:
		return "", nil
	case string:
		return x, nil
	}
	text, err := json.Marshal(x)
	if err != nil {
		return "", fmt.Errorf("the value cannot be written as JSON: %w", err)
	}
	return string(text), nil
}

// scalar reads text, numbers and booleans.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, p place) {
	text, hint := n.Value, ""
	fits := n.Kind == yaml.ScalarNode
	if fits {
		switch v.Kind() {
		case reflect.Bool:
			b, ok := boolean(n)
			fits, text = ok, strconv.FormatBool(b)
		case reflect.String:
			fits = isTextNode(n)
			hint = fmt.Sprintf("put it in quotes: %q", shorten(n.Value))
		case reflect.Int:
			fits = n.ShortTag() == "!!int"
		default: // numbers with a unit: a number without one is text too
			fits = isTextNode(n) || n.ShortTag() == "!!int" || n.ShortTag() == "!!float"
		}
	}
	if !fits {
		if n.Kind != yaml.ScalarNode {
			hint = ""
		} else if _, isBool := unquoted(n); v.Kind() != reflect.String && isBool {
			hint = "remove the quotes"
		}
		d.errorf(d.pos(n), hint, "%s: want %s, found %s", p.show, want(v.Type()), found(n))
		return
	}
	if err := setText(v, text); err != nil {
		d.errorf(d.pos(n), hintOf(err), "%s: %v, found %q", p.show, err, shorten(n.Value))
		return
	}
	if err := constrain(p.field, v); err != nil {
		d.errorf(d.within(n, err), hintOf(err), "%s: %v", p.show, err)
	}
}

// unquoted tells whether a quoted text would be a number or a boolean without its quotes.
func unquoted(n *yaml.Node) (string, bool) {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
		return "", false
	}
	bare := &yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}
	_, isBool := boolean(bare)
	return n.Value, isBool || bare.ShortTag() == "!!int"
}

func isTextNode(n *yaml.Node) bool {
	tag := n.ShortTag()
	if _, isBool := boolean(n); isBool {
		return false
	}
	return tag == "!!str" || tag == "!!timestamp" // Dapr's YAML reader takes times as text
}

// setText sets v from text of the right kind.
func setText(v reflect.Value, text string) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return setText(v.Elem(), text)
	}
	if p, ok := v.Addr().Interface().(textParser); ok {
		return p.parseText(text)
	}
	if v.Type() == durationType {
		dur, err := parseDuration(text)
		v.SetInt(int64(dur))
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(text == "true")
	case reflect.Int:
		i, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
		if err != nil {
			return fmt.Errorf("want an integer of at most 64 bits")
		}
		v.SetInt(i)
	default:
		return fmt.Errorf("cannot read text into %s", v.Type())
	}
	return nil
}

// parseDuration reads Go's syntax. A number without unit is refused, for its unit would be a guess; 0 needs none.
func parseDuration(text string) (time.Duration, error) {
	dur, err := time.ParseDuration(text)
	if err == nil {
		return dur, nil
	}
	hint := ""
	if _, numErr := strconv.ParseInt(text, 10, 64); numErr == nil {
		hint = fmt.Sprintf("add the unit: %ss or %sms", text, text)
	}
	return 0, &hintError{"want " + want(durationType), hint, 0}
}

// hintError is an error with a suggestion and, for a text in which the error has a place, an offset in characters.
type hintError struct {
	msg, hint string
	offset    int
}

func (e *hintError) Error() string { return e.msg }

// hintOf gives the suggestion of an error, or "".
func hintOf(err error) string {
	if h, ok := errors.AsType[*hintError](err); ok {
		return h.hint
	}
	return ""
}

// constrain checks a scalar against its field's tags.
func constrain(f field, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		return constrainText(f, v)
	case reflect.Int, reflect.Int64:
		n := v.Int()
		if v.Type() == durationType {
			if n < 0 || f.positive && n == 0 {
				return fmt.Errorf("want a duration above zero, found %s", v.Interface())
			}
			return nil
		}
		if f.min != nil && n < *f.min || f.max != nil && n > *f.max {
			return fmt.Errorf("want %s, found %d", f.bounds(), n)
		}
	default: // no bounds
	}
	return nil
}

// bounds says which integers a field takes.
func (f field) bounds() string {
	switch {
	case f.max == nil:
		return fmt.Sprintf("%d or more", *f.min)
	case f.min == nil:
		return fmt.Sprintf("%d or less", *f.max)
	default:
		return fmt.Sprintf("%d to %d", *f.min, *f.max)
	}
}

func constrainText(f field, v reflect.Value) error {
	text := v.String()
	if f.required && text == "" {
		return fmt.Errorf("is empty (%s)", f.doc)
	}
	if len(f.enum) > 0 {
		for _, e := range f.enum {
			if strings.EqualFold(e, text) {
				v.SetString(e)
				return nil
			}
		}
		return &hintError{fmt.Sprintf("want one of %s, found %q", strings.Join(f.enum, ", "), shorten(text)), suggestEnum(text, f.enum), 0}
	}
	return check(f.check, text)
}

func suggestEnum(text string, enum []string) string {
	if c := closest(text, enum); c != "" {
		return fmt.Sprintf("did you mean %q?", c)
	}
	return ""
}

// within gives the position of an error in a text: inside it where the text stands on one line as it is.
func (d *decoder) within(n *yaml.Node, err error) Pos {
	at := d.pos(n)
	h, ok := errors.AsType[*hintError](err)
	if !ok || h.offset == 0 || strings.Contains(n.Value, "\n") {
		return at
	}
	switch n.Style {
	case 0:
		at.Col += h.offset
	case yaml.SingleQuotedStyle:
		at.Col += 1 + h.offset + strings.Count(string([]rune(n.Value)[:h.offset]), "'")
	case yaml.DoubleQuotedStyle:
		if !strings.Contains(n.Value, `"`) {
			at.Col += 1 + h.offset
		}
	default: // block text is on lines of its own
	}
	return at
}
