package link_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/componenttest"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

// tryAll does with a component all that this package can do.
func tryAll(c *component.Component) {
	_, _ = link.WIT(c)
	_, _ = link.Compose(c, map[string]*component.Component{"test:count/counters": c})
	p, err := link.Build(c)
	if err != nil {
		return
	}
	if ok, _ := p.Mergeable(); ok {
		_, _ = p.Merge()
	}
}

func FuzzBuild(f *testing.F) {
	for _, name := range []string{"app", "counter", "front", "host", "plug"} {
		f.Add(seedOf(f, name), uint64(0))
	}
	for _, file := range componenttest.Cases(f) {
		for i, c := range file.Cases {
			if c.Generated() {
				f.Add(c.Wasm, uint64(i))
			}
		}
	}
	f.Fuzz(func(_ *testing.T, b []byte, seed uint64) {
		c, err := component.Decode(b)
		if err != nil {
			return
		}
		tryAll(c)
		for i := range uint64(4) {
			if c, err = component.Decode(b); err != nil {
				return
			}
			mutate(reflect.ValueOf(c), rand.New(rand.NewPCG(seed, i)))
			tryAll(c)
		}
	})
}

// TestNotValid links components that no decoder would let pass: numbers are changed at random. It is not to panic.
func TestNotValid(t *testing.T) {
	for _, file := range componenttest.Cases(t) {
		for i, c := range file.Cases {
			if !c.Generated() || c.Kind.Refused() {
				continue
			}
			for n := range uint64(6) {
				d, err := component.Decode(c.Wasm)
				if err != nil {
					break
				}
				mutate(reflect.ValueOf(d), rand.New(rand.NewPCG(uint64(i), n)))
				tryAll(d)
			}
		}
	}
}

// mutate changes a few numbers of a tree at random.
func mutate(v reflect.Value, r *rand.Rand) {
	const rare = 30
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			mutate(v.Elem(), r)
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			mutate(f, r)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			mutate(v.Index(i), r)
		}
	case reflect.Uint8, reflect.Uint32:
		if v.CanSet() && r.IntN(rare) == 0 {
			v.SetUint(r.Uint64N(16))
		}
	case reflect.Int64:
		if v.CanSet() && r.IntN(rare) == 0 {
			v.SetInt(r.Int64N(16) - 1)
		}
	case reflect.Bool:
		if v.CanSet() && r.IntN(rare) == 0 {
			v.SetBool(r.IntN(2) == 0)
		}
	default:
	}
}
