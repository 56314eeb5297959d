package abi

import "testing"

func TestTrack(t *testing.T) {
	for name, want := range map[string]string{
		"wasi:io/streams@0.2.3":                 "wasi:io/streams@0.2",
		"wasi:io/streams@0.2.12":                "wasi:io/streams@0.2",
		"a:b/c@1.4.0":                           "a:b/c@1",
		"a:b/c@12.0.1+build.7":                  "a:b/c@12",
		"a:b/c@0.0.3":                           "a:b/c@0.0.3",
		"wasi:keyvalue/store@0.2.0-draft2":      "wasi:keyvalue/store@0.2.0-draft2",
		"wasi:keyvalue/store@0.2.0-draft2+meta": "wasi:keyvalue/store@0.2.0-draft2",
		"a:b/c":                                 "a:b/c",
		"a:b/c@0.0.0":                           "a:b/c@0.0.0",
		"":                                      "",
	} {
		if got := Track(name); got != want {
			t.Errorf("Track(%q) = %q, want %q", name, got, want)
		}
	}
}
