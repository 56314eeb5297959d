package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component/componenttest"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// The reference tests of the Component Model, each component as one module where it can be and as a graph.
func TestComponentModel(t *testing.T) {
	for _, mode := range []struct {
		name  string
		graph bool
	}{{"merged", false}, {"graph", true}} {
		t.Run(mode.name, func(t *testing.T) {
			e := newEngine(t, func(c *engine.Config) { c.Graph = mode.graph })
			for _, file := range componenttest.Cases(t) {
				if file.Async() {
					continue
				}
				for _, c := range file.Cases {
					if c.Generated() {
						t.Run(c.ID, func(t *testing.T) { checkCase(t, e, c) })
					}
				}
			}
		})
	}
}

// checkCase runs one case and compares what comes of it with the exceptions.
func checkCase(t *testing.T, e *engine.Engine, c componenttest.Case) {
	err := runCase(t, e, c)
	reason, excepted := exceptions[c.ID]
	switch {
	case excepted && err == nil:
		t.Errorf("it passes now: take it out of the exceptions (%s)", reason)
	case !excepted && err != nil:
		t.Error(err)
	}
}

func runCase(t *testing.T, e *engine.Engine, c componenttest.Case) error {
	m, err := e.Compile(t.Context(), c.ID, c.Wasm)
	if c.Kind.Refused() {
		if err == nil {
			return fmt.Errorf("want it refused (%s), it was compiled", c.Message)
		}
		return nil
	}
	if err != nil {
		if c.Kind == componenttest.Definition {
			return nil // what is only defined may ask the host for what no host provides
		}
		return err
	}
	defer shut(t, m.Close)
	if c.Kind == componenttest.Definition {
		return nil
	}
	p, err := m.Pool(t.Context(), engine.PoolConfig{App: "test"})
	if err != nil {
		return err
	}
	defer shut(t, p.Close)
	err = p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error { return runActions(ctx, m, g, c.Actions) })
	if c.Kind == componenttest.AssertInstantiationTrap {
		if _, ok := asTrap(err); !ok {
			return fmt.Errorf("want a trap (%s), got %w", c.Message, err)
		}
		return nil
	}
	if _, ok := errors.AsType[*passed](err); ok {
		return nil
	}
	return err
}

// passed ends a case whose last action has trapped as it should.
type passed struct{}

func (*passed) Error() string { return "passed" }

func shut(t *testing.T, end func(context.Context) error) {
	t.Helper()
	if err := end(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func runActions(ctx context.Context, m *engine.Module, g abi.Guest, actions []componenttest.Action) error {
	for _, a := range actions {
		if a.GenerationError != "" {
			continue
		}
		if err := runAction(ctx, m, g, a); err != nil {
			return fmt.Errorf("line %d: %s %s: %w", a.Line, a.Kind, a.Export, err)
		}
	}
	return &passed{}
}

func runAction(ctx context.Context, m *engine.Module, g abi.Guest, a componenttest.Action) error {
	f := m.Func(a.Export)
	if f == nil {
		return fmt.Errorf("the component exports no such function; it exports %v", m.Exports())
	}
	args := make([]canon.Value, len(a.Args))
	for k, arg := range a.Args {
		if len(f.Params()) != len(a.Args) {
			return fmt.Errorf("want %d arguments, the function has %d parameters", len(a.Args), len(f.Params()))
		}
		var err error
		if args[k], err = valueOf(f.Params()[k].Type, arg); err != nil {
			return err
		}
	}
	got, err := engine.Invoke(ctx, g, a.Export, args...)
	if a.Kind == componenttest.AssertTrap {
		if _, ok := asTrap(err); !ok {
			return fmt.Errorf("want a trap (%s), got %v, %w", a.Message, got, err)
		}
		return nil
	}
	if err != nil || a.Kind == componenttest.Invoke || len(a.Results) == 0 {
		return err
	}
	want, err := valueOf(f.Result(), a.Results[0])
	if err != nil {
		return err
	}
	if !got.Equal(want) {
		return fmt.Errorf("want %+v, got %+v", want, got)
	}
	return nil
}

// valueOf reads a value of a case.
func valueOf(t *canon.Type, v componenttest.Value) (canon.Value, error) {
	switch v.Kind {
	case "bool":
		b, err := read[bool](v)
		return canon.BoolOf(b), err
	case "s64", "u64":
		s, err := read[string](v)
		if err != nil {
			return canon.Value{}, err
		}
		if v.Kind == "u64" {
			n, err := strconv.ParseUint(s, 10, 64)
			return canon.Uint(n), err
		}
		n, err := strconv.ParseInt(s, 10, 64)
		return canon.Int(n), err
	case "s8", "s16", "s32", "u8", "u16", "u32":
		n, err := read[int64](v)
		return canon.Int(n), err
	case "f32", "f64":
		s, err := read[string](v)
		if err != nil {
			return canon.Value{}, err
		}
		bits, err := strconv.ParseUint(s, 16, 64)
		return canon.Value{Bits: bits}, err
	case "char":
		s, err := read[string](v)
		return canon.CharOf([]rune(s + "\x00")[0]), err
	case "string":
		s, err := read[string](v)
		return canon.Str(s), err
	default:
		return compoundOf(t, v)
	}
}

func read[T any](v componenttest.Value) (out T, err error) {
	if err = json.Unmarshal(v.Raw, &out); err != nil {
		err = fmt.Errorf("a %s: %w", v.Kind, err)
	}
	return out, err
}

func compoundOf(t *canon.Type, v componenttest.Value) (canon.Value, error) {
	switch v.Kind {
	case "list", "tuple":
		return sequenceOf(t, v)
	case "record":
		fields, err := read[[]componenttest.NamedValue](v)
		if err != nil {
			return canon.Value{}, err
		}
		out := canon.Value{}
		for k, f := range fields {
			elem, err := valueOf(t.Members()[k].Type, f.Value)
			if err != nil {
				return out, err
			}
			out.Elems = append(out.Elems, elem)
		}
		return out, nil
	case "variant":
		c, err := read[componenttest.VariantValue](v)
		if err != nil {
			return canon.Value{}, err
		}
		return caseOf(t, label(t, c.Case), c.Payload)
	case "enum":
		s, err := read[string](v)
		return canon.Case(label(t, s)), err
	case "option":
		if string(v.Raw) == "null" {
			return canon.Case(0), nil
		}
		payload, err := read[componenttest.Value](v)
		if err != nil {
			return canon.Value{}, err
		}
		return caseOf(t, 1, &payload)
	case "result":
		r, err := read[componenttest.ResultValue](v)
		if err != nil {
			return canon.Value{}, err
		}
		n := uint32(0)
		if r.IsErr {
			n = 1
		}
		return caseOf(t, n, r.Payload)
	case "flags":
		names, err := read[[]string](v)
		set := make([]int, len(names))
		for k, name := range names {
			set[k] = int(label(t, name))
		}
		return canon.Flags(len(t.Members()), set...), err
	default:
		return canon.Value{}, fmt.Errorf("want a value of a known kind, found %q", v.Kind)
	}
}

func sequenceOf(t *canon.Type, v componenttest.Value) (canon.Value, error) {
	elems, err := read[[]componenttest.Value](v)
	if err != nil {
		return canon.Value{}, err
	}
	out := canon.Value{}
	var text []byte
	for k, e := range elems {
		elem := t.Elem()
		if v.Kind == "tuple" {
			elem = t.Members()[k].Type
		}
		x, err := valueOf(elem, e)
		if err != nil {
			return out, err
		}
		if v.Kind == "list" && elem.Kind() == canon.KindU8 {
			text = append(text, byte(x.Bits))
			continue
		}
		out.Elems = append(out.Elems, x)
	}
	out.Str = string(text)
	return out, nil
}

func caseOf(t *canon.Type, n uint32, payload *componenttest.Value) (canon.Value, error) {
	if payload == nil {
		return canon.Case(n), nil
	}
	v, err := valueOf(t.Members()[n].Type, *payload)
	return canon.Case(n, v), err
}

// label gives the number of a case or flag; one past the last for a name that is none.
func label(t *canon.Type, name string) uint32 {
	for k, m := range t.Members() {
		if m.Name == name {
			return uint32(k)
		}
	}
	return uint32(len(t.Members()))
}
