// Command generate writes all checked-in glue and the blocks' pages from the WIT of this repository. It takes the
// repository's root as its argument; the default is the working folder.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mrt-wasm/mrt-wasm/abi/witgen"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := run(context.Background(), root); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string) error {
	files, err := witgen.Repository(ctx, filepath.Join(root, "wit"))
	if err != nil {
		return err
	}
	return witgen.WriteRepository(root, files)
}
