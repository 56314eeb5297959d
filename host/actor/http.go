package actor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// Dapr's error codes, and one of our own for a full mailbox.
const (
	codeMalformed  = "ERR_MALFORMED_REQUEST"
	codeNoAddress  = "ERR_ACTOR_NO_ADDRESS"
	codeReserved   = "ERR_ACTOR_TYPE_RESERVED"
	codeInvoke     = "ERR_ACTOR_INVOKE_METHOD"
	codeStackDepth = "ERR_ACTOR_STACK_DEPTH"
	codeClosed     = "ERR_ACTOR_RUNTIME_CLOSED"
	codeOverloaded = "ERR_ACTOR_OVERLOADED"
	codeMissing    = "ERR_ACTOR_INSTANCE_MISSING"
	codeStateGet   = "ERR_ACTOR_STATE_GET"
	codeStateSave  = "ERR_ACTOR_STATE_TRANSACTION_SAVE"
	codeNonHosted  = "ERR_ACTOR_REMINDER_NON_HOSTED"
	codeExists     = "ERR_ACTOR_REMINDER_ALREADY_EXISTS"
	codeNotFound   = "ERR_ACTOR_REMINDER_NOT_FOUND"
	codeRemCreate  = "ERR_ACTOR_REMINDER_CREATE"
	codeRemGet     = "ERR_ACTOR_REMINDER_GET"
	codeRemDelete  = "ERR_ACTOR_REMINDER_DELETE"
	codeTimCreate  = "ERR_ACTOR_TIMER_CREATE"
	codeTimDelete  = "ERR_ACTOR_TIMER_DELETE"
)

// reentrancyHeader carries a chain's id between hosts and programs.
const reentrancyHeader = "Dapr-Reentrancy-Id"

var _ block.Routes = (*Block)(nil)

// Routes adds Dapr's actor paths to the HTTP API, and under v1.0-alpha1 what Dapr has no path for: lists of actors, of
// an actor's state and of reminders.
func (b *Block) Routes(handle func(pattern string, h http.HandlerFunc)) {
	const actor = "/v1.0/actors/{type}/{id}/"
	each := func(methods []string, path, code string, fn func(w http.ResponseWriter, r *http.Request, id ID) error) {
		for _, m := range methods {
			handle(m+" "+actor+path, func(w http.ResponseWriter, r *http.Request) {
				id := ID{Type: r.PathValue("type"), ID: r.PathValue("id")}
				if err := fn(w, r, id); err != nil {
					block.WriteError(w, b.apiError(w, code, err))
				}
			})
		}
	}
	get, write, del := []string{http.MethodGet}, []string{http.MethodPost, http.MethodPut}, []string{http.MethodDelete}
	each([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}, "method/{method}", codeInvoke, b.serveMethod)
	each(write, "state", codeStateSave, b.serveTransact)
	each(get, "state/{key}", codeStateGet, b.serveState)
	each(write, "reminders/{name}", codeRemCreate, b.serveSetReminder)
	each(get, "reminders/{name}", codeRemGet, b.serveReminder)
	each(del, "reminders/{name}", codeRemDelete, b.serveDeleteReminder)
	each(write, "timers/{name}", codeTimCreate, b.serveSetTimer)
	each(del, "timers/{name}", codeTimDelete, b.serveDeleteTimer)
	b.listRoutes(handle)
}

func (b *Block) serveMethod(w http.ResponseWriter, r *http.Request, id ID) error {
	data, err := readBody(r)
	if err != nil {
		return err
	}
	ctx := WithReentrancyID(r.Context(), r.Header.Get(reentrancyHeader))
	out, err := b.invoke(ctx, b.caller(r), id, r.PathValue("method"), Payload{ContentType: r.Header.Get("Content-Type"), Data: data})
	if err != nil {
		return err
	}
	if out.ContentType != "" {
		w.Header().Set("Content-Type", out.ContentType)
	}
	_, _ = w.Write(out.Data) // an error means that the client is gone
	return nil
}

func (b *Block) caller(r *http.Request) string {
	if b.cfg.CallerApp == nil {
		return ""
	}
	return b.cfg.CallerApp(r)
}

// operation is one step of a state transaction.
type operation struct {
	Operation string `json:"operation"`
	Request   struct {
		Key      string            `json:"key"`
		Value    json.RawMessage   `json:"value"`
		Metadata map[string]string `json:"metadata"`
	} `json:"request"`
}

func (b *Block) serveTransact(w http.ResponseWriter, r *http.Request, id ID) error {
	var list []operation
	if err := readJSON(r, &list); err != nil {
		return err
	}
	ops := make([]Op, len(list))
	for i, o := range list {
		ops[i] = Op{Key: o.Request.Key, Value: o.Request.Value}
		switch o.Operation {
		case "upsert":
			if len(o.Request.Value) == 0 {
				ops[i].Value = []byte("null")
			}
		case "delete":
			ops[i].Delete, ops[i].Value = true, nil
		default:
			return errorf(ErrInvalidRequest, "operation %d: operation: expected upsert or delete, found %q", i, clip(o.Operation))
		}
		if text, ok := o.Request.Metadata["ttlInSeconds"]; ok {
			seconds, err := strconv.ParseInt(text, 10, 32)
			if err != nil {
				return errorf(ErrInvalidRequest, "operation %d: ttlInSeconds: expected a number of seconds, found %q", i, clip(text))
			}
			ttl := time.Duration(seconds) * time.Second
			ops[i].TTL = &ttl
		}
	}
	if err := b.TransactState(WithReentrancyID(r.Context(), r.Header.Get(reentrancyHeader)), id, ops); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (b *Block) serveState(w http.ResponseWriter, r *http.Request, id ID) error {
	e, err := b.GetState(r.Context(), id, r.PathValue("key"))
	if err != nil {
		return err
	}
	if e == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	if !e.Expires.IsZero() {
		w.Header().Set("metadata.ttlExpireTime", e.Expires.UTC().Format(time.RFC3339))
	}
	_, _ = w.Write(e.Value) // an error means that the client is gone
	return nil
}

// readBody reads a body, whose size the API bounds.
func readBody(r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(r.Body)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &block.APIError{
			Status: http.StatusRequestEntityTooLarge, Code: codeMalformed,
			Message: fmt.Sprintf("the body is larger than %d bytes", large.Limit),
		}
	}
	if err != nil {
		return nil, errorf(ErrInvalidRequest, "the body cannot be read: %v", err)
	}
	return data, nil
}

func readJSON(r *http.Request, into any) error {
	data, err := readBody(r)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return errorf(ErrInvalidRequest, "the body is not what this path takes: %v", err)
	}
	return nil
}

// apiError gives an error in Dapr's form; code is that of the operation.
func (b *Block) apiError(w http.ResponseWriter, code string, err error) error {
	if _, ok := errors.AsType[*block.APIError](err); ok {
		return err
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return &block.APIError{Status: http.StatusInternalServerError, Code: code, Message: err.Error()}
	}
	status := http.StatusInternalServerError
	if a, ok := answers[e.Kind]; ok {
		status = a.status
		if a.code != "" {
			code = a.code
		}
	}
	switch {
	case errors.Is(e.Kind, ErrUnknownType):
		status, code = unknownType(code)
	case errors.Is(e.Kind, ErrOverloaded):
		w.Header().Set("Retry-After", "1")
	case errors.Is(e.Kind, ErrUnavailable) && b.closing.Load():
		status, code = http.StatusServiceUnavailable, codeClosed
	}
	return &block.APIError{Status: status, Code: code, Message: e.Error()}
}

// answer is how an error is answered; an empty code is that of the operation.
type answer struct {
	status int
	code   string
}

// answers are Dapr's, by the error's kind. What is not there is 500 with the operation's code.
var answers = map[error]answer{
	ErrInvalidRequest:  {http.StatusBadRequest, codeMalformed},
	ErrInstanceMissing: {http.StatusBadRequest, codeMissing},
	ErrReserved:        {http.StatusForbidden, codeReserved},
	ErrUnknownMethod:   {http.StatusNotFound, ""},
	ErrStackDepth:      {http.StatusInternalServerError, codeStackDepth},
	ErrAlreadyExists:   {http.StatusConflict, codeExists},
	ErrNotFound:        {http.StatusNotFound, codeNotFound},
	ErrOverloaded:      {http.StatusServiceUnavailable, codeOverloaded},
}

// unknownType is Dapr's answer for a type that no app has: reminders say that they belong to apps that have it.
func unknownType(code string) (status int, named string) {
	switch code {
	case codeRemCreate, codeRemGet, codeRemDelete:
		return http.StatusForbidden, codeNonHosted
	default:
		return http.StatusNotFound, codeNoAddress
	}
}
