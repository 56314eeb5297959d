package binding

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// direction is which ways a binding is used: what its metadata says, within what its driver can.
type direction struct {
	in, out bool
	// said tells that the metadata asks for input: then some app has to handle the events.
	said bool
}

// directionOf reads the metadata field direction ("input", "output" or "input, output").
func directionOf(metadata component.Metadata, driver Binding) (direction, error) {
	_, in := driver.(Input)
	_, out := driver.(Output)
	text, ok := metadata.Get("direction")
	if !ok || strings.TrimSpace(text) == "" {
		return direction{in: in, out: out}, nil
	}
	d := direction{}
	for part := range strings.SplitSeq(text, ",") {
		switch strings.ToLower(strings.TrimSpace(part)) {
		case "input":
			d.in, d.said = true, true
		case "output":
			d.out = true
		default:
			return d, fmt.Errorf("metadata field direction: want input, output or \"input, output\"; found %q", text)
		}
	}
	if d.in && !in {
		return d, errors.New("metadata field direction: says input, but bindings of this type bring no events")
	}
	if d.out && !out {
		return d, errors.New("metadata field direction: says output, but bindings of this type cannot be called")
	}
	return d, nil
}

// routeOf is the metadata field route, as a path; without it, it is the component's name.
func routeOf(metadata component.Metadata, name string) string {
	route, _ := metadata.Get("route")
	if route == "" {
		route = name
	}
	return "/" + strings.TrimPrefix(route, "/")
}

// join lists names for an error.
func join(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
