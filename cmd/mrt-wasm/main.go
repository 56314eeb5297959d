// Command mrt-wasm runs apps and components that are wasm modules on Dapr's building blocks. This is the standard binary:
// its commands are package cli, its drivers package standard.
package main

import (
	"fmt"
	"os"

	"github.com/mrt-wasm/mrt-wasm/cmd/mrt-wasm/cli"
	"github.com/mrt-wasm/mrt-wasm/components/standard"
)

func main() {
	drivers, err := standard.Drivers()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mrt-wasm: the list of drivers is faulty:", err)
		os.Exit(1)
	}
	os.Exit(cli.Run(drivers, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
