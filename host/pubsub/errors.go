package pubsub

import (
	"errors"
	"fmt"

	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The errors of publishing beside those of drivers and *component.NotFoundError.
var (
	// ErrForbidden: the app may not use the topic.
	ErrForbidden = errors.New("forbidden")
	// ErrMetadata: a setting of the request is not valid. It is an ErrInvalid.
	ErrMetadata = fmt.Errorf("%w: metadata", ErrInvalid)
	// ErrNotCloudEvent: the content type says CloudEvent and the data is none. It is an ErrInvalid.
	ErrNotCloudEvent = fmt.Errorf("%w: not a CloudEvent", ErrInvalid)

	errEmptyTopic = fmt.Errorf("%w: topic is empty", ErrInvalidTopic)
	errEntry      = fmt.Errorf("%w: bulk", ErrInvalid)
)

// wireError gives err in WIT's form.
func wireError(err error) *abipubsub.Error {
	if err == nil {
		return nil
	}
	tag := abipubsub.ErrorOther
	if _, ok := errors.AsType[*component.NotFoundError](err); ok {
		tag = abipubsub.ErrorPubsubNotFound
	}
	for target, t := range map[error]abipubsub.ErrorTag{
		ErrInvalidTopic: abipubsub.ErrorInvalidTopic, ErrForbidden: abipubsub.ErrorForbidden,
		ErrInvalid: abipubsub.ErrorInvalidRequest, ErrUnavailable: abipubsub.ErrorUnavailable,
	} {
		if errors.Is(err, target) {
			tag = t
		}
	}
	return &abipubsub.Error{Tag: tag, Value: err.Error()}
}
