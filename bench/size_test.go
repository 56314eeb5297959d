package bench

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// TestSizes prints what net/http costs in a guest, and holds that it costs: if the light types ever link it, they
// are not light.
func TestSizes(t *testing.T) {
	light, heavy := len(enginetest.Build(t, "testdata/hello")), len(enginetest.Build(t, "testdata/hellonet"))
	t.Logf("hello with http: %.1f MB; with http/nethttp: %.1f MB", float64(light)/1e6, float64(heavy)/1e6)
	if heavy-light < 1<<20 {
		t.Errorf("http takes %d bytes and http/nethttp %d: want the light one smaller by a MiB or more", light, heavy)
	}
}
