package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// Routes adds Dapr's state API and, of our own,
//
//	GET /v1.0-alpha1/state/{store}?prefix=&limit=&token=   200 {"keys":[...],"token":"..."}
//
// A value in a JSON body is stored as its JSON text: a string with its quotes, as in Dapr. Where a value goes into a
// JSON answer (bulk and query) and is no JSON itself, because an app wrote other bytes, it becomes a JSON string:
// the text if it is UTF-8, else base64.
//
// A call is on behalf of the app that Config.CallerApp says; it sees that app's keys and the components of its scope. On behalf of no app it sees all
// components that are not opened for single apps, and keys without the prefix of an app.
func (b *Block) Routes(handle func(pattern string, h http.HandlerFunc)) {
	route := func(f func(*call) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, err := b.call(w, r)
			if err == nil {
				err = f(c)
			}
			if err != nil {
				block.WriteError(w, err)
			}
		}
	}
	// Dapr treats the two alike on writes.
	postPut := func(path string, f func(*call) error) {
		handle("POST "+path, route(f))
		handle("PUT "+path, route(f))
	}
	handle("GET /v1.0/state/{store}/{key}", route((*call).get))
	handle("DELETE /v1.0/state/{store}/{key}", route((*call).delete))
	postPut("/v1.0/state/{store}", (*call).save)
	postPut("/v1.0/state/{store}/bulk", (*call).bulk)
	postPut("/v1.0/state/{store}/transaction", (*call).transaction)
	postPut("/v1.0-alpha1/state/{store}/query", (*call).query)
	handle("GET /v1.0-alpha1/state/{store}", route((*call).list))
}

// call is one request of the API.
type call struct {
	w http.ResponseWriter
	r *http.Request
	// store is the name in the path.
	store    string
	bound    *bound
	metadata map[string]string
}

func (b *Block) call(w http.ResponseWriter, r *http.Request) (*call, error) {
	c := &call{w: w, r: r, store: r.PathValue("store"), metadata: requestMetadata(r)}
	app := b.callerApp(r)
	var err error
	if c.bound, err = b.bind(app, c.store); err != nil {
		return nil, storeError(c.store, app, err)
	}
	return c, nil
}

func (b *Block) callerApp(r *http.Request) string {
	if b.cfg.CallerApp == nil {
		return ""
	}
	return b.cfg.CallerApp(r)
}

func (c *call) ctx() context.Context { return c.r.Context() }

func (c *call) get() error {
	key := c.r.PathValue("key")
	consistency, err := parseConsistency(c.r.URL.Query().Get("consistency"))
	if err != nil {
		return err
	}
	e, err := c.bound.get(c.ctx(), GetRequest{Key: key, Consistency: consistency, Metadata: c.metadata})
	switch {
	case errors.Is(err, ErrInvalidKey):
		return keyError(c.store, key, err)
	case err != nil:
		return internal(http.StatusInternalServerError, "ERR_STATE_GET", "fail to get %s from state store %s: %s", key, c.store, err)
	case e == nil:
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	h := c.w.Header()
	if e.ETag != nil {
		h.Set("ETag", *e.ETag)
	}
	for k, v := range replyMetadata(e) {
		h.Set("metadata."+k, v)
	}
	h.Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(e.Value) // an error means that the client is gone
	return nil
}

func (c *call) save() error {
	var items []item
	if err := c.body(&items); err != nil {
		return err
	}
	reqs := make([]SetRequest, len(items))
	for i := range items {
		if err := items[i].check(c.store); err != nil {
			return err
		}
		var err error
		if reqs[i], err = items[i].setRequest(c.metadata); err != nil {
			return err
		}
	}
	var err error
	if len(reqs) == 1 {
		err = c.bound.set(c.ctx(), &reqs[0])
	} else if len(reqs) > 1 {
		err = errors.Join(c.bound.bulkSet(c.ctx(), reqs)...)
	}
	if err != nil {
		return failed("ERR_STATE_SAVE", err, "failed saving state in state store %s: %s", c.store, err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) delete() error {
	i := item{Key: c.r.PathValue("key")}
	query := c.r.URL.Query()
	i.Options.Concurrency, i.Options.Consistency = query.Get("concurrency"), query.Get("consistency")
	if etag := c.r.Header.Get("If-Match"); etag != "" {
		i.ETag = &etag
	}
	req, err := i.deleteRequest(c.metadata)
	if err != nil {
		return err
	}
	err = c.bound.delete(c.ctx(), &req)
	switch {
	case errors.Is(err, ErrInvalidKey):
		return keyError(c.store, i.Key, err)
	case err != nil:
		return failed("ERR_STATE_DELETE", err, "failed deleting state with key %s: %s", i.Key, err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// result is one key of a bulk or query answer.
type result struct {
	Key      string            `json:"key"`
	Data     json.RawMessage   `json:"data,omitempty"`
	ETag     *string           `json:"etag,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Error    string            `json:"error,omitempty"`
}

func (c *call) bulk() error {
	var body struct {
		Keys        []string          `json:"keys"`
		Parallelism int               `json:"parallelism"`
		Metadata    map[string]string `json:"metadata"`
	}
	if err := c.body(&body); err != nil {
		return err
	}
	for _, key := range body.Keys {
		if err := checkKey(key); err != nil {
			return keyError(c.store, key, err)
		}
	}
	outcomes, err := c.bound.bulkGet(c.ctx(), body.Keys, over(body.Metadata, c.metadata), body.Parallelism)
	if err != nil {
		return internal(http.StatusInternalServerError, "ERR_STATE_BULK_GET", "%s", err)
	}
	out := make([]result, len(outcomes))
	for i, o := range outcomes {
		out[i].Key = o.key
		switch {
		case o.err != nil:
			out[i].Error = o.err.Error()
		case o.entry != nil:
			out[i].Data, out[i].ETag, out[i].Metadata = toJSON(o.entry.Value), o.entry.ETag, replyMetadata(o.entry)
		}
	}
	return c.json(out)
}

func (c *call) transaction() error {
	if c.bound.transFn == nil {
		return noTransactions(c.store)
	}
	var body struct {
		Operations []struct {
			Operation string `json:"operation"`
			Request   item   `json:"request"`
		} `json:"operations"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := c.body(&body); err != nil {
		return err
	}
	ops := make([]Operation, len(body.Operations))
	for i := range body.Operations {
		o := &body.Operations[i]
		var err error
		switch o.Operation {
		case "upsert":
			var req SetRequest
			req, err = o.Request.setRequest(nil)
			ops[i].Upsert = &req
		case "delete":
			var req DeleteRequest
			req, err = o.Request.deleteRequest(nil)
			ops[i].Delete = &req
		default:
			return internal(http.StatusBadRequest, "ERR_NOT_SUPPORTED_STATE_OPERATION", "operation type %s not supported", o.Operation)
		}
		if err = errors.Join(err, o.Request.check(c.store)); err != nil {
			return err
		}
	}
	if len(ops) > 0 {
		err := c.bound.transact(c.ctx(), ops, over(body.Metadata, c.metadata))
		if many, ok := errors.AsType[*TooManyOperationsError](err); ok {
			return tooMany(c.store, many)
		}
		if err != nil {
			return internal(http.StatusInternalServerError, "ERR_STATE_TRANSACTION", "error while executing state transaction: %s", err)
		}
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) query() error {
	if c.bound.queryFn == nil {
		return noQueries(c.store)
	}
	text, err := c.read()
	if err != nil {
		return err
	}
	page, err := c.bound.query(c.ctx(), string(text), c.metadata)
	if err != nil {
		return queryFailed(c.store, err)
	}
	if len(page.Items) == 0 {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	out := struct {
		Results  []result          `json:"results"`
		Token    string            `json:"token,omitempty"`
		Metadata map[string]string `json:"metadata,omitempty"`
	}{make([]result, len(page.Items)), page.Token, page.Metadata}
	for i, it := range page.Items {
		out.Results[i] = result{Key: it.Key, Data: toJSON(it.Value), ETag: it.ETag}
	}
	return c.json(out)
}

func (c *call) list() error {
	if c.bound.listFn == nil {
		return noListing(c.store)
	}
	query := c.r.URL.Query()
	limit := 0
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil {
			return malformed("limit: want 1 to %d, found %q", maxLimit, text)
		}
	}
	page, err := c.bound.list(c.ctx(), query.Get("prefix"), limit, query.Get("token"))
	switch {
	case errors.Is(err, ErrInvalid) || errors.Is(err, ErrInvalidKey):
		return malformed("%s", err)
	case err != nil:
		return internal(http.StatusInternalServerError, "ERR_STATE_LIST", "failed listing keys of state store %s: %s", c.store, err)
	}
	if page.Keys == nil {
		page.Keys = []string{}
	}
	return c.json(struct {
		Keys  []string `json:"keys"`
		Token string   `json:"token,omitempty"`
	}{page.Keys, page.Next})
}

func (c *call) body(v any) error {
	text, err := c.read()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return malformed("failed deserializing HTTP body: %s", jsonError(err))
	}
	return nil
}

// read gives the whole body. The API server bounds it.
func (c *call) read() ([]byte, error) {
	text, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, malformed("failed reading HTTP body: %s", err)
	}
	return text, nil
}

func (c *call) json(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("the answer cannot be written as JSON: %w", err)
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(text) // an error means that the client is gone
	return nil
}
