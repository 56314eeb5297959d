package block

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ErrOverloaded says that an app's queue is full. RetryAfter is how long the caller should wait.
type ErrOverloaded struct {
	App        string
	RetryAfter time.Duration
}

// Error names the app and the setting that bounds its queue.
func (e *ErrOverloaded) Error() string {
	return fmt.Sprintf("app %s: queue is full (spec.limits.queue); try again after %s", e.App, e.RetryAfter)
}

// Overloaded is RetryAfter, for drivers, which know the error by this method.
func (e *ErrOverloaded) Overloaded() time.Duration { return e.RetryAfter }

// APIError is an error of the HTTP API in Dapr's form.
type APIError struct {
	// Status is the HTTP status.
	Status int `json:"-"`
	// Code is Dapr's error code, for example "ERR_STATE_STORE_NOT_FOUND".
	Code string `json:"errorCode"`
	// Message says what was wrong.
	Message string `json:"message"`
	// Details are google.rpc error details as Dapr writes them; may be empty.
	Details []map[string]any `json:"details,omitempty"`
}

// Error gives the code and the message.
func (e *APIError) Error() string { return e.Code + ": " + e.Message }

// WriteError answers an API call with err: an *APIError as it is, anything else as 500 ERR_INTERNAL.
func WriteError(w http.ResponseWriter, err error) {
	var api *APIError
	if !errors.As(err, &api) {
		api = &APIError{Status: http.StatusInternalServerError, Code: "ERR_INTERNAL", Message: err.Error()}
	}
	body, marshalErr := json.Marshal(api)
	if marshalErr != nil {
		body = []byte(`{"errorCode":"ERR_INTERNAL","message":"error details cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(api.Status)
	_, _ = w.Write(body) // an error means that the client is gone; nobody is left to tell
}
