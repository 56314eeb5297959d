// Command natsserver is a NATS server for tests: in a process of its own, so that it can be killed and started again.
// Its arguments are those of nats-server.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "natsserver:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	help := func() {
		fmt.Fprintln(out, "natsserver takes the arguments of nats-server, for example -a 127.0.0.1 -p 4222 -js -sd DIR")
	}
	opts, err := server.ConfigureOptions(flag.NewFlagSet("natsserver", flag.ContinueOnError), args, help, help, help)
	if err != nil {
		return err
	}
	if opts == nil {
		return nil
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		return err
	}
	s.WaitForShutdown()
	return nil
}
