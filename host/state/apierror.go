package state

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The codes and texts below are Dapr's: clients look for them.

// storeError is the answer when a store cannot be found for an app.
func storeError(store, app string, err error) error {
	missing, ok := errors.AsType[*component.NotFoundError](err)
	if !ok {
		return &block.APIError{
			Status: http.StatusInternalServerError, Code: "ERR_STATE_STORE_NOT_CONFIGURED",
			Message: err.Error(), Details: details("NOT_CONFIGURED", appMetadata(app)),
		}
	}
	if len(missing.Have) == 0 {
		return &block.APIError{
			Status: http.StatusInternalServerError, Code: "ERR_STATE_STORE_NOT_CONFIGURED",
			Message: fmt.Sprintf("state store %s is not configured", store), Details: details("NOT_CONFIGURED", appMetadata(app)),
		}
	}
	return &block.APIError{
		Status: http.StatusBadRequest, Code: "ERR_STATE_STORE_NOT_FOUND",
		Message: fmt.Sprintf("state store %s is not found", store), Details: details("NOT_FOUND", appMetadata(app)),
	}
}

func keyError(store, key string, err error) error {
	return &block.APIError{
		Status: http.StatusBadRequest, Code: "ERR_MALFORMED_REQUEST", Message: err.Error(),
		Details: append(details("ILLEGAL_KEY", nil), resource(store), map[string]any{
			"@type":            "type.googleapis.com/google.rpc.BadRequest",
			"field_violations": []map[string]string{{"field": key, "description": err.Error()}},
		}),
	}
}

func malformed(format string, args ...any) error {
	return &block.APIError{Status: http.StatusBadRequest, Code: "ERR_MALFORMED_REQUEST", Message: fmt.Sprintf(format, args...)}
}

// failed is an operation's failure with its own code: 409 for an etag that is not current, 400 for one that no store
// gives, else 500.
func failed(code string, err error, format string, args ...any) error {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrETagMismatch):
		status = http.StatusConflict
	case errors.Is(err, ErrInvalidETag):
		status = http.StatusBadRequest
	}
	return internal(status, code, format, args...)
}

func internal(status int, code, format string, args ...any) error {
	return &block.APIError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func noTransactions(store string) error {
	return &block.APIError{
		Status: http.StatusInternalServerError, Code: "ERR_STATE_STORE_NOT_SUPPORTED",
		Message: fmt.Sprintf("state store %s doesn't support transactions", store),
		Details: append(details("TRANSACTIONS_NOT_SUPPORTED", nil), resource(store), map[string]any{
			"@type": "type.googleapis.com/google.rpc.Help",
			"links": []map[string]string{{
				"url":         "https://docs.dapr.io/reference/components-reference/supported-state-stores/",
				"description": "Check the list of state stores and the features they support",
			}},
		}),
	}
}

func tooMany(store string, e *TooManyOperationsError) error {
	return &block.APIError{
		Status: http.StatusBadRequest, Code: "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS", Message: e.Error(),
		Details: append(details("TOO_MANY_TRANSACTIONS", map[string]string{
			"currentOpsTransaction": strconv.Itoa(e.Count), "maxOpsPerTransaction": strconv.Itoa(e.Max),
		}), resource(store)),
	}
}

func noQueries(store string) error {
	return &block.APIError{
		Status: http.StatusInternalServerError, Code: "ERR_STATE_STORE_NOT_SUPPORTED", Message: "state store does not support querying",
		Details: append(details("QUERYING_NOT_SUPPORTED", nil), resource(store)),
	}
}

func queryFailed(store string, err error) error {
	return &block.APIError{
		Status: http.StatusInternalServerError, Code: "ERR_STATE_QUERY",
		Message: fmt.Sprintf("state store %s query failed: %s", store, err),
		Details: append(details("QUERY_FAILED", nil), resource(store)),
	}
}

func noListing(store string) error {
	return &block.APIError{
		Status: http.StatusInternalServerError, Code: "ERR_STATE_STORE_NOT_SUPPORTED",
		Message: fmt.Sprintf("state store %s does not support listing keys", store),
		Details: append(details("LISTING_NOT_SUPPORTED", nil), resource(store)),
	}
}

// details begins the list of google.rpc details.
func details(reason string, metadata map[string]string) []map[string]any {
	return []map[string]any{{
		"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "dapr.io", "reason": "DAPR_STATE_" + reason, "metadata": metadata,
	}}
}

func resource(store string) map[string]any {
	return map[string]any{
		"@type":         "type.googleapis.com/google.rpc.ResourceInfo",
		"resource_type": "state", "resource_name": store, "owner": "", "description": "",
	}
}

func appMetadata(app string) map[string]string {
	if app == "" {
		return nil
	}
	return map[string]string{"appID": app}
}
