package binding

import (
	"context"
	"maps"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
)

// session is what one app has of the block.
type session struct {
	b   *Block
	app string
}

var _ abibinding.OutputHost = (*session)(nil)

// Funcs are the host functions.
func (s *session) Funcs() []abi.Func { return abibinding.OutputFuncs(s) }

// Close has nothing to release: components belong to the block.
func (s *session) Close(context.Context) error { return nil }

// Invoke is the host function of this name.
func (s *session) Invoke(ctx context.Context, binding, operation string, data []byte, metadata abibinding.Metadata) (abibinding.Reply, *abibinding.Error) {
	reply, err := s.b.Invoke(ctx, s.app, binding, &Request{Operation: operation, Data: data, Metadata: unpair(metadata)})
	if err != nil || reply == nil {
		return abibinding.Reply{}, wireError(err)
	}
	out := abibinding.Reply{ContentType: reply.ContentType, Metadata: pair(reply.Metadata)}
	if reply.Data != nil {
		out.Data = &reply.Data
	}
	return out, nil
}

// Operations is the host function of this name.
func (s *session) Operations(_ context.Context, binding string) ([]string, *abibinding.Error) {
	ops, err := s.b.Operations(s.app, binding)
	return ops, wireError(err)
}

// unpair gives the pairs as a map; the last of equal keys wins.
func unpair(pairs abibinding.Metadata) map[string]string {
	out := make(map[string]string, len(pairs)+2) // room for the trace context
	for _, kv := range pairs {
		out[kv.F0] = kv.F1
	}
	return out
}

// pair gives a map's pairs in the order of the keys.
func pair(m map[string]string) abibinding.Metadata {
	if len(m) == 0 {
		return nil
	}
	out := make(abibinding.Metadata, len(m))
	for i, k := range slices.Sorted(maps.Keys(m)) {
		out[i].F0, out[i].F1 = k, m[k]
	}
	return out
}
