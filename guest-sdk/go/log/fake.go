//go:build !wasip1

package log

import (
	"context"
	"log/slog"
)

var toSlog = [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// Native builds write to a handler of the standard library, so that lines show in go test -v.
var native = slog.Default().Handler()

func backendThreshold() Level {
	for l, s := range toSlog {
		if native.Enabled(context.Background(), s) {
			return Level(l)
		}
	}
	return LevelError + 1
}

func backendLog(l Level, msg string, attrs []attr) {
	args := make([]any, 0, len(attrs))
	for _, a := range attrs {
		args = append(args, slog.String(a.key, a.value))
	}
	slog.New(native).Log(context.Background(), toSlog[l], msg, args...)
}
