package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// logger writes the lines of the NATS server to the host's log, one level lower than the server thinks: its notices
// are about itself and say nothing to a user.
type logger struct {
	log  *slog.Logger
	last atomic.Pointer[string]
}

func (l *logger) lastError() string {
	if s := l.last.Load(); s != nil {
		return *s
	}
	return "it reported no error"
}

func (l *logger) failed(format string, v []any) string {
	s := fmt.Sprintf(format, v...)
	l.last.Store(&s)
	return s
}

// Noticef implements the server's Logger.
func (l *logger) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }

// Warnf implements the server's Logger.
func (l *logger) Warnf(format string, v ...any) {
	level := slog.LevelInfo
	if strings.HasPrefix(format, chosenPayload) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, fmt.Sprintf(format, v...))
}

// chosenPayload begins the warning, at every start, of a MaxPayload above 8 MB. It is meant for servers with many
// clients on a network; here it is chosen and no user can change it.
const chosenPayload = "Maximum payloads over"

// Errorf implements the server's Logger.
func (l *logger) Errorf(format string, v ...any) { l.log.Error(l.failed(format, v)) }

// Fatalf implements the server's Logger; the server goes on to stop itself, the process stays.
func (l *logger) Fatalf(format string, v ...any) { l.log.Error(l.failed(format, v)) }

// Debugf implements the server's Logger.
func (l *logger) Debugf(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }

// Tracef implements the server's Logger; tracing is never switched on.
func (l *logger) Tracef(string, ...any) {}
