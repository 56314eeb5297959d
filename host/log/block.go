// Package log is the building block for log lines of apps: they go to the host's log, with the app's name and the
// trace of the call that they belong to.
package log

import (
	"context"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abilog "github.com/mrt-wasm/mrt-wasm/abi/log"
	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// Limits of one line. What is longer is cut, and says so; attributes beyond the limit are counted.
const (
	// MaxMessage bounds the message, in bytes.
	MaxMessage = 64 << 10
	// MaxAttrs bounds the number of attributes.
	MaxAttrs = 64
	// MaxKey bounds an attribute's name, in bytes.
	MaxKey = 256
	// MaxValue bounds an attribute's value, in bytes.
	MaxValue = 16 << 10
)

// Config says where lines go.
type Config struct {
	// Log is the host's log; nil drops all lines.
	Log *slog.Logger
}

// Block is the log block of a host.
type Block struct{ log *slog.Logger }

var _ block.Block = (*Block)(nil)

// New makes the block.
func New(cfg Config) *Block {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Block{log: cfg.Log}
}

// Name is "log".
func (b *Block) Name() string { return "log" }

// Imports is the logger.
func (b *Block) Imports() []string { return []string{abilog.LoggerModule} }

// Exports is nothing.
func (b *Block) Exports() []string { return nil }

// Open makes an app's logger.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	return &session{handler: b.log.With("app", app.Name()).Handler(), log: b.log.With("app", app.Name())}, nil
}

// Close has nothing to close: the log is the host's.
func (b *Block) Close(context.Context) error { return nil }

// session is the logger of one app.
type session struct {
	handler slog.Handler
	log     *slog.Logger
}

var _ abilog.LoggerHost = (*session)(nil)

// Funcs is the logger.
func (s *session) Funcs() []abi.Func { return abilog.LoggerFuncs(s) }

// Close has nothing to release.
func (s *session) Close(context.Context) error { return nil }

// Log writes one line.
func (s *session) Log(ctx context.Context, level abilog.Level, message string, attrs []abilog.Attr) {
	l := levels[level]
	if !s.handler.Enabled(ctx, l) {
		return
	}
	out := make([]slog.Attr, 0, min(len(attrs), MaxAttrs)+1)
	for _, a := range attrs[:min(len(attrs), MaxAttrs)] {
		out = append(out, slog.String(key(a.Key), cut(a.Value, MaxValue)))
	}
	if more := len(attrs) - MaxAttrs; more > 0 {
		out = append(out, slog.Int("attrs_left_out", more))
	}
	s.log.LogAttrs(ctx, l, cut(message, MaxMessage), out...)
}

// Threshold gives the lowest level that is kept; error when none is, since a guest cannot be told that.
func (s *session) Threshold(ctx context.Context) abilog.Level {
	for level, l := range levels {
		if s.handler.Enabled(ctx, l) {
			return abilog.Level(level)
		}
	}
	return abilog.LevelError
}

// levels are slog's, in the order of the contract.
var levels = [...]slog.Level{
	abilog.LevelDebug: slog.LevelDebug, abilog.LevelInfo: slog.LevelInfo,
	abilog.LevelWarn: slog.LevelWarn, abilog.LevelError: slog.LevelError,
}

// key gives an attribute's name, changed where it would pass for one of the host's.
func key(k string) string {
	switch k {
	case "":
		return "(no key)"
	case "app", "trace_id", "span_id", slog.TimeKey, slog.LevelKey, slog.MessageKey, slog.SourceKey:
		return "guest." + k
	default:
		return cut(k, MaxKey)
	}
}

// cut shortens s to n bytes, at the end of a character, and says so.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n]) + "... (cut)"
}
