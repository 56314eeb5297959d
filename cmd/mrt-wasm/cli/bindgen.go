package cli

import (
	"fmt"
	"go/token"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/abi/witgen"
)

const bindgenHelp = `Writes Go for a world of a WIT file or folder. For guests that is what an app calls and exports, for standard
Go's wasip1; it needs the packages of the SDK. For hosts it is an interface to implement for each import and a
typed function for each export.

The world may use all value types and resources of WIT; streams and futures are refused by name.`

func newBindgen() *cobra.Command {
	var opts witgen.Options
	var side, out string
	cmd := &cobra.Command{
		Use:   "bindgen WIT",
		Short: "Write Go bindings for a WIT world",
		Long:  bindgenHelp,
		Example: `  mrt-wasm bindgen wit/greeter.wit --out greeter
  mrt-wasm bindgen wit --world app --side host --package app --out internal/app`,
		Args: exactly("WIT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := defaultPackage(&opts.Package, out); err != nil {
				return err
			}
			write := map[string]func(*witgen.Set, witgen.Options) ([]witgen.File, error){
				"guest": witgen.Guest, "host": witgen.Host,
			}[side]
			if write == nil {
				return usagef("--side is %q, expected guest or host", side)
			}
			set, err := witgen.Load(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			files, err := write(set, opts)
			if err != nil {
				return err
			}
			if err := witgen.Write(out, files); err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintln(cmd.OutOrStdout(), filepath.Join(out, filepath.FromSlash(f.Name)))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&side, "side", "guest", "guest or host")
	complete(cmd, "side", "guest", "host")
	f.StringVar(&opts.World, "world", "", "name of the world (default: the only one there is)")
	f.StringVar(&opts.Package, "package", "", "name of the Go package (default: the name of the output folder)")
	f.StringVarP(&out, "out", "o", ".", "folder to write to")
	return cmd
}

// defaultPackage takes the output folder's name for a package that is not named.
func defaultPackage(name *string, out string) error {
	if *name != "" {
		return nil
	}
	abs, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	*name = strings.ToLower(strings.ReplaceAll(filepath.Base(abs), "-", ""))
	if !token.IsIdentifier(*name) {
		return usagef("the folder's name %q is no name for a Go package; give one with --package", filepath.Base(abs))
	}
	return nil
}
