package source

import "testing"

func TestTooOld(t *testing.T) {
	for version, want := range map[string]bool{
		"go1.23": true, "go1.23.12": true, "go1.9": true, "go1.24": false, "go1.24rc1": false, "go1.26.8": false,
		"go1.26.8 X:nodwarf5": false, "devel go1.27-f0000 Mon": false, "go2.0": false, "": false, "gotip": false,
		"go1.x": false,
	} {
		if got := tooOld(version); got != want {
			t.Errorf("tooOld(%q) = %v, want %v", version, got, want)
		}
	}
}
