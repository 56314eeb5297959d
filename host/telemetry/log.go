package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
)

// The formats of log lines.
const (
	// LogAuto is LogPretty on a terminal and LogJSON otherwise.
	LogAuto = "auto"
	// LogPretty is for people: one coloured line; without colours when w is no terminal or NO_COLOR is set.
	LogPretty = "pretty"
	// LogJSON is one JSON object a line.
	LogJSON = "json"
)

// NewLogger makes the host's logger: lines of at least level go to w, with trace_id and span_id of the call that
// they belong to. format is LogAuto (also ""), LogPretty or LogJSON; anything else is an error.
func NewLogger(w io.Writer, level slog.Leveler, format string) (*slog.Logger, error) {
	f, isFile := w.(*os.File)
	terminal := isFile && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
	if format == "" || format == LogAuto {
		format = LogJSON
		if terminal {
			format = LogPretty
		}
	}
	switch format {
	case LogPretty:
		return slog.New(traced{tint.NewTextHandler(w, &tint.Options{
			Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal || os.Getenv("NO_COLOR") != "",
		})}), nil
	case LogJSON:
		return slog.New(traced{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})}), nil
	default:
		return nil, fmt.Errorf("log format: expected %s, %s or %s, found %q", LogAuto, LogPretty, LogJSON, format)
	}
}

// ParseLevel reads debug, info, warn or error, in any case.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "info", "":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	default:
		return 0, fmt.Errorf("log level: expected debug, info, warn or error, found %q", s)
	}
}

// traced adds the call's trace to every record. Inside a group the ids are inside it as well.
type traced struct{ slog.Handler }

// Handle adds trace_id and span_id and passes the record on.
func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if id := TraceID(ctx); id != "" {
		if !has(r, "trace_id") {
			r.AddAttrs(slog.String("trace_id", id))
		}
		if span := SpanID(ctx); span != "" {
			r.AddAttrs(slog.String("span_id", span))
		}
	}
	return h.Handler.Handle(ctx, r)
}

// has tells whether a record has the attribute already: lines of guests come with their trace.
func has(r slog.Record, key string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}

// WithAttrs keeps the wrapping.
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

// WithGroup keeps the wrapping.
func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }
