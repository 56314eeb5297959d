package host_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host"
)

func stopHost(t *testing.T, h *host.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := h.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func commandApp(limits string) string { return app("one", limits) + memoryComponents }

func TestCommands(t *testing.T) {
	tests := map[string]struct {
		limits string
		code   int
		err    string
	}{
		"exits":   {code: 7},
		"fails":   {code: 1},
		"endless": {limits: "timeout: 100ms", err: "did not end within 100ms (spec.limits.timeout)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h, err := newHost(t, commandApp(tt.limits), guests{"one": file(t, "hostile/"+name+".wasm")}, &lines{})
			if err != nil {
				t.Fatal(err)
			}
			defer stopHost(t, h)
			code, err := h.RunCommand(t.Context(), "one")
			if code != tt.code || fmt.Sprint(err) != "<nil>" && tt.err == "" || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got the exit code %d and the error %v, want %d and %q", code, err, tt.code, tt.err)
			}
			if _, err := h.RunCommand(t.Context(), "two"); err == nil {
				t.Error("an app that is not there: got no error")
			}
		})
	}
}

func TestIsCommand(t *testing.T) {
	for name, tt := range map[string]struct {
		wasm []byte
		want bool
	}{
		"command":           {file(t, "hostile/exits.wasm"), true},
		"serves HTTP":       {streamer(t), false},
		"command and serve": {file(t, "hostile/both.wasm"), false},
		"core module":       {[]byte("\x00asm\x01\x00\x00\x00"), false},
		"cut off":           {file(t, "hostile/exits.wasm")[:40], false},
		"nothing":           {nil, false},
	} {
		if got := host.IsCommand(tt.wasm); got != tt.want {
			t.Errorf("%s: got %t, want %t", name, got, tt.want)
		}
	}
}
