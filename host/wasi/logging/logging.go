// Package logging implements wasi:logging over the log block.
package logging

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abilog "github.com/mrt-wasm/mrt-wasm/abi/log"
	abilogging "github.com/mrt-wasm/mrt-wasm/abi/wasi/logging"
)

// Unversioned is the interface's name as components built before its first version import it.
const Unversioned = "wasi:logging/logging"

// The attributes that a line gets.
const (
	// ContextAttr is the guest's own context, if it gives one.
	ContextAttr = "context"
	// SeverityAttr is the guest's level where the log block has no such level: trace and critical.
	SeverityAttr = "severity"
)

// Host is wasi:logging of one app. It is safe for concurrent use.
type Host struct{ log abilog.LoggerHost }

var _ abilogging.LoggingHost = (*Host)(nil)

// New makes the host's side; log is the log block as the app calls it.
func New(log abilog.LoggerHost) *Host { return &Host{log: log} }

// Funcs gives the function, with and without version.
func (h *Host) Funcs() []abi.Func {
	out := abilogging.LoggingFuncs(h)
	for _, f := range abilogging.LoggingFuncs(h) {
		f.Module = Unversioned
		out = append(out, f)
	}
	return out
}

// levels are the log block's, in the order of the interface.
var levels = [...]abilog.Level{
	abilogging.LevelTrace: abilog.LevelDebug, abilogging.LevelDebug: abilog.LevelDebug, abilogging.LevelInfo: abilog.LevelInfo,
	abilogging.LevelWarn: abilog.LevelWarn, abilogging.LevelError: abilog.LevelError, abilogging.LevelCritical: abilog.LevelError,
}

// Log writes one line.
func (h *Host) Log(ctx context.Context, level abilogging.Level, about, message string) {
	var attrs []abilog.Attr
	if about != "" {
		attrs = append(attrs, abilog.Attr{Key: ContextAttr, Value: about})
	}
	if level == abilogging.LevelTrace || level == abilogging.LevelCritical {
		attrs = append(attrs, abilog.Attr{Key: SeverityAttr, Value: level.String()})
	}
	h.log.Log(ctx, levels[level], message, attrs)
}
