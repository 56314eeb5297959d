// Package pairs turns the contract's metadata, a list of pairs, into maps and back.
package pairs

import (
	"maps"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/cabi"
)

// Pair is one name and its value.
type Pair = cabi.Tuple2[string, string]

// From gives a map's pairs in the order of the keys; nil for an empty map.
func From(m map[string]string) []cabi.Tuple2[string, string] {
	if len(m) == 0 {
		return nil
	}
	out := make([]cabi.Tuple2[string, string], len(m))
	for i, k := range slices.Sorted(maps.Keys(m)) {
		out[i].F0, out[i].F1 = k, m[k]
	}
	return out
}

// Map gives the pairs as a map; nil for none. The last of equal keys wins.
func Map(list []cabi.Tuple2[string, string]) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := make(map[string]string, len(list))
	for _, kv := range list {
		out[kv.F0] = kv.F1
	}
	return out
}
