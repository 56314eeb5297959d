package configuration

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
)

// session is what one app has of the block.
type session struct {
	b   *Block
	app string
}

var _ abiconfiguration.StoreHost = (*session)(nil)

// Funcs are the host functions.
func (s *session) Funcs() []abi.Func { return abiconfiguration.StoreFuncs(s) }

// Close has nothing to release: components and subscriptions belong to the block.
func (s *session) Close(context.Context) error { return nil }

// Get is the host function of this name.
func (s *session) Get(ctx context.Context, store string, keys []string, metadata abiconfiguration.Metadata) ([]abiconfiguration.Item, *abiconfiguration.Error) {
	items, err := s.b.Get(ctx, s.app, store, keys, unpair(metadata))
	if err != nil {
		return nil, wireError(err)
	}
	return wireItems(items), nil
}

// Subscribe is the host function of this name.
func (s *session) Subscribe(ctx context.Context, store string, keys []string, metadata abiconfiguration.Metadata) (string, *abiconfiguration.Error) {
	id, err := s.b.Subscribe(ctx, s.app, store, keys, unpair(metadata))
	return id, wireError(err)
}

// Unsubscribe is the host function of this name.
func (s *session) Unsubscribe(_ context.Context, store, id string) *abiconfiguration.Error {
	return wireError(s.b.Unsubscribe(s.app, store, id))
}

func wireItems(items []Item) []abiconfiguration.Item {
	out := make([]abiconfiguration.Item, len(items))
	for i, item := range items {
		out[i] = abiconfiguration.Item{
			Key: item.Key, Value: item.Value, Version: item.Version, Deleted: item.Deleted, Metadata: pair(item.Metadata),
		}
	}
	return out
}

func pair(m map[string]string) abiconfiguration.Metadata {
	var out abiconfiguration.Metadata
	for k, v := range m {
		out = append(out, canon.Tuple2[string, string]{F0: k, F1: v})
	}
	return out
}

func unpair(list abiconfiguration.Metadata) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := make(map[string]string, len(list))
	for _, kv := range list {
		out[kv.F0] = kv.F1
	}
	return out
}
