// Command generate writes the metadata fields of Dapr's components into the file that it is given.
package main

import (
	"fmt"
	"os"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/internal/fields"
)

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("want the file to write, found %d arguments", len(os.Args)-1)
	}
	module, err := fields.Module()
	if err != nil {
		return err
	}
	all, err := fields.Read(module)
	if err != nil {
		return err
	}
	text, err := fields.Encode(all)
	if err != nil {
		return err
	}
	return os.WriteFile(os.Args[1], text, 0o644) //nolint:gosec // a file of the sources
}
