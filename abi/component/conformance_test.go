package component_test

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/componenttest"
)

// exceptions are the cases that do not come out as the reference tests say, with the reason.
var exceptions = map[string]string{}

func TestConformance(t *testing.T) {
	ran := 0
	for _, f := range componenttest.Cases(t) {
		for _, c := range f.Cases {
			if !c.Generated() {
				continue
			}
			ran++
			_, err := component.Parse(c.Wasm)
			right := (err != nil) == c.Kind.Refused()
			reason, excepted := exceptions[c.ID]
			switch {
			case excepted && right:
				t.Errorf("%s comes out right: remove it from the exceptions (%s)", c.ID, reason)
			case !excepted && !right && err != nil:
				t.Errorf("%s: got %v, want it to be accepted", c.ID, err)
			case !excepted && !right:
				t.Errorf("%s: got it accepted, want it refused: %s", c.ID, c.Message)
			}
		}
	}
	if ran != 887 {
		t.Errorf("got %d cases, want 887", ran)
	}
}
