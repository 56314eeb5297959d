package cli

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
)

// exactly wants one argument for each name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usagef("expected %s, found %s", strings.Join(names, " "), foundArgs(args))
	}
}

// atLeastOne wants one or more arguments.
func atLeastOne(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return usagef("expected %s, found %s", name, foundArgs(args))
	}
}

func foundArgs(args []string) string {
	if len(args) == 0 {
		return "no argument"
	}
	return plural(len(args), "argument") + ": " + strings.Join(args, " ")
}

// complete has the shell complete a flag that takes one of a few values.
func complete(cmd *cobra.Command, flag string, values ...string) {
	// The error is that the flag does not exist or has this already; a test completes each.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// flagError adds to the error of an unknown flag the one that was likely meant.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || len(unknown.GetSpecifiedName()) < 2 {
		return err
	}
	const far = 3
	best, name := far, ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := levenshtein.ComputeDistance(unknown.GetSpecifiedName(), f.Name); d < best && d < len(f.Name)-1 {
			best, name = d, f.Name
		}
	})
	if name == "" {
		return err
	}
	return fmt.Errorf("%w; did you mean --%s?", err, name)
}

// checkListen checks the addresses of run before anything is built for them.
func checkListen(front, api, token string) error {
	for _, a := range [][2]string{{"--http", front}, {"--api", api}} {
		if err := checkAddress(a[0], a[1]); err != nil {
			return err
		}
	}
	if token == "" && !wire.Loopback(api) {
		return usagef("--api %s can be reached from other machines, and whoever reaches the API may use all components; "+
			"set %s to a secret that clients send as %s, or listen on %s", api, tokenEnv, tokenHeader, defaultAPI)
	}
	return nil
}

func checkAddress(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		if _, lookup := net.LookupPort("tcp", port); lookup == nil {
			return nil
		}
	}
	hint := ""
	if _, err := strconv.ParseUint(address, 10, 16); err == nil {
		hint = fmt.Sprintf("; did you mean 127.0.0.1:%s?", address)
	}
	return usagef("%s %q is not an address to listen on, expected host:port, for example 127.0.0.1:8080%s", flag, address, hint)
}

// between wants from low to high arguments; usage names them.
func between(low, high int, usage string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if low <= len(args) && len(args) <= high {
			return nil
		}
		return usagef("expected %s, found %s", usage, foundArgs(args))
	}
}
