package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/host"
)

const inspectHelp = `Tells of a WebAssembly module or component what it imports and exports, which part of the host each import would
be linked to and what the manifest has to say for that, what calls its exports, and what is missing. Nothing of
it runs.

The exit code is 1 if something that it imports is missing.`

func newInspect() *cobra.Command {
	var asJSON, asWIT bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a wasm file imports and exports, and what it would be linked to",
		Long:  inspectHelp,
		Example: `  mrt-wasm inspect orders.wasm
  mrt-wasm inspect --wit orders.wasm
  mrt-wasm inspect --json orders.wasm`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			wasm, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			found, err := host.Inspect(cmd.Context(), filepath.Base(args[0]), wasm)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			switch {
			case asJSON:
				enc := json.NewEncoder(out)
				enc.SetIndent("", "  ")
				err = enc.Encode(found)
			case asWIT && found.WIT == "":
				return fmt.Errorf("%s is a core module, which has no WIT; leave out --wit", args[0])
			case asWIT:
				_, err = io.WriteString(out, found.WIT)
			default:
				err = writeInspection(out, args[0], len(wasm), found)
			}
			return errors.Join(err, missing(found))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	cmd.Flags().BoolVar(&asWIT, "wit", false, "print the component's world as WIT")
	cmd.MarkFlagsMutuallyExclusive("json", "wit")
	return cmd
}

// missing is the error of a file that cannot be linked.
func missing(i *host.Inspection) error {
	n := 0
	for _, w := range i.Imports {
		n += len(w.Problems)
	}
	switch n {
	case 0:
		return nil
	case 1:
		return errors.New("1 import is missing")
	default:
		return fmt.Errorf("%d imports are missing", n)
	}
}

func writeInspection(out io.Writer, file string, size int, i *host.Inspection) error {
	fmt.Fprintf(out, "%s: %s of %d KiB", file, i.Kind, (size+1023)/1024)
	if len(i.Producers) > 0 {
		fmt.Fprintf(out, " made by %s", strings.Join(i.Producers, ", "))
	}
	fmt.Fprintf(out, "\nruns %s\n", i.Runs)
	fmt.Fprintln(out, "\nimports")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, imp := range i.Imports {
		provider := imp.Provider
		if provider == "" {
			provider = "MISSING"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", imp.Interface, count(len(imp.Functions), "function"), provider, imp.Manifest)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, imp := range i.Imports {
		for _, p := range imp.Problems {
			fmt.Fprintf(out, "  missing: %s\n", p)
		}
	}
	fmt.Fprintln(out, "\nexports")
	for _, exp := range i.Exports {
		name, trigger := exp.Interface, exp.Trigger
		if name == "" {
			name = "functions outside of an interface"
		}
		if trigger == "" {
			trigger = "nothing of the host calls it"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", name, count(len(exp.Functions), "function"), trigger)
	}
	return w.Flush()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
