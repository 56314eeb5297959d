// Command warm compiles wasm files into a cache folder: warm CACHE FILE...
//
// Tests under the race detector run it, because compiling in them is slow.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "warm:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) < 2 {
		return errors.New("want a cache folder and files")
	}
	e, err := engine.New(ctx, engine.Config{CacheDir: args[0]})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close(ctx)) }()
	for _, file := range args[1:] {
		wasm, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := e.Compile(ctx, file, wasm); err != nil {
			return err
		}
	}
	return nil
}
