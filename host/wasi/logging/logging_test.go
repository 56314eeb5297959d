package logging

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abilog "github.com/mrt-wasm/mrt-wasm/abi/log"
	abilogging "github.com/mrt-wasm/mrt-wasm/abi/wasi/logging"
	"github.com/mrt-wasm/mrt-wasm/host/log"
)

// caller is an app that only calls.
type caller string

func (a caller) Name() string        { return string(a) }
func (a caller) Handles(string) bool { return false }
func (a caller) Do(context.Context, func(context.Context, abi.Guest) error) error {
	return errors.New("this app is not to be called")
}

func TestLog(t *testing.T) {
	tests := []struct {
		level         abilogging.Level
		at            slog.Level
		context, want string
	}{
		{abilogging.LevelTrace, slog.LevelDebug, "", "level=DEBUG msg=m app=cart severity=trace"},
		{abilogging.LevelTrace, slog.LevelInfo, "", ""},
		{abilogging.LevelDebug, slog.LevelDebug, "c", "level=DEBUG msg=m app=cart context=c"},
		{abilogging.LevelInfo, slog.LevelInfo, "c", "level=INFO msg=m app=cart context=c"},
		{abilogging.LevelWarn, slog.LevelInfo, "", "level=WARN msg=m app=cart"},
		{abilogging.LevelError, slog.LevelInfo, "", "level=ERROR msg=m app=cart"},
		{abilogging.LevelCritical, slog.LevelError, "c", "level=ERROR msg=m app=cart context=c severity=critical"},
	}
	for _, tt := range tests {
		t.Run(tt.level.String()+" at "+tt.at.String(), func(t *testing.T) {
			var out strings.Builder
			handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: tt.at, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})
			s, err := log.New(log.Config{Log: slog.New(handler)}).Open(t.Context(), caller("cart"))
			if err != nil {
				t.Fatal(err)
			}
			logger, ok := s.(abilog.LoggerHost)
			if !ok {
				t.Fatal("the log block's session is no LoggerHost")
			}
			New(logger).Log(t.Context(), tt.level, tt.context, "m")
			if got := strings.TrimSpace(out.String()); got != tt.want {
				t.Errorf("got %q; want %q", got, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	var got []string
	for _, f := range New(nil).Funcs() {
		got = append(got, f.Module)
	}
	if want := abilogging.LoggingModule + " wasi:logging/logging"; strings.Join(got, " ") != want {
		t.Errorf("got %v; want %s", got, want)
	}
}
