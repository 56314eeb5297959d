package cli

import (
	"bytes"
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

The exit code is 1 if something that it imports is missing, or something that it exports has another type than the
host calls.`

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
				enc.SetEscapeHTML(false) // types have < and >
				err = enc.Encode(found)
			case asWIT && found.WIT == "":
				return fmt.Errorf("%s is a core module, which has no WIT; leave out --wit", args[0])
			case asWIT:
				_, err = io.WriteString(out, found.WIT)
			default:
				writeInspection(out, args[0], len(wasm), found)
			}
			return errors.Join(err, unfit(found))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	cmd.Flags().BoolVar(&asWIT, "wit", false, "print the component's world as WIT")
	cmd.MarkFlagsMutuallyExclusive("json", "wit")
	return cmd
}

// unfit is the error of a file that cannot be linked.
func unfit(i *host.Inspection) error {
	n := 0
	for _, w := range i.Imports {
		n += len(w.Problems)
	}
	var missing, wrong error
	if n > 0 {
		missing = errors.New(count(n, "import") + " missing")
	}
	if n := len(i.Problems); n > 0 {
		wrong = errors.New(count(n, "export") + " of another type than the host calls")
	}
	return errors.Join(missing, wrong)
}

func writeInspection(out io.Writer, file string, size int, i *host.Inspection) {
	fmt.Fprintf(out, "%s: %s of %d KiB", file, i.Kind, (size+1023)/1024)
	if len(i.Producers) > 0 {
		fmt.Fprintf(out, " made by %s", strings.Join(i.Producers, ", "))
	}
	fmt.Fprintf(out, "\nruns %s\n", i.Runs)
	fmt.Fprintln(out, "\nimports"+none(len(i.Imports)))
	var rows [][]string
	for _, imp := range i.Imports {
		provider := imp.Provider
		if provider == "" {
			provider = "MISSING"
		}
		rows = append(rows, []string{imp.Interface, count(len(imp.Functions), "function"), provider, imp.Manifest})
	}
	writeTable(out, rows)
	for _, imp := range i.Imports {
		for _, p := range imp.Problems {
			fmt.Fprintf(out, "  missing: %s\n", p)
		}
	}
	fmt.Fprintln(out, "\nexports"+none(len(i.Exports)))
	rows = nil
	for _, exp := range i.Exports {
		name, trigger := exp.Interface, exp.Trigger
		if name == "" {
			name = "functions outside of an interface"
		}
		if trigger == "" {
			trigger = "nothing of the host calls it"
		}
		rows = append(rows, []string{name, count(len(exp.Functions), "function"), trigger})
	}
	writeTable(out, rows)
	for _, p := range i.Problems {
		fmt.Fprintf(out, "  wrong: %s\n", p)
	}
}

// writeTable writes rows with their columns one below the other.
func writeTable(out io.Writer, rows [][]string) {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(w, "  %s\n", strings.Join(row, "\t"))
	}
	_ = w.Flush() // a buffer takes everything
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(out, strings.TrimRight(line, " \n"))
	}
}

// none says that a list is empty.
func none(n int) string {
	if n == 0 {
		return " nothing"
	}
	return ""
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
