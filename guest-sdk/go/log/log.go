// Package log writes structured lines to the host's log, joined with the app's name and the trace of the call.
// Handler makes it a log/slog back end:
//
//	slog.SetDefault(slog.New(log.Handler()))
package log

import "fmt"

// Level says how much a line matters.
type Level uint8

// The levels.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// Debug writes a line of level debug; args are keys and values in turn, as in log/slog.
func Debug(msg string, args ...any) { write(LevelDebug, msg, args) }

// Info writes a line of level info.
func Info(msg string, args ...any) { write(LevelInfo, msg, args) }

// Warn writes a line of level warn.
func Warn(msg string, args ...any) { write(LevelWarn, msg, args) }

// Error writes a line of level error.
func Error(msg string, args ...any) { write(LevelError, msg, args) }

// Enabled tells whether the host keeps lines of the level.
func Enabled(l Level) bool { return l >= backendThreshold() }

type attr struct{ key, value string }

func write(l Level, msg string, args []any) {
	if !Enabled(l) {
		return
	}
	attrs := make([]attr, 0, (len(args)+1)/2)
	for i := 0; i < len(args); i += 2 {
		key, ok := args[i].(string)
		if !ok || i+1 == len(args) {
			attrs = append(attrs, attr{"!BADKEY", fmt.Sprint(args[i])})
			i--
			continue
		}
		attrs = append(attrs, attr{key, fmt.Sprint(args[i+1])})
	}
	backendLog(l, msg, attrs)
}
