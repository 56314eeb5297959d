package cli

import (
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// logFlags are the flags of commands that log.
type logFlags struct{ level, format string }

func (l *logFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.level, "log-level", "info", "lowest level of lines to log: debug, info, warn or error")
	cmd.Flags().StringVar(&l.format, "log-format", telemetry.LogAuto, "auto (pretty on a terminal, else json), pretty or json")
	complete(cmd, "log-level", "debug", "info", "warn", "error")
	complete(cmd, "log-format", telemetry.LogAuto, telemetry.LogPretty, telemetry.LogJSON)
}

// open makes the logger, and tells whether output is for people.
func (l *logFlags) open(w io.Writer) (log *slog.Logger, pretty bool, err error) {
	level, err := telemetry.ParseLevel(l.level)
	if err != nil {
		return nil, false, usagef("--log-level: %v", err)
	}
	log, err = telemetry.NewLogger(w, level, l.format)
	if err != nil {
		return nil, false, usagef("--log-format: %v", err)
	}
	return log, l.format == telemetry.LogPretty || l.format != telemetry.LogJSON && isTerminal(w), nil
}

// isTerminal tells whether a person reads w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
