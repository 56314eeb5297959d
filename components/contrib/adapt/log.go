package adapt

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/dapr/kit/logger"
)

// log is the host's logger in Dapr's form. What is fatal to daprd is an error here: a component never ends the host.
type log struct{ to *slog.Logger }

var _ logger.Logger = log{}

var levels = map[logger.LogLevel]slog.Level{
	logger.DebugLevel: slog.LevelDebug, logger.InfoLevel: slog.LevelInfo, logger.WarnLevel: slog.LevelWarn,
	logger.ErrorLevel: slog.LevelError, logger.FatalLevel: slog.LevelError,
}

func (l log) write(level slog.Level, args []any) {
	if ctx := context.Background(); l.to.Enabled(ctx, level) {
		l.to.Log(ctx, level, fmt.Sprint(args...))
	}
}

func (l log) writef(level slog.Level, format string, args []any) {
	if ctx := context.Background(); l.to.Enabled(ctx, level) {
		l.to.Log(ctx, level, fmt.Sprintf(format, args...))
	}
}

// EnableJSONOutput does nothing: the host chooses the form.
func (log) EnableJSONOutput(bool) {}

// SetAppID does nothing: lines of a component belong to no app.
func (log) SetAppID(string) {}

// SetOutputLevel does nothing: the host chooses the level.
func (log) SetOutputLevel(logger.LogLevel) {}

// SetOutput does nothing: the host chooses where lines go.
func (log) SetOutput(io.Writer) {}

// IsOutputLevelEnabled tells whether lines of this level are written.
func (l log) IsOutputLevelEnabled(level logger.LogLevel) bool {
	return l.to.Enabled(context.Background(), levels[level])
}

// WithLogType gives a logger whose lines have the field log_type.
func (l log) WithLogType(logType string) logger.Logger { return log{l.to.With("log_type", logType)} }

// WithFields gives a logger with further fields.
func (l log) WithFields(fields map[string]any) logger.Logger {
	to := l.to
	for name, v := range fields {
		to = to.With(name, v)
	}
	return log{to}
}

// Info writes a line.
func (l log) Info(args ...any) { l.write(slog.LevelInfo, args) }

// Infof writes a line.
func (l log) Infof(format string, args ...any) { l.writef(slog.LevelInfo, format, args) }

// Debug writes a line.
func (l log) Debug(args ...any) { l.write(slog.LevelDebug, args) }

// Debugf writes a line.
func (l log) Debugf(format string, args ...any) { l.writef(slog.LevelDebug, format, args) }

// Warn writes a line.
func (l log) Warn(args ...any) { l.write(slog.LevelWarn, args) }

// Warnf writes a line.
func (l log) Warnf(format string, args ...any) { l.writef(slog.LevelWarn, format, args) }

// Error writes a line.
func (l log) Error(args ...any) { l.write(slog.LevelError, args) }

// Errorf writes a line.
func (l log) Errorf(format string, args ...any) { l.writef(slog.LevelError, format, args) }

// Fatal writes a line, and nothing ends.
func (l log) Fatal(args ...any) { l.write(slog.LevelError, args) }

// Fatalf writes a line, and nothing ends.
func (l log) Fatalf(format string, args ...any) { l.writef(slog.LevelError, format, args) }
