package link_test

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/componenttest"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

func TestWIT(t *testing.T) {
	for _, name := range []string{"app", "counter", "host", "plug"} {
		got, err := link.WIT(load(t, name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		golden(t, name+".wit", got)
	}
}

// TestWITOfAll checks that every valid component has a WIT, also those that cannot be linked.
func TestWITOfAll(t *testing.T) {
	for _, f := range componenttest.Cases(t) {
		for _, c := range f.Cases {
			if c.Kind.Refused() || !c.Generated() {
				continue
			}
			d, err := component.Decode(c.Wasm)
			if err != nil {
				continue
			}
			if _, err := link.WIT(d); err != nil {
				t.Errorf("%s: %v", c.ID, err)
			}
		}
	}
}
