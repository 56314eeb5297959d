package actor

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// reminderBody is a reminder or a timer in Dapr's JSON.
type reminderBody struct {
	Data          json.RawMessage `json:"data,omitempty"`
	DueTime       string          `json:"dueTime"`
	Period        string          `json:"period"`
	TTL           string          `json:"ttl,omitempty"`
	Callback      string          `json:"callback,omitempty"`
	Repeats       uint32          `json:"repeats,omitempty"`
	Overwrite     *bool           `json:"overwrite,omitempty"`
	FailurePolicy *failurePolicy  `json:"failurePolicy,omitempty"`
	// Snake is the same by its name in Dapr's protobuf.
	Snake *failurePolicy `json:"failure_policy,omitempty"`
}

type failurePolicy struct {
	Drop     *struct{}       `json:"drop,omitempty"`
	Constant *constantPolicy `json:"constant,omitempty"`
}

type constantPolicy struct {
	Interval   string  `json:"interval,omitempty"`
	MaxRetries *uint32 `json:"maxRetries,omitempty"`
	Snake      *uint32 `json:"max_retries,omitempty"`
}

func (p *failurePolicy) policy() (abiactor.FailurePolicy, error) {
	switch {
	case p == nil:
		return abiactor.FailurePolicy{Tag: abiactor.FailurePolicyStandard}, nil
	case p.Drop != nil && p.Constant == nil:
		return abiactor.FailurePolicy{Tag: abiactor.FailurePolicyDrop}, nil
	case p.Constant == nil || p.Drop != nil:
		return abiactor.FailurePolicy{}, errorf(ErrInvalidRequest, "failurePolicy: expected one of drop and constant")
	}
	c := p.Constant
	out := abiactor.ConstantPolicy{MaxRetries: c.MaxRetries}
	if out.MaxRetries == nil {
		out.MaxRetries = c.Snake
	}
	if c.Interval != "" {
		d, err := time.ParseDuration(c.Interval)
		if err != nil || d < 0 {
			return abiactor.FailurePolicy{}, errorf(ErrInvalidRequest, "failurePolicy.constant.interval: expected a duration such as 5s, found %q", clip(c.Interval))
		}
		out.IntervalMS = uint64(d.Milliseconds())
	}
	return abiactor.FailurePolicy{Tag: abiactor.FailurePolicyConstant, Value: out}, nil
}

func (b *Block) serveSetReminder(w http.ResponseWriter, r *http.Request, id ID) error {
	var body reminderBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if body.FailurePolicy == nil {
		body.FailurePolicy = body.Snake
	}
	policy, err := body.FailurePolicy.policy()
	if err != nil {
		return err
	}
	err = b.SetReminder(r.Context(), id, Reminder{
		Name: r.PathValue("name"), Data: present(body.Data), DueTime: body.DueTime, Period: body.Period, TTL: body.TTL,
		Repeats: body.Repeats, Overwrite: body.Overwrite == nil || *body.Overwrite, FailurePolicy: policy,
	})
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// present gives data; JSON's null is none.
func present(data json.RawMessage) []byte {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	return data
}

func (b *Block) serveReminder(w http.ResponseWriter, r *http.Request, id ID) error {
	info, err := b.GetReminder(r.Context(), id, r.PathValue("name"))
	if err != nil {
		return err
	}
	writeJSON(w, reminderBody{
		Data: asJSON(info.Data), DueTime: info.DueTime, Period: info.Period, TTL: info.TTL, Repeats: info.Repeats,
	})
	return nil
}

func (b *Block) serveDeleteReminder(w http.ResponseWriter, r *http.Request, id ID) error {
	err := b.DeleteReminder(r.Context(), id, r.PathValue("name"))
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (b *Block) serveSetTimer(w http.ResponseWriter, r *http.Request, id ID) error {
	var body reminderBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	err := b.SetTimer(WithReentrancyID(r.Context(), r.Header.Get(reentrancyHeader)), id, Timer{
		Name: r.PathValue("name"), Callback: body.Callback, Data: present(body.Data), DueTime: body.DueTime, Period: body.Period, TTL: body.TTL,
	})
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (b *Block) serveDeleteTimer(w http.ResponseWriter, r *http.Request, id ID) error {
	err := b.DeleteTimer(WithReentrancyID(r.Context(), r.Header.Get(reentrancyHeader)), id, r.PathValue("name"))
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// listRoutes adds what Dapr has no paths for.
func (b *Block) listRoutes(handle func(pattern string, h http.HandlerFunc)) {
	route := func(path, code string, fn func(w http.ResponseWriter, r *http.Request) error) {
		handle("GET /v1.0-alpha1/actors"+path, func(w http.ResponseWriter, r *http.Request) {
			if err := fn(w, r); err != nil {
				block.WriteError(w, b.apiError(w, code, err))
			}
		})
	}
	route("", codeInvoke, b.serveActors)
	route("/{type}/reminders", codeRemGet, b.serveReminders)
	route("/{type}/{id}/state", codeStateGet, b.serveStates)
}

// listedActor is an actor in the list.
type listedActor struct {
	Type     string     `json:"type"`
	ID       string     `json:"id"`
	Status   string     `json:"status"`
	Turns    uint64     `json:"turns,omitempty"`
	Fuel     uint64     `json:"fuel,omitempty"`
	Waiting  int        `json:"waiting,omitempty"`
	LastUsed *time.Time `json:"lastUsed,omitempty"`
}

// serveActors lists actors: of one type, or of all. The token of the next page names the type that it goes on with.
func (b *Block) serveActors(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	types := b.names
	if one := r.URL.Query().Get("type"); one != "" {
		types = []string{one}
	}
	from, token, _ := strings.Cut(r.URL.Query().Get("token"), " ")
	list, next := []listedActor{}, ""
	for i, typ := range types {
		if typ < from {
			continue
		}
		if typ > from {
			token = ""
		}
		page, more, err := b.List(r.Context(), typ, limit-len(list), token)
		if err != nil {
			return err
		}
		for _, a := range page {
			list = append(list, listing(a))
		}
		if more != "" {
			next = typ + " " + more
		} else if len(list) >= limit && i+1 < len(types) {
			next = types[i+1] + " "
		}
		if next != "" {
			break
		}
	}
	writeJSON(w, map[string]any{"actors": list, "next": next})
	return nil
}

func listing(a Info) listedActor {
	out := listedActor{Type: a.ID.Type, ID: a.ID.ID, Status: "hibernated"}
	if a.Active {
		out.Status, out.Turns, out.Fuel, out.Waiting = "active", a.Calls, a.Fuel, a.Mailbox
		if !a.LastUsed.IsZero() {
			out.LastUsed = &a.LastUsed
		}
	}
	return out
}

func (b *Block) serveReminders(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	page, next, err := b.ListReminders(r.Context(), ID{Type: r.PathValue("type"), ID: query.Get("id")}, limit, query.Get("token"))
	if err != nil {
		return err
	}
	out := make([]map[string]any, 0, len(page))
	for _, p := range page {
		out = append(out, map[string]any{
			"id": p.ID.ID, "name": p.Name, "due": p.Due, "dueTime": p.DueTime, "period": p.Period, "ttl": p.TTL, "data": asJSON(p.Data),
		})
	}
	writeJSON(w, map[string]any{"reminders": out, "next": next})
	return nil
}

// serveStates lists what an actor has stored, active or not.
func (b *Block) serveStates(w http.ResponseWriter, r *http.Request) error {
	id := ID{Type: r.PathValue("type"), ID: r.PathValue("id")}
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	typ, err := b.typeOf(id)
	if err != nil {
		return err
	}
	prefix := id.prefix(typ.App)
	query, next := r.URL.Query(), ""
	keys := []string{prefix + query.Get("key")}
	if !query.Has("key") {
		if keys, next, err = typ.store.ListKeys(r.Context(), prefix, limit, query.Get("token")); err != nil {
			return storeError(id, "its state cannot be listed", err)
		}
	}
	out := []map[string]any{}
	for _, key := range keys {
		e, err := typ.store.Get(r.Context(), key)
		if err != nil {
			return storeError(id, "its state cannot be read", err)
		}
		if e == nil {
			continue
		}
		row := map[string]any{"key": strings.TrimPrefix(key, prefix), "value": asJSON(e.Value)}
		if !e.Expires.IsZero() {
			row["expires"] = e.Expires
		}
		out = append(out, row)
	}
	writeJSON(w, map[string]any{"state": out, "next": next})
	return nil
}

// maxListed bounds what one call of a list gives.
const maxListed = 1000

func limitOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return maxListed / 10, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxListed {
		return 0, errorf(ErrInvalidRequest, "limit: expected 1 to %d, found %q", maxListed, clip(text))
	}
	return n, nil
}

// asJSON gives bytes as they are if they are JSON, else as a text, or as base64 if they are no text.
func asJSON(data []byte) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	if json.Valid(data) {
		return data
	}
	var out []byte
	if utf8.Valid(data) {
		out, _ = json.Marshal(string(data))
	} else {
		out, _ = json.Marshal(data)
	}
	return out
}

func writeJSON(w http.ResponseWriter, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		block.WriteError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // an error means that the client is gone
}
