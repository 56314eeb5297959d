package log

import (
	"context"
	"log/slog"
)

// Handler is a log/slog handler that writes to the host's log.
func Handler() slog.Handler { return handler{} }

type handler struct {
	attrs []attr
	group string
}

func level(l slog.Level) Level {
	switch {
	case l < slog.LevelInfo:
		return LevelDebug
	case l < slog.LevelWarn:
		return LevelInfo
	case l < slog.LevelError:
		return LevelWarn
	default:
		return LevelError
	}
}

func (h handler) Enabled(_ context.Context, l slog.Level) bool { return Enabled(level(l)) }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	attrs := append([]attr(nil), h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.group, a)
		return true
	})
	backendLog(level(r.Level), r.Message, attrs)
	return nil
}

func (h handler) WithAttrs(as []slog.Attr) slog.Handler {
	attrs := append([]attr(nil), h.attrs...)
	for _, a := range as {
		attrs = flatten(attrs, h.group, a)
	}
	return handler{attrs, h.group}
}

func (h handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return handler{h.attrs, h.group + name + "."}
}

func flatten(out []attr, prefix string, a slog.Attr) []attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range v.Group() {
			out = flatten(out, prefix, inner)
		}
		return out
	}
	if a.Key == "" {
		return out
	}
	return append(out, attr{prefix + a.Key, v.String()})
}
