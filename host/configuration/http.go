package configuration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Dapr's error codes; the last two are of our own routes.
const (
	codeNotConfigured = "ERR_CONFIGURATION_STORE_NOT_CONFIGURED"
	codeNotFound      = "ERR_CONFIGURATION_STORE_NOT_FOUND"
	codeGet           = "ERR_CONFIGURATION_GET"
	codeSubscribe     = "ERR_CONFIGURATION_SUBSCRIBE"
	codeNoApp         = "ERR_APP_CHANNEL_NIL"
	codeSet           = "ERR_CONFIGURATION_SET"
	codeNotSupported  = "ERR_CONFIGURATION_STORE_NOT_SUPPORTED"
)

// Routes adds configuration to the HTTP API: Dapr's routes, and writing under v1.0-alpha1, which Dapr does not have.
func (b *Block) Routes(handle func(pattern string, h http.HandlerFunc)) {
	for _, version := range []string{"v1.0", "v1.0-alpha1"} {
		at := " /" + version + "/configuration/{store}"
		handle("GET"+at, b.serveGet)
		handle("GET"+at+"/subscribe", b.serveSubscribe)
		handle("GET"+at+"/{id}/unsubscribe", b.serveUnsubscribe)
	}
	const at = "/v1.0-alpha1/configuration/{store}"
	api.PostPut(handle, at, b.serveSet)
	handle("DELETE "+at, b.serveDelete)
}

func (b *Block) caller(r *http.Request) string {
	if b.cfg.CallerApp == nil {
		return ""
	}
	return b.cfg.CallerApp(r)
}

// query gives the parameters key, any number of them, and metadata.<name>. One that cannot be read is an error, because
// without its key the request would mean all keys.
func query(r *http.Request) (keys []string, metadata map[string]string, err error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the query %q cannot be read: %w", ErrInvalid, r.URL.RawQuery, err)
	}
	for name, v := range values {
		if key, ok := strings.CutPrefix(name, "metadata."); ok && key != "" {
			if metadata == nil {
				metadata = map[string]string{}
			}
			metadata[key] = v[0]
		}
	}
	return values["key"], metadata, nil
}

// apiItem is an item in Dapr's JSON.
type apiItem struct {
	Value    string            `json:"value"`
	Version  string            `json:"version"`
	Metadata map[string]string `json:"metadata"`
}

func (b *Block) serveGet(w http.ResponseWriter, r *http.Request) {
	keys, metadata, err := query(r)
	var items []Item
	if err == nil {
		items, err = b.Get(r.Context(), b.caller(r), r.PathValue("store"), keys, metadata)
	}
	if err != nil {
		block.WriteError(w, b.apiError(codeGet, err))
		return
	}
	if len(items) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer := make(map[string]apiItem, len(items))
	for _, item := range items {
		one := apiItem{Value: item.Value, Version: item.Version, Metadata: item.Metadata}
		if one.Metadata == nil {
			one.Metadata = map[string]string{}
		}
		answer[item.Key] = one
	}
	writeJSON(w, http.StatusOK, answer)
}

func (b *Block) serveSubscribe(w http.ResponseWriter, r *http.Request) {
	keys, metadata, err := query(r)
	id := ""
	if err == nil {
		id, err = b.Subscribe(r.Context(), b.caller(r), r.PathValue("store"), keys, metadata)
	}
	if err != nil {
		block.WriteError(w, b.apiError(codeSubscribe, err))
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"id": id})
}

func (b *Block) serveUnsubscribe(w http.ResponseWriter, r *http.Request) {
	app, store := b.caller(r), r.PathValue("store")
	if _, err := b.manager.Find(app, store, fallback); err != nil {
		block.WriteError(w, b.apiError(codeSubscribe, err))
		return
	}
	if err := b.Unsubscribe(app, store, r.PathValue("id")); err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": err.Error()}) // no errorCode, as in Dapr
		return
	}
	writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
}

func (b *Block) serveSet(w http.ResponseWriter, r *http.Request) {
	body, err := api.ReadBody(r)
	if err != nil {
		block.WriteError(w, err)
		return
	}
	var list []struct {
		Key      string            `json:"key"`
		Value    *string           `json:"value"`
		Metadata map[string]string `json:"metadata"`
	}
	err = json.Unmarshal(body, &list)
	var items []Item
	for i, one := range list {
		if err == nil && one.Value == nil {
			err = fmt.Errorf("item %d (%q) has no value", i, one.Key)
		}
		if err != nil {
			break
		}
		items = append(items, Item{Key: one.Key, Value: *one.Value, Metadata: one.Metadata})
	}
	if err != nil {
		block.WriteError(w, &block.APIError{
			Status: http.StatusBadRequest, Code: "ERR_MALFORMED_REQUEST",
			Message: "want a JSON array of {key, value, metadata}, all strings: " + err.Error(),
		})
		return
	}
	app, store := b.caller(r), r.PathValue("store")
	if err := b.Set(r.Context(), app, store, items); err != nil {
		block.WriteError(w, b.apiError(codeSet, err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (b *Block) serveDelete(w http.ResponseWriter, r *http.Request) {
	keys, metadata, err := query(r)
	if err == nil {
		err = b.Delete(r.Context(), b.caller(r), r.PathValue("store"), keys, metadata)
	}
	if err != nil {
		block.WriteError(w, b.apiError(codeSet, err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that the client is gone; nobody is left to tell
}

// apiError gives an error in Dapr's form; code is what it is if nothing else fits.
func (b *Block) apiError(code string, err error) error {
	out := &block.APIError{Status: http.StatusInternalServerError, Code: code, Message: err.Error()}
	_, missing := errors.AsType[*component.NotFoundError](err)
	switch {
	case missing && len(b.manager.All()) == 0:
		out.Code = codeNotConfigured
		out.Message = "no configuration store: declare a component such as configuration.redis or configuration.sqlite"
	case missing:
		out.Status, out.Code = http.StatusBadRequest, codeNotFound
	case errors.Is(err, ErrNoApp):
		out.Code = codeNoApp
	case code == codeSubscribe:
		// Whatever it is, Dapr says the same.
	case errors.Is(err, ErrUnsupported):
		out.Status, out.Code = http.StatusNotImplemented, codeNotSupported
	case errors.Is(err, ErrInvalid):
		out.Status = http.StatusBadRequest
	}
	return out
}
