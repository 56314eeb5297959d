package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// live answers as long as the process serves.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// reasons says what is not ready: "app orders" or "block state", and why. Without apps only the blocks are asked.
func (s *Server) reasons(ctx context.Context, apps bool) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CheckTimeout)
	defer cancel()
	out := map[string]string{}
	for _, b := range s.cfg.Blocks {
		if c, ok := b.(block.Checker); ok {
			if err := c.Ready(ctx); err != nil {
				out["block "+b.Name()] = err.Error()
			}
		}
	}
	if !apps {
		return out
	}
	for _, a := range s.cfg.Apps() {
		if a.Err != nil {
			out["app "+a.Name] = a.Err.Error()
		}
	}
	return out
}

// readyz answers 200 when every app and component is ready, else 503 with the reasons. Reasons are for those who may
// use the API: with a token they are left out for others.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	reasons := s.reasons(r.Context(), true)
	if len(reasons) == 0 {
		writeJSON(w, http.StatusOK, map[string]any{"ready": true})
		return
	}
	out := map[string]any{"ready": false, "reasons": reasons}
	if known, asked := r.Context().Value(authorizedKey{}).(bool); asked && !known {
		out = map[string]any{"ready": false}
	}
	writeJSON(w, http.StatusServiceUnavailable, out)
}

// healthz is Dapr's: 204 when apps and components are ready. With ?appid= it also asks whether this is the host of
// that app.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	if id := r.URL.Query().Get("appid"); id != "" && !s.hosts(id) {
		block.WriteError(w, &block.APIError{
			Status: http.StatusInternalServerError, Code: "ERR_HEALTH_APPID_NOT_MATCH", Message: "dapr app-id does not match",
		})
		return
	}
	s.health(w, r, true, "ERR_HEALTH_NOT_READY", "dapr is not ready")
}

// outbound is Dapr's: 204 when components are ready, whatever the apps do.
func (s *Server) outbound(w http.ResponseWriter, r *http.Request) {
	s.health(w, r, false, "ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready")
}

func (s *Server) health(w http.ResponseWriter, r *http.Request, apps bool, code, message string) {
	reasons := s.reasons(r.Context(), apps)
	if len(reasons) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	names := slices.Sorted(maps.Keys(reasons))
	block.WriteError(w, &block.APIError{
		Status: http.StatusInternalServerError, Code: code, Message: message + ": " + strings.Join(names, ", "),
	})
}

func (s *Server) hosts(id string) bool {
	if id == s.cfg.ID {
		return true
	}
	for _, a := range s.cfg.Apps() {
		if a.Name == id {
			return true
		}
	}
	return false
}

// metadata is what there is: Dapr's fields, the parts of all blocks, and the apps. Lists of several blocks under one
// name are put together.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	apps := s.cfg.Apps()
	if apps == nil {
		apps = []App{}
	}
	s.mu.Lock()
	extended := maps.Clone(s.extended)
	s.mu.Unlock()
	extended["daprRuntimeVersion"] = s.cfg.Version
	out := map[string]any{
		"id": s.cfg.ID, "runtimeVersion": s.cfg.Version, "enabledFeatures": []any{}, "components": []any{},
		"subscriptions": []any{}, "httpEndpoints": []any{}, "actorRuntime": map[string]any{"runtimeStatus": "DISABLED"},
		"apps": apps, "extended": extended,
	}
	for _, b := range s.cfg.Blocks {
		if d, ok := b.(block.Describer); ok {
			for key, value := range d.Describe(r.Context()) {
				out[key] = merge(out[key], value)
			}
		}
	}
	writeJSON(w, http.StatusOK, out)
}

// merge puts two parts together: lists one after the other, objects field by field; else the later one counts.
func merge(a, b any) any {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	if !va.IsValid() || !vb.IsValid() || va.Kind() != vb.Kind() {
		return b
	}
	switch va.Kind() {
	case reflect.Slice:
		list := make([]any, 0, va.Len()+vb.Len())
		for _, v := range []reflect.Value{va, vb} {
			for i := range v.Len() {
				list = append(list, v.Index(i).Interface())
			}
		}
		return list
	case reflect.Map:
		object := map[string]any{}
		for _, v := range []reflect.Value{va, vb} {
			for _, k := range v.MapKeys() {
				object[k.String()] = v.MapIndex(k).Interface()
			}
		}
		return object
	default:
		return b
	}
}

// Limits of extended metadata, which lives in memory.
const (
	maxExtended      = 1000
	maxExtendedValue = 64 << 10
)

// setMetadata keeps the body as the value of a key under "extended".
func (s *Server) setMetadata(w http.ResponseWriter, r *http.Request) {
	body, err := ReadBody(r)
	if err != nil {
		block.WriteError(w, err)
		return
	}
	key := r.PathValue("key")
	s.mu.Lock()
	defer s.mu.Unlock()
	_, exists := s.extended[key]
	if !utf8.Valid(body) || len(body) > maxExtendedValue || len(key) > 256 || !exists && len(s.extended) >= maxExtended {
		block.WriteError(w, &block.APIError{
			Status: http.StatusBadRequest, Code: "ERR_MALFORMED_REQUEST",
			Message: fmt.Sprintf("metadata: expected a text of at most %d bytes, a key of at most 256, and at most %d keys", maxExtendedValue, maxExtended),
		})
		return
	}
	s.extended[key] = string(body)
	w.WriteHeader(http.StatusNoContent)
}

// shutdown answers and ends the host.
func (s *Server) shutdown(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Shutdown == nil {
		block.WriteError(w, &block.APIError{
			Status: http.StatusNotImplemented, Code: "ERR_SHUTDOWN", Message: "this host is part of another program, which ends it",
		})
		return
	}
	force := strings.EqualFold(r.Header.Get("Dapr-Force-Shutdown"), "true")
	w.WriteHeader(http.StatusNoContent)
	s.down.Do(func() { go s.cfg.Shutdown(force) })
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		block.WriteError(w, fmt.Errorf("the answer cannot be written as JSON: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone; nobody is left to tell
}
