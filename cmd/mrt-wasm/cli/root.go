package cli

import (
	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/host"
)

const rootHelp = `mrt-wasm hosts apps and components as WebAssembly modules in one process, with Dapr's building
blocks as host functions. A manifest (Dapr's YAML and kind App) says what runs.`

const rootExample = `  mrt-wasm new app hello            # a project that builds with Go alone
  mrt-wasm run hello                # build it and serve it on http://127.0.0.1:8080/hello
  mrt-wasm validate hello           # every error of the manifest, nothing is started
  mrt-wasm invoke hello greet -d '{"name":"Ada"}'`

// newRoot makes the command tree.
func newRoot(drivers host.Drivers) *cobra.Command {
	root := &cobra.Command{
		Use:           "mrt-wasm",
		Short:         "Run wasm apps on Dapr's building blocks",
		Long:          rootHelp,
		Example:       rootExample,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		Version:       readVersion().Version,
		RunE:          group,
	}
	root.SetHelpCommand(newHelp(root))
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newRun(drivers), newBuild(drivers), newNew(), newTestComponent(drivers), newValidate(drivers), newInspect(), newComponents(drivers), newBindgen(),
		newInvoke(), newPublish(), newActor(), newConfig(), newVersion(), newCompletion(root),
	)
	markFailures(root)
	return root
}

// unknownCommand names what is close.
func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	near := cmd.SuggestionsFor(name)
	if len(near) == 0 {
		return usagef("unknown command %q", name)
	}
	return usagef("unknown command %q; did you mean %q?", name, near[0])
}

// group is the RunE of a command that only has commands below it.
func group(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	cmd.SetOut(cmd.ErrOrStderr())
	_ = cmd.Help()
	return usagef("a command is missing")
}

func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about a command",
		Example: "  mrt-wasm help run\n  mrt-wasm help new app",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd, args[len(args)-len(rest)])
			}
			return cmd.Help()
		},
	}
}
