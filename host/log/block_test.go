package log

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	abilog "github.com/mrt-wasm/mrt-wasm/abi/log"
	"github.com/mrt-wasm/mrt-wasm/host/api/apitest"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// logger opens the block for an app and gives its logger and what it writes.
func logger(t *testing.T, level slog.Level) (*session, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, level, telemetry.LogJSON)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Log: log}).Open(t.Context(), &apitest.App{AppName: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	if fs := s.Funcs(); len(fs) != 2 || fs[0].Module != "mrt:log/logger@0.1.0" {
		t.Fatalf("got imports %v, want the two of mrt:log/logger@0.1.0", fs)
	}
	return s.(*session), &out
}

func line(t *testing.T, out *bytes.Buffer) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("got %q, want one line of JSON: %v", out.String(), err)
	}
	out.Reset()
	return got
}

func TestLine(t *testing.T) {
	s, out := logger(t, slog.LevelInfo)
	ctx := telemetry.Extract(t.Context(), func(k string) string {
		return map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}[k]
	})
	s.Log(ctx, abilog.LevelWarn, "stock is low", []abilog.Attr{{Key: "item", Value: "book"}, {Key: "app", Value: "other"}, {Key: "trace_id", Value: "0"}, {Value: "x"}})
	got := line(t, out)
	for key, want := range map[string]string{
		"msg": "stock is low", "level": "WARN", "app": "orders", "item": "book", "guest.app": "other", "guest.trace_id": "0",
		"(no key)": "x", "trace_id": "0af7651916cd43dd8448eb211c80319c",
	} {
		if got[key] != want {
			t.Errorf("%s: got %v, want %s", key, got[key], want)
		}
	}
	s.Log(ctx, abilog.LevelDebug, "not kept", nil)
	if out.Len() != 0 {
		t.Errorf("got %s, want a line below the level dropped", out)
	}
}

func TestLevelsAndThreshold(t *testing.T) {
	for level, want := range map[slog.Level]abilog.Level{
		slog.LevelDebug: abilog.LevelDebug, slog.LevelInfo: abilog.LevelInfo, slog.LevelWarn: abilog.LevelWarn,
		slog.LevelError: abilog.LevelError, slog.LevelError + 4: abilog.LevelError,
	} {
		s, _ := logger(t, level)
		if got := s.Threshold(t.Context()); got != want {
			t.Errorf("host keeps %v: got threshold %v, want %v", level, got, want)
		}
	}
	s, out := logger(t, slog.LevelDebug)
	for level, want := range map[abilog.Level]string{abilog.LevelDebug: "DEBUG", abilog.LevelInfo: "INFO", abilog.LevelWarn: "WARN", abilog.LevelError: "ERROR"} {
		s.Log(t.Context(), level, "x", nil)
		if got := line(t, out)["level"]; got != want {
			t.Errorf("%v: got %v, want %s", level, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	s, out := logger(t, slog.LevelInfo)
	attrs := make([]abilog.Attr, MaxAttrs+3)
	for i := range attrs {
		attrs[i] = abilog.Attr{Key: fmt.Sprint("k", i), Value: strings.Repeat("\u00e4", MaxValue)}
	}
	attrs[0].Key = strings.Repeat("k", MaxKey+1)
	s.Log(t.Context(), abilog.LevelInfo, strings.Repeat("\u00e4", MaxMessage), attrs)
	got := line(t, out)
	msg := got["msg"].(string)
	if !utf8.ValidString(msg) || !strings.HasSuffix(msg, "... (cut)") || len(msg) > MaxMessage+20 {
		t.Errorf("message: got %d bytes ending in %q, want it cut at %d", len(msg), msg[len(msg)-12:], MaxMessage)
	}
	if v := got["k1"].(string); len(v) > MaxValue+20 || !strings.HasSuffix(v, "... (cut)") {
		t.Errorf("value: got %d bytes, want it cut at %d", len(v), MaxValue)
	}
	if got["attrs_left_out"] != 3.0 || got[fmt.Sprint("k", MaxAttrs)] != nil {
		t.Errorf("attributes: got %v left out, want 3", got["attrs_left_out"])
	}
	if got[strings.Repeat("k", MaxKey)+"... (cut)"] == nil {
		t.Error("the long key is not cut")
	}
}

func TestLineOfControlCharactersStaysOneLine(t *testing.T) {
	s, out := logger(t, slog.LevelInfo)
	s.Log(t.Context(), abilog.LevelInfo, "a\nlevel=ERROR forged\x1b[31m", nil)
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("got %d lines, want 1: %q", n, out)
	}
}
