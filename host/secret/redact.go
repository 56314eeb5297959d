package secret

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// shortest is how long a value must be to be looked for in texts: a shorter one is no secret by itself, and taking it
// out would spoil texts that have it by chance.
const shortest = 4

// mask stands for a value.
const mask = "[secret]"

// redactor takes the values that it knows out of texts.
type redactor struct {
	mu     sync.RWMutex
	values []string // guarded by mu; the longest first
}

// add makes a value known.
func (r *redactor) add(value string) {
	if len(value) < shortest {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.values, value) {
		return
	}
	r.values = append(r.values, value)
	slices.SortStableFunc(r.values, func(a, b string) int { return len(b) - len(a) })
}

func (r *redactor) text(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, v := range r.values {
		s = strings.ReplaceAll(s, v, mask)
	}
	return s
}

// error gives err with a text that has no value in it. Its causes are still there for errors.Is and errors.As.
func (r *redactor) error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if clean := r.text(text); clean != text {
		return &redactedError{text: clean, err: err}
	}
	return err
}

type redactedError struct {
	text string
	err  error
}

// Error gives the text without values.
func (e *redactedError) Error() string { return e.text }

// Unwrap gives the error as it was.
func (e *redactedError) Unwrap() error { return e.err }

// handler takes values out of log lines.
type handler struct {
	slog.Handler
	r *redactor
}

// Handle writes the record without values.
func (h *handler) Handle(ctx context.Context, rec slog.Record) error {
	clean := slog.NewRecord(rec.Time, rec.Level, h.r.text(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs keeps the attributes without values.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return &handler{h.Handler.WithAttrs(clean), h.r}
}

// WithGroup opens a group.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.r}
}

func (h *handler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, h.r.text(v.String()))
	case slog.KindGroup:
		group := make([]any, 0, len(v.Group()))
		for _, g := range v.Group() {
			group = append(group, h.attr(g))
		}
		return slog.Group(a.Key, group...)
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return slog.Any(a.Key, h.r.error(err))
		}
		if text := v.String(); h.r.text(text) != text {
			return slog.String(a.Key, h.r.text(text))
		}
		return a
	default:
		return a
	}
}
