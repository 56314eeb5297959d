package lock

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Dapr's error codes.
const (
	codeNotConfigured = "ERR_LOCK_STORE_NOT_CONFIGURED"
	codeNotFound      = "ERR_LOCK_STORE_NOT_FOUND"
	codeTryLock       = "ERR_TRY_LOCK"
	codeUnlock        = "ERR_UNLOCK"
	codeMalformed     = "ERR_MALFORMED_REQUEST"
)

// Routes adds Dapr's lock API. A call is on behalf of the app that Config.CallerApp says.
func (b *Block) Routes(handle func(pattern string, h http.HandlerFunc)) {
	handle("POST /v1.0-alpha1/lock/{store}", b.serveTryLock)
	handle("POST /v1.0-alpha1/unlock/{store}", b.serveUnlock)
}

func (b *Block) caller(r *http.Request) string {
	if b.cfg.CallerApp == nil {
		return ""
	}
	return b.cfg.CallerApp(r)
}

// body is what both requests have. Dapr reads it as the JSON of a protocol buffer, which has fields under two names.
type body struct {
	ResourceID      string `json:"resourceId"`
	ResourceIDProto string `json:"resource_id"`
	LockOwner       string `json:"lockOwner"`
	LockOwnerProto  string `json:"lock_owner"`
	Expiry          number `json:"expiryInSeconds"`
	ExpiryProto     number `json:"expiry_in_seconds"`
}

func (b *body) resource() string { return cmp.Or(b.ResourceID, b.ResourceIDProto) }

func (b *body) owner() string { return cmp.Or(b.LockOwner, b.LockOwnerProto) }

func (b *body) expiry() time.Duration {
	return time.Duration(cmp.Or(b.Expiry, b.ExpiryProto)) * time.Second
}

// number is an int32 in the JSON of protocol buffers: 15, "15", 15.0 or 1.5e1.
type number int32

// UnmarshalJSON reads it.
func (n *number) UnmarshalJSON(text []byte) error {
	var read json.Number // takes strings too
	if err := json.Unmarshal(text, &read); err != nil || read == "" {
		return err // null is 0
	}
	whole, err := strconv.ParseInt(read.String(), 10, 32)
	if err != nil {
		float, errFloat := read.Float64()
		if errFloat != nil || float != math.Trunc(float) || math.Abs(float) > math.MaxInt32 {
			return fmt.Errorf("want an integer of 32 bits, found %s", text)
		}
		whole = int64(float)
	}
	*n = number(whole)
	return nil
}

// read gives the request's body; one without content has only empty fields.
func read(r *http.Request) (*body, error) {
	text, err := api.ReadBody(r)
	if err != nil {
		return nil, err
	}
	out := &body{}
	if len(text) == 0 {
		return out, nil
	}
	err = json.Unmarshal(text, out)
	if err == nil && !utf8.Valid(text) {
		err = errors.New("it is not valid UTF-8") // the decoder would make different names alike
	}
	if err != nil {
		return nil, &block.APIError{
			Status: http.StatusBadRequest, Code: codeMalformed, Message: "failed deserializing HTTP body: " + err.Error(),
		}
	}
	return out, nil
}

func (b *Block) serveTryLock(w http.ResponseWriter, r *http.Request) {
	req, err := read(r)
	if err != nil {
		block.WriteError(w, err)
		return
	}
	got, err := b.TryLock(r.Context(), b.caller(r), r.PathValue("store"), req.resource(), req.owner(), req.expiry())
	if err != nil {
		block.WriteError(w, apiError(codeTryLock, "failed to try acquiring lock: ", err))
		return
	}
	writeJSON(w, map[string]bool{"success": got})
}

func (b *Block) serveUnlock(w http.ResponseWriter, r *http.Request) {
	req, err := read(r)
	if err != nil {
		block.WriteError(w, err)
		return
	}
	status, err := b.Unlock(r.Context(), b.caller(r), r.PathValue("store"), req.resource(), req.owner())
	if err != nil {
		block.WriteError(w, apiError(codeUnlock, "failed to release lock: ", err))
		return
	}
	writeJSON(w, map[string]Status{"status": status})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error means that the client is gone; nobody is left to tell
}

// apiError gives an error with Dapr's codes and texts; code and failed are those of the store's failure.
func apiError(code, failed string, err error) error {
	missing, ok := errors.AsType[*component.NotFoundError](err)
	switch {
	case ok && len(missing.Have) == 0:
		return &block.APIError{
			Status: http.StatusInternalServerError, Code: codeNotConfigured,
			Message: "lock store is not configured: declare a component such as lock.redis or lock.sqlite",
		}
	case ok:
		return &block.APIError{
			Status: http.StatusBadRequest, Code: codeNotFound, Message: fmt.Sprintf("lock store %s not found: %s", missing.Name, err),
		}
	case errors.Is(err, ErrInvalid) && !errors.Is(err, errSeparator):
		return &block.APIError{Status: http.StatusBadRequest, Code: codeMalformed, Message: err.Error()}
	default:
		return &block.APIError{Status: http.StatusInternalServerError, Code: code, Message: failed + err.Error()}
	}
}
