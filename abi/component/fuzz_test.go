package component_test

import (
	"errors"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/componenttest"
)

func seed(f *testing.F) {
	for _, file := range componenttest.Cases(f) {
		for _, c := range file.Cases {
			if c.Generated() && len(c.Wasm) < 4096 {
				f.Add(c.Wasm)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := component.Decode(b)
		checkError(t, err, len(b))
		if err == nil && len(c.Defs) != len(c.Offsets) {
			t.Errorf("got %d definitions and %d offsets", len(c.Defs), len(c.Offsets))
		}
	})
}

func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := component.Parse(b)
		checkError(t, err, len(b))
	})
}

// checkError checks that an error says where and what.
func checkError(t *testing.T, err error, size int) {
	if err == nil {
		return
	}
	var e *component.Error
	if !errors.As(err, &e) || e.Expected == "" || e.Found == "" || e.Offset < 0 || e.Offset > size || len(err.Error()) > 2000 {
		t.Errorf("got error %+v", err)
	}
}
