//go:build !wasip1

package log

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	var out bytes.Buffer
	before := native
	defer func() { native = before }()
	native = slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	Debug("not kept")
	Info("plain", "a", 1, "b", "two")
	Warn("odd", "a", 1, "alone")
	Error("bad key", 7, "x", "y")
	logger := slog.New(Handler()).With("app", "shop").WithGroup("req")
	logger.Debug("not kept")
	logger.Info("grouped", "id", 3, slog.Group("who", "name", "Ada"))
	want := strings.Join([]string{
		`level=INFO msg=plain a=1 b=two`,
		`level=WARN msg=odd a=1 !BADKEY=alone`,
		`level=ERROR msg="bad key" !BADKEY=7 x=y`,
		`level=INFO msg=grouped app=shop req.id=3 req.who.name=Ada`, "",
	}, "\n")
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if Enabled(LevelDebug) || !Enabled(LevelWarn) {
		t.Error("Enabled does not follow the handler's level")
	}
}
