package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/source"
)

const buildHelp = `Builds Go sources to wasm with the Go toolchain of this machine.

FILE is a manifest, of which all apps with source.go are built; DIR is a folder of manifests, or a Go main package.
The files go to the folder of built apps that run uses, or to --out: a folder, or for a single app a .wasm file.`

func newBuild(drivers host.Drivers) *cobra.Command {
	var out, data string
	cmd := &cobra.Command{
		Use:   "build FILE|DIR",
		Short: "Build the Go sources of a manifest, or one Go package, to wasm",
		Long:  buildHelp,
		Example: `  mrt-wasm build manifest.yaml --out dist
  mrt-wasm build ./orders --out orders.wasm`,
		Args: exactly("FILE|DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			report := &reporter{people: cmd.ErrOrStderr()}
			specs, err := buildSpecs(drivers, report, args[0])
			if err != nil {
				return err
			}
			dir, file := outputOf(out, data)
			if file != "" {
				if len(specs) != 1 {
					return usagef("--out %s is a file, and %s has %s; give a folder", out, args[0], plural(len(specs), "Go source"))
				}
				specs[0].App = strings.TrimSuffix(file, ".wasm")
			}
			b := source.New(source.Options{Dir: dir, Progress: report.build})
			if err := b.Prepare(cmd.Context(), specs); err != nil {
				return err
			}
			for _, s := range specs {
				fmt.Fprintln(cmd.OutOrStdout(), b.Path(s.App))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "folder, or .wasm file (default DATA/build)")
	cmd.Flags().StringVar(&data, "data", host.DefaultDataDir, "data folder, as for run")
	return cmd
}

// outputOf splits --out into folder and file; the file is empty for a folder.
func outputOf(out, data string) (dir, file string) {
	switch {
	case out == "":
		return filepath.Join(data, "build"), ""
	case strings.HasSuffix(out, ".wasm"):
		return filepath.Dir(out), filepath.Base(out)
	}
	return out, ""
}

// buildSpecs finds what a path means.
func buildSpecs(drivers host.Drivers, report *reporter, path string) ([]source.Spec, error) {
	if isGoPackage(path) {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		return []source.Spec{{App: filepath.Base(abs), Go: path}}, nil
	}
	m, err := loadManifest(drivers, report, []string{path}, &wasmFlags{})
	if err != nil {
		return nil, err
	}
	specs := goSources(m)
	if len(specs) == 0 {
		return nil, fmt.Errorf("%s has no app with source.go, so there is nothing to build", path)
	}
	return specs, nil
}

func goSources(m *manifest.Manifest) []source.Spec {
	var specs []source.Spec
	for _, s := range source.All(m.Apps) {
		if s.Go != "" {
			specs = append(specs, s)
		}
	}
	return specs
}

// isGoPackage tells whether path is a folder with Go files and without manifests.
func isGoPackage(path string) bool {
	entries, err := os.ReadDir(path)
	if err != nil {
		return false
	}
	hasGo := false
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".yaml", ".yml":
			return false
		case ".go":
			hasGo = true
		}
	}
	return hasGo
}
