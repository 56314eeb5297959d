package binding

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// Dapr's error codes.
const (
	codeInvoke    = "ERR_INVOKE_OUTPUT_BINDING"
	codeMalformed = "ERR_MALFORMED_REQUEST"
)

// Routes adds calls of output bindings to the HTTP API.
func (b *Block) Routes(handle func(pattern string, h http.HandlerFunc)) {
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		handle(method+" /v1.0/bindings/{name}", b.serve)
	}
}

func (b *Block) serve(w http.ResponseWriter, r *http.Request) {
	req, err := readRequest(r)
	if err != nil {
		block.WriteError(w, err)
		return
	}
	app, name := "", r.PathValue("name")
	if b.cfg.CallerApp != nil {
		app = b.cfg.CallerApp(r)
	}
	reply, err := b.Invoke(r.Context(), app, name, req)
	if err != nil {
		block.WriteError(w, &block.APIError{
			Status: http.StatusInternalServerError, Code: codeInvoke,
			Message: fmt.Sprintf("error invoking output binding %s: %s", name, err),
		})
		return
	}
	if reply == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	for key, value := range reply.Metadata {
		w.Header().Set("metadata."+key, value)
	}
	if reply.Data == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if reply.ContentType != "" {
		w.Header().Set("Content-Type", reply.ContentType)
	} else {
		w.Header().Set("Content-Type", "application/json") // as Dapr, whatever it is
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(reply.Data) // an error means that the client is gone; nobody is left to tell
}

// readRequest reads the body of a call: data is any JSON value, and goes to the binding as it stands.
func readRequest(r *http.Request) (*Request, error) {
	malformed := func(status int, format string, args ...any) error {
		return &block.APIError{Status: status, Code: codeMalformed, Message: fmt.Sprintf(format, args...)}
	}
	body, err := io.ReadAll(r.Body)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, malformed(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", large.Limit)
	}
	if err != nil {
		return nil, malformed(http.StatusBadRequest, "the body cannot be read: %s", err)
	}
	var in struct {
		Data      json.RawMessage   `json:"data"`
		Metadata  map[string]string `json:"metadata"`
		Operation string            `json:"operation"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, malformed(http.StatusBadRequest, "failed deserializing HTTP body: want {\"operation\": text, \"data\": any, \"metadata\": {name: text}}: %s", err)
	}
	req := &Request{Operation: in.Operation, Metadata: in.Metadata, JSON: true}
	if len(in.Data) > 0 {
		var data bytes.Buffer
		if err := json.Compact(&data, in.Data); err != nil {
			return nil, malformed(http.StatusBadRequest, "failed deserializing HTTP body: data: %s", err)
		}
		req.Data = data.Bytes()
	}
	return req, nil
}
