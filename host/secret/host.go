package secret

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abisecret "github.com/mrt-wasm/mrt-wasm/abi/secret"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Host is the block as one app calls it: the functions of mrt:secret/store.
type Host struct {
	block *Block
	app   string
}

var _ abisecret.StoreHost = (*Host)(nil)

// Get reads one secret.
func (h *Host) Get(ctx context.Context, store, name string, metadata abisecret.Metadata) (abisecret.Values, *abisecret.Error) {
	values, err := h.block.Get(ctx, h.app, store, name, toMap(metadata))
	if err != nil {
		return nil, toError(err)
	}
	return toTuples(values), nil
}

// BulkGet reads all secrets that the app may read, by name.
func (h *Host) BulkGet(ctx context.Context, store string, metadata abisecret.Metadata) ([]canon.Tuple2[string, abisecret.Values], *abisecret.Error) {
	all, err := h.block.BulkGet(ctx, h.app, store, toMap(metadata))
	if err != nil {
		return nil, toError(err)
	}
	out := make([]canon.Tuple2[string, abisecret.Values], 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, canon.Tuple2[string, abisecret.Values]{F0: name, F1: toTuples(all[name])})
	}
	return out, nil
}

func toMap(metadata abisecret.Metadata) map[string]string {
	if len(metadata) == 0 {
		return nil
	}
	out := make(map[string]string, len(metadata))
	for _, kv := range metadata {
		out[kv.F0] = kv.F1
	}
	return out
}

func toTuples(values Values) abisecret.Values {
	out := make(abisecret.Values, 0, len(values))
	for _, k := range slices.Sorted(maps.Keys(values)) {
		out = append(out, canon.Tuple2[string, string]{F0: k, F1: values[k]})
	}
	return out
}

// toError gives an error as the contract has it.
func toError(err error) *abisecret.Error {
	tag := abisecret.ErrorOther
	if _, ok := errors.AsType[*component.NotFoundError](err); ok {
		tag = abisecret.ErrorStoreNotFound
	}
	for _, k := range []struct {
		is  error
		tag abisecret.ErrorTag
	}{
		{ErrNotFound, abisecret.ErrorNotFound},
		{ErrForbidden, abisecret.ErrorForbidden},
		{ErrInvalid, abisecret.ErrorInvalidRequest},
		{ErrUnsupported, abisecret.ErrorUnsupported},
		{ErrUnavailable, abisecret.ErrorUnavailable},
		{context.DeadlineExceeded, abisecret.ErrorUnavailable},
	} {
		if errors.Is(err, k.is) {
			tag = k.tag
			break
		}
	}
	return &abisecret.Error{Tag: tag, Value: err.Error()}
}
