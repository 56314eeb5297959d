package cli

import (
	"fmt"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/wit"
)

// appLangs are the languages of new app. All but Go are folders of templates too.
func appLangs() []string { return []string{"go", "rust", "js", "c", "python"} }

// newLangApp makes a project whose app is a component.
func newLangApp(cmd *cobra.Command, dir, lang, name string) error {
	if err := checkEmpty(dir); err != nil {
		return err
	}
	if err := writeTemplates(dir, lang, name); err != nil {
		return err
	}
	if err := writeWIT(filepath.Join(dir, "wit", "deps")); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "made %s: next, build it as its README.md says, and 'mrt-wasm run %s'\n", dir, dir)
	return err
}

const newWITHelp = `Writes the WIT packages of the building blocks, one folder each, as generators of bindings want them in
wit/deps. Files of theirs that are there already are replaced; others stay.`

func newNewWIT() *cobra.Command {
	return &cobra.Command{
		Use:     "wit DIR",
		Short:   "Write the WIT of the building blocks into a folder",
		Long:    newWITHelp,
		Example: "  mrt-wasm new wit wit/deps",
		Args:    exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := writeWIT(args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "wrote the WIT of the building blocks to %s\n", args[0])
			return err
		},
	}
}

// writeWIT writes each block's package to a folder of its own below dir, for example mrt-state.
func writeWIT(dir string) error {
	return wit.Walk(func(name string, data []byte) error {
		block, file := path.Split(name)
		return writeFile(filepath.Join(dir, "mrt-"+path.Clean(block), file), data)
	})
}
