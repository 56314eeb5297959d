package http

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// problem is the body of the front door's own errors: the API's form, with the trace that an operator finds in logs.
type problem struct {
	Code    string `json:"errorCode"`
	Message string `json:"message"`
	TraceID string `json:"traceId,omitempty"`
}

func writeError(ctx context.Context, w http.ResponseWriter, status int, code, message string) {
	body, err := json.Marshal(problem{code, message, telemetry.TraceID(ctx)})
	if err != nil {
		body = nil // strings always marshal
	}
	h := w.Header()
	if parent := telemetry.Traceparent(ctx); parent != "" && h.Get("Traceparent") == "" {
		h.Set("Traceparent", parent)
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone; nobody is left to tell
}
