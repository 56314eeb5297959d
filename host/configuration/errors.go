package configuration

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The errors beside those of drivers and *component.NotFoundError.
var (
	// ErrNoSubscription: there is no subscription of this id.
	ErrNoSubscription = errors.New("subscription not found")
	// ErrNoApp: changes can only be brought to an app, and none of this name runs.
	ErrNoApp = errors.New("no app")
)

// The limits of requests.
const (
	maxKey           = 4096 // bytes
	maxKeys          = 10_000
	maxSubscriptions = 1000 // of one app
)

// checkKeys refuses keys that no store could mean.
func checkKeys(keys []string) error {
	if len(keys) > maxKeys {
		return fmt.Errorf("%w: %d keys, want %d or fewer; no keys means all", ErrInvalid, len(keys), maxKeys)
	}
	for i, k := range keys {
		switch {
		case k == "":
			return fmt.Errorf("%w: key %d of %d is empty", ErrInvalid, i+1, len(keys))
		case len(k) > maxKey:
			return fmt.Errorf("%w: key %q... has %d bytes, want %d or fewer", ErrInvalid, k[:32], len(k), maxKey)
		case !utf8.ValidString(k):
			return fmt.Errorf("%w: key %q is not valid UTF-8", ErrInvalid, k)
		}
	}
	return nil
}

// wireError gives err in WIT's form.
func wireError(err error) *abiconfiguration.Error {
	if err == nil {
		return nil
	}
	tag := abiconfiguration.ErrorOther
	_, missing := errors.AsType[*component.NotFoundError](err)
	switch {
	case missing:
		tag = abiconfiguration.ErrorStoreNotFound
	case errors.Is(err, ErrNoSubscription):
		tag = abiconfiguration.ErrorSubscriptionNotFound
	case errors.Is(err, ErrInvalid):
		tag = abiconfiguration.ErrorInvalidRequest
	case errors.Is(err, ErrUnsupported):
		tag = abiconfiguration.ErrorUnsupported
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		tag = abiconfiguration.ErrorUnavailable
	}
	return &abiconfiguration.Error{Tag: tag, Value: err.Error()}
}
