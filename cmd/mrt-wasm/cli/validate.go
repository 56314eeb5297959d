package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/source"
)

const validateHelp = `Checks a manifest and prints everything that is wrong with it, each with file, line and column. Nothing is
started. With --build the apps are built and linked too, so that a missing handler or import is found; for that
the components are opened, but no app is called and nothing listens.

The exit code is 1 if there is an error; warnings alone are fine.`

func newValidate(drivers host.Drivers) *cobra.Command {
	var (
		build bool
		data  string
	)
	cmd := &cobra.Command{
		Use:   "validate FILE|DIR...",
		Short: "Check a manifest without starting anything",
		Long:  validateHelp,
		Example: `  mrt-wasm validate manifest.yaml
  mrt-wasm validate deploy/ --build`,
		Args: atLeastOne("FILE|DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			m, err := readManifest(drivers, args, true)
			if found, ok := errors.AsType[manifest.Diagnostics](err); ok {
				fmt.Fprintln(out, found.Error())
				return errors.New(countProblems(found))
			}
			if err != nil {
				return err
			}
			if len(m.Warnings) > 0 {
				fmt.Fprintln(out, m.Warnings.Error())
			}
			if build {
				if err := link(cmd, drivers, m, data); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(out, "%s is valid: %s\n", strings.Join(args, ", "), inventory(m))
			return err
		},
	}
	cmd.Flags().BoolVar(&build, "build", false, "build and link the apps too")
	cmd.Flags().StringVar(&data, "data", host.DefaultDataDir, "folder whose build folder takes the built apps")
	return cmd
}

// link builds the apps and makes a host of them that is never started, on a data folder of its own: the real one
// may be in use.
func link(cmd *cobra.Command, drivers host.Drivers, m *manifest.Manifest, data string) error {
	ctx := cmd.Context()
	report := &reporter{people: cmd.ErrOrStderr()}
	b := source.New(source.Options{Dir: filepath.Join(data, "build"), Progress: report.build})
	if err := b.Prepare(ctx, source.All(m.Apps)); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mrt-wasm-validate-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	h, err := host.New(ctx, host.Options{
		Manifest: m, DataDir: dir, CacheDir: os.Getenv(cacheEnv), Drivers: drivers, Loader: source.Loader{Builder: b},
		Log: slog.New(slog.DiscardHandler), Version: readVersion().Version,
	})
	if err != nil {
		return err
	}
	return h.Stop(context.WithoutCancel(ctx))
}

// countProblems gives for example "2 errors, 1 warning".
func countProblems(ds manifest.Diagnostics) string {
	text := plural(len(ds.Errors()), "error")
	if n := len(ds.Warnings()); n > 0 {
		text += ", " + plural(n, "warning")
	}
	return text
}

// inventory says what a manifest declares.
func inventory(m *manifest.Manifest) string {
	parts := []string{
		plural(len(m.Apps), "app"), plural(len(m.Components), "component"), plural(len(m.Subscriptions), "subscription"),
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
