// Command mrt-wasm-full is mrt-wasm with all of Dapr's components beside its own drivers.
package main

import (
	"fmt"
	"os"

	"github.com/mrt-wasm/mrt-wasm/cmd/mrt-wasm/cli"
	"github.com/mrt-wasm/mrt-wasm/components/contrib"
	"github.com/mrt-wasm/mrt-wasm/components/standard"
)

func main() {
	drivers, err := standard.Drivers()
	if err == nil {
		drivers, err = contrib.Drivers(drivers)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mrt-wasm-full: the list of drivers is faulty:", err)
		os.Exit(1)
	}
	os.Exit(cli.Run(drivers, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
