package pubsub

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Dapr's error codes.
const (
	codeNotFound      = "ERR_PUBSUB_NOT_FOUND"
	codeNotConfigured = "ERR_PUBSUB_NOT_CONFIGURED"
	codeForbidden     = "ERR_PUBSUB_FORBIDDEN"
	codeMetadata      = "ERR_PUBSUB_REQUEST_METADATA"
	codeCloudEvent    = "ERR_PUBSUB_CLOUD_EVENTS_SER"
	codeEvents        = "ERR_PUBSUB_EVENTS_SER"
	codePublish       = "ERR_PUBSUB_PUBLISH_MESSAGE"
	codeInvoke        = "ERR_DIRECT_INVOKE"
)

// Routes adds publishing to the HTTP API.
func (b *Block) Routes(handle func(pattern string, h http.HandlerFunc)) {
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		handle(method+" /v1.0/publish/{pubsub}/{topic...}", b.servePublish)
		handle(method+" /v1.0/publish/bulk/{pubsub}/{topic...}", b.serveBulk)
		handle(method+" /v1.0-alpha1/publish/bulk/{pubsub}/{topic...}", b.serveBulk)
	}
}

func (b *Block) caller(r *http.Request) string {
	if b.cfg.CallerApp == nil {
		return ""
	}
	return b.cfg.CallerApp(r)
}

func (b *Block) servePublish(w http.ResponseWriter, r *http.Request) {
	data, err := readBody(r)
	if err != nil {
		block.WriteError(w, err)
		return
	}
	req := Request{
		PubSub: r.PathValue("pubsub"), Topic: topicOf(r), ContentType: r.Header.Get("Content-Type"),
		Data: data, Metadata: queryMetadata(r),
	}
	app := b.caller(r)
	if err := b.Publish(r.Context(), app, req); err != nil {
		block.WriteError(w, b.apiError(app, req.PubSub, err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// topicOf is the rest of the path without slashes at its end, which Dapr strips too.
func topicOf(r *http.Request) string { return strings.TrimRight(r.PathValue("topic"), "/") }

func readBody(r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(r.Body)
	if err == nil {
		return data, nil
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &block.APIError{
			Status: http.StatusRequestEntityTooLarge, Code: codePublish,
			Message: fmt.Sprintf("the body is larger than %d bytes", large.Limit),
		}
	}
	return nil, &block.APIError{Status: http.StatusBadRequest, Code: codePublish, Message: "the body cannot be read: " + err.Error()}
}

// queryMetadata gives the parameters metadata.<key>.
func queryMetadata(r *http.Request) map[string]string {
	var out map[string]string
	for name, values := range r.URL.Query() {
		if key, ok := strings.CutPrefix(name, "metadata."); ok && key != "" && len(values) > 0 {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = values[0]
		}
	}
	return out
}

// bulkEntry is one entry of a bulk in JSON.
type bulkEntry struct {
	EntryID     string            `json:"entryId"`
	Event       json.RawMessage   `json:"event"`
	ContentType string            `json:"contentType"`
	Metadata    map[string]string `json:"metadata"`
}

func (b *Block) serveBulk(w http.ResponseWriter, r *http.Request) {
	data, err := readBody(r)
	if err != nil {
		block.WriteError(w, err)
		return
	}
	entries, err := bulkEntries(data)
	if err != nil {
		block.WriteError(w, &block.APIError{Status: http.StatusBadRequest, Code: codeEvents, Message: err.Error()})
		return
	}
	app, pubsub := b.caller(r), r.PathValue("pubsub")
	errs, err := b.BulkPublish(r.Context(), app, pubsub, topicOf(r), entries, queryMetadata(r))
	if err != nil {
		block.WriteError(w, b.apiError(app, pubsub, err))
		return
	}
	type failed struct {
		EntryID string `json:"entryId"`
		Error   string `json:"error"`
	}
	answer := struct {
		FailedEntries []failed `json:"failedEntries"`
		ErrorCode     string   `json:"errorCode"`
	}{ErrorCode: codePublish}
	for i, err := range errs {
		if err != nil {
			answer.FailedEntries = append(answer.FailedEntries, failed{entries[i].ID, err.Error()})
		}
	}
	if len(answer.FailedEntries) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_ = json.NewEncoder(w).Encode(answer) // the client is gone; nobody is left to tell
}

// bulkEntries reads the body of a bulk: an event is JSON as it stands, a string, or base64 for binary content.
func bulkEntries(data []byte) ([]Entry, error) {
	var list []bulkEntry
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("want a JSON array of {entryId, event, contentType, metadata}: %w", err)
	}
	out := make([]Entry, len(list))
	for i, e := range list {
		out[i] = Entry{ID: e.EntryID, ContentType: e.ContentType, Data: e.Event, Metadata: e.Metadata}
		media := mediaType(e.ContentType)
		if isJSON(media) || len(e.Event) == 0 {
			continue
		}
		if e.Event[0] != '"' {
			if e.ContentType == "" {
				out[i].ContentType = "application/json"
				continue
			}
			return nil, fmt.Errorf("entry %d (%s): event: want a string with content type %s", i, e.EntryID, e.ContentType)
		}
		content := text(e.Event)
		out[i].Data = []byte(content)
		if media != binaryType {
			continue
		}
		decoded, err := base64.StdEncoding.DecodeString(content)
		if err != nil {
			return nil, fmt.Errorf("entry %d (%s): event: want base64 with content type %s: %w", i, e.EntryID, e.ContentType, err)
		}
		out[i].Data = decoded
	}
	return out, nil
}

// apiError gives an error of publishing in Dapr's form.
func (b *Block) apiError(app, pubsub string, err error) error {
	api := &block.APIError{Status: http.StatusInternalServerError, Code: codePublish, Message: err.Error()}
	reason := ""
	_, missing := errors.AsType[*component.NotFoundError](err)
	switch {
	case missing && len(b.manager.All()) == 0:
		api.Status, api.Code, reason = http.StatusBadRequest, codeNotConfigured, "DAPR_PUBSUB_NOT_CONFIGURED"
	case missing:
		api.Status, api.Code, reason = http.StatusNotFound, codeNotFound, "DAPR_PUBSUB_NOT_FOUND"
	case errors.Is(err, ErrForbidden):
		api.Status, api.Code, reason = http.StatusForbidden, codeForbidden, "DAPR_PUBSUB_FORBIDDEN"
	case errors.Is(err, ErrMetadata):
		api.Status, api.Code, reason = http.StatusBadRequest, codeMetadata, "DAPR_PUBSUB_METADATA_DESERIALIZATION"
	case errors.Is(err, errEntry):
		api.Status, api.Code, reason = http.StatusBadRequest, codeEvents, "DAPR_PUBSUB_MARSHAL_ENVELOPE"
	case errors.Is(err, ErrNotCloudEvent):
		api.Code, reason = codeCloudEvent, "DAPR_PUBSUB_CLOUD_EVENT_CREATION"
	case errors.Is(err, errEmptyTopic):
		api.Status, api.Code = http.StatusNotFound, codeInvoke // such a path is no publish in Dapr
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrInvalidTopic):
		api.Status = http.StatusBadRequest
	}
	if reason != "" {
		api.Details = []map[string]any{{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "dapr.io", "reason": reason,
			"metadata": map[string]string{"appID": app, "pubsubName": pubsub},
		}}
	}
	return api
}
