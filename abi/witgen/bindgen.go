package witgen

import (
	"context"
	"fmt"
)

// Request is what `mrt-wasm bindgen` is asked for.
type Request struct {
	// Path is a .wit file or a folder of them; see Load.
	Path string
	// World names the world; empty is the only one there is.
	World string
	// Side is "host" or "guest".
	Side string
	// Package is the name of the Go package to be written.
	Package string
	// Out is the folder that the files go to. It is made if it is not there.
	Out string
}

// Bindgen loads, generates and writes. It gives the names of the files below r.Out.
func Bindgen(ctx context.Context, r Request) ([]string, error) {
	generate, ok := map[string]func(*Set, Options) ([]File, error){"host": Host, "guest": Guest}[r.Side]
	if !ok {
		return nil, fmt.Errorf("side: expected host or guest, found %q", r.Side)
	}
	if r.Out == "" {
		return nil, fmt.Errorf("out: expected the folder to write to, found none")
	}
	set, err := Load(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	files, err := generate(set, Options{World: r.World, Package: r.Package})
	if err != nil {
		return nil, err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	return names, Write(r.Out, files)
}
