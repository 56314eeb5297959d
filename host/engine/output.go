package engine

import (
	"bytes"
	"log/slog"
	"strings"
)

const (
	// maxLine is the longest line of a guest's output, in bytes; longer ones are split.
	maxLine = 64 << 10
	// maxReason is how much of a guest's panic stands in a trap, in bytes.
	maxReason = 512
)

// panicPrefixes start the report of a crash, which goes on to the end of the call.
var panicPrefixes = []string{"panic: ", "fatal error: ", "runtime: out of memory", rustPanic}

const rustPanic = "thread '"

// output makes log lines of a guest's stdout or stderr. The guest's own call is the only writer.
type output struct {
	inst *Instance
	log  *slog.Logger
	// panics joins the report of a crash into one record.
	panics bool
	// line is what came since the last newline, dump the report of a crash so far.
	line, dump []byte
}

// Write implements io.Writer; it never fails.
func (o *output) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		whole := end >= 0
		if !whole {
			end = len(p)
		}
		// Splitting keeps a guest that never ends a line from filling the host's memory.
		take := min(end, maxLine-len(o.line))
		o.line = append(o.line, p[:take]...)
		p = p[take:]
		if take == end && whole {
			p = p[1:]
			o.emit()
		} else if len(o.line) == maxLine {
			o.emit()
		}
	}
	return n, nil
}

// emit ends the line.
func (o *output) emit() {
	line := bytes.TrimSuffix(o.line, []byte("\r"))
	switch {
	case len(o.dump) > 0:
		if len(o.dump)+len(line) < maxLine {
			o.dump = append(append(o.dump, '\n'), line...)
		}
	case o.panics && startsPanic(line):
		o.dump = append(o.dump, line...)
	default:
		o.write(slog.LevelInfo, string(line))
	}
	o.line = o.line[:0]
}

func startsPanic(line []byte) bool {
	for _, p := range panicPrefixes {
		if bytes.HasPrefix(line, []byte(p)) {
			return p != rustPanic || bytes.Contains(line, []byte("panicked at"))
		}
	}
	return false
}

// flush writes what is left at the end of a call.
func (o *output) flush() {
	if len(o.line) > 0 {
		o.emit()
	}
	if len(o.dump) > 0 {
		o.write(slog.LevelError, strings.TrimRight(string(o.dump), "\n"))
	}
	// A long line or report is not kept for an instance's life.
	o.line, o.dump = o.line[:0], nil
	if cap(o.line) > 4<<10 {
		o.line = nil
	}
}

func (o *output) write(level slog.Level, text string) {
	ctx := o.inst.call
	if !o.log.Enabled(ctx, level) {
		return
	}
	if trace := o.inst.pool.module.engine.cfg.TraceID; trace != nil {
		if id := trace(ctx); id != "" {
			o.log.LogAttrs(ctx, level, text, slog.String("trace_id", id))
			return
		}
	}
	o.log.LogAttrs(ctx, level, text)
}

// firstPanicLine gives the first line of the report of a crash, if the guest wrote one in this call; the first two of a
// report in Rust's form, which has the place before the message.
func (o *output) firstPanicLine() string {
	if len(o.line) > 0 {
		o.emit()
	}
	line, rest, _ := strings.Cut(string(o.dump[:min(len(o.dump), maxReason)]), "\n")
	if message, _, _ := strings.Cut(rest, "\n"); message != "" && strings.HasPrefix(line, rustPanic) && strings.HasSuffix(line, ":") {
		line += " " + message
	}
	return line
}
