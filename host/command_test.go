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
			if !h.IsCommand("one") || h.IsCommand("two") {
				t.Errorf("IsCommand: got %t for a command and %t for an app that is not there", h.IsCommand("one"), h.IsCommand("two"))
			}
			code, err := h.RunCommand(t.Context(), "one")
			if code != tt.code || fmt.Sprint(err) != "<nil>" && tt.err == "" || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got the exit code %d and the error %v, want %d and %q", code, err, tt.code, tt.err)
			}
			if _, err := h.RunCommand(t.Context(), "two"); err == nil {
				t.Error("an app that is not there: got no error")
			}
		})
	}
	h, err := newHost(t, commandApp(""), guests{"one": streamer(t)}, &lines{})
	if err != nil {
		t.Fatal(err)
	}
	defer stopHost(t, h)
	if h.IsCommand("one") {
		t.Error("IsCommand: got true for an app that serves HTTP")
	}
}
