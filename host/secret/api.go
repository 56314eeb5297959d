package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Routes adds Dapr's secrets API. A call is on behalf of the app that Config.CallerApp says: it sees the stores and the
// secrets of that app's scopes. Where Dapr's names end at a slash, a name may go on here: /v1.0/secrets/vault/team/db.
func (b *Block) Routes(handle func(pattern string, h http.HandlerFunc)) {
	handle("GET /v1.0/secrets/{store}/bulk", b.serveBulk)
	handle("GET /v1.0/secrets/{store}/{name...}", b.serveGet)
}

func (b *Block) caller(r *http.Request) string {
	if b.cfg.CallerApp == nil {
		return ""
	}
	return b.cfg.CallerApp(r)
}

func (b *Block) serveGet(w http.ResponseWriter, r *http.Request) {
	store, name := r.PathValue("store"), r.PathValue("name")
	values, err := b.Get(r.Context(), b.caller(r), store, name, api.Metadata(r))
	if err != nil {
		block.WriteError(w, apiError(store, err, fmt.Sprintf("failed getting secret with key %s from secret store %s: %s", name, store, err)))
		return
	}
	if values == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeJSON(w, values)
}

func (b *Block) serveBulk(w http.ResponseWriter, r *http.Request) {
	store := r.PathValue("store")
	all, err := b.BulkGet(r.Context(), b.caller(r), store, api.Metadata(r))
	if err != nil {
		block.WriteError(w, apiError(store, err, fmt.Sprintf("failed getting secrets from secret store %s: %s", store, err)))
		return
	}
	if all == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeJSON(w, all)
}

// apiError gives an error with Dapr's codes and texts: clients look for them. failed is the text of a store's failure.
func apiError(store string, err error, failed string) error {
	missing, ok := errors.AsType[*component.NotFoundError](err)
	switch {
	case ok && len(missing.Have) == 0:
		return &block.APIError{Status: http.StatusInternalServerError, Code: "ERR_SECRET_STORES_NOT_CONFIGURED", Message: "secret store is not configured"}
	case ok:
		return &block.APIError{
			Status: http.StatusUnauthorized, Code: "ERR_SECRET_STORE_NOT_FOUND",
			Message: "failed finding secret store with key " + store,
		}
	case errors.Is(err, errPolicy):
		return &block.APIError{Status: http.StatusForbidden, Code: "ERR_PERMISSION_DENIED", Message: err.Error()}
	default:
		return &block.APIError{Status: http.StatusInternalServerError, Code: "ERR_SECRET_GET", Message: failed}
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		block.WriteError(w, err) // maps of strings can always be written
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // an error means that the client is gone
}
