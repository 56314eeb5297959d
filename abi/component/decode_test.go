package component_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

func TestIsComponent(t *testing.T) {
	tests := []struct {
		b    string
		want bool
	}{
		{"\x00asm\x0d\x00\x01\x00", true},
		{"\x00asm\x0e\x00\x01\x00rest", true},
		{"\x00asm\x01\x00\x00\x00", false},
		{"\x00asm\x0d\x00\x01", false},
		{"", false},
		{"\x7fELF\x0d\x00\x01\x00", false},
	}
	for _, tt := range tests {
		if got := component.IsComponent([]byte(tt.b)); got != tt.want {
			t.Errorf("IsComponent(%q): got %v, want %v", tt.b, got, tt.want)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := []struct {
		name   string
		b      []byte
		offset int
		want   string
	}{
		{"empty", nil, 0, "preamble"},
		{"module", []byte("\x00asm\x01\x00\x00\x00"), 6, "a core module (layer 0)"},
		{"version", []byte("\x00asm\x0e\x00\x01\x00"), 4, "version 0xe"},
		{"layer", []byte("\x00asm\x0d\x00\x02\x00"), 6, "layer 2"},
		{"section", comp(sec(13)), 8, "a section of a component (0 to 12), found 13"},
		{"value section", comp(sec(12, 0)), 10, "value definitions"},
		{"section too long", comp([]byte{idType, 5, 0}), 10, "5 bytes"},
		{"trailing bytes", comp(sec(idType, 0, byte(1))), 11, "the end of the section, found 1 more bytes"},
		{"count", comp(sec(idType, 1_000, byte(1))), 10, "no more types than bytes left"},
		{"type", comp(vec(idType, cat(u8Code), cat(byte(0x62)))), 12, "type 1: expected a type"},
		{"name UTF-8", comp(vec(idImport, cat(byte(0), "\xff\xfe", byte(1), 0))), 12, "UTF-8"},
		{"sort", comp(vec(idAlias, cat(byte(6), byte(2), 0, 0))), 11, "a sort"},
		{"outer instance", comp(vec(idAlias, cat(byte(5), byte(2), 0, 0))), 12, "an outer alias"},
		{"canon", comp(vec(idCanon, cat(byte(0x30)))), 11, "a canonical definition, found 0x30"},
		{"option twice", comp(vec(idCanon, cat(byte(1), byte(0), 0, 2, byte(3), 0, byte(3), 0))), 17, "memory in addition"},
		{"core type", comp(vec(idCoreType, cat(byte(0x5f)))), 11, "not supported, found 0x5f"},
		{"nested", comp(sec(idComponent, comp(vec(idType, cat(byte(0x62)))))), 21, "a type"},
		{"attribute twice", comp(vec(idImport, cat(byte(2), "a", 2, byte(2), "x", byte(2), "y", byte(1), 0))), 18, "attribute 0x02 twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := component.Decode(tt.b)
			var e *component.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Offset != tt.offset || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v (offset %d), want offset %d and %q", err, e.Offset, tt.offset, tt.want)
			}
		})
	}
}

func TestCustomSections(t *testing.T) {
	names := sec(idCustom, "component-name",
		sec(0, "my-component"),
		sec(1, byte(1), 2, 0, "f", 3, "g"),
		sec(1, byte(0), byte(0), 1, 7, "core-f"))
	producers := sec(idCustom, "producers", 2,
		"language", 1, "Rust", "",
		"processed-by", 2, "rustc", "1.90.0", "wit-component", "0.230.0")
	c, err := component.Parse(comp(names, producers, sec(idCustom, "other", byte(0xff))))
	if err != nil {
		t.Fatal(err)
	}
	want := &component.Names{Component: "my-component", ByRef: map[component.Ref]string{
		{Sort: component.SortFunc, Index: 0}:     "f",
		{Sort: component.SortFunc, Index: 3}:     "g",
		{Sort: component.SortCoreFunc, Index: 7}: "core-f",
	}}
	if !reflect.DeepEqual(c.Names, want) {
		t.Errorf("names: got %+v, want %+v", c.Names, want)
	}
	wantProducers := []component.Producer{
		{Field: "language", Name: "Rust"},
		{Field: "processed-by", Name: "rustc", Version: "1.90.0"},
		{Field: "processed-by", Name: "wit-component", Version: "0.230.0"},
	}
	if !reflect.DeepEqual(c.Producers, wantProducers) {
		t.Errorf("producers: got %+v, want %+v", c.Producers, wantProducers)
	}
}

// TestGarbageInCustomSections: what is wrong in sections for messages does not matter.
func TestGarbageInCustomSections(t *testing.T) {
	for _, body := range [][]byte{
		{0xff}, {0, 5, 1}, sec(1, byte(9), 1), sec(1, byte(1), 1_000_000), sec(1, byte(1), 1, 0, "\xff"), sec(0, 3_000_000_000),
	} {
		for _, name := range []string{"component-name", "producers"} {
			if _, err := component.Parse(comp(sec(idCustom, name, body))); err != nil {
				t.Errorf("%s % x: got %v, want it to be ignored", name, body, err)
			}
		}
	}
}
