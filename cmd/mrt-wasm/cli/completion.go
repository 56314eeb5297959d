package cli

import (
	"github.com/spf13/cobra"
)

func newCompletion(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes commands and flags in your shell",
		Example: `  source <(mrt-wasm completion bash)
  mrt-wasm completion zsh > "${fpath[1]}/_mrt-wasm"
  mrt-wasm completion fish > ~/.config/fish/completions/mrt-wasm.fish`,
		Args:      cobra.MatchAll(exactly("bash|zsh|fish|powershell"), cobra.OnlyValidArgs),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return root.GenPowerShellCompletionWithDesc(out)
		},
	}
}
