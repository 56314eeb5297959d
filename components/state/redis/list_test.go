package redis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSmallest: whatever the order and however often a key comes, the smallest remain.
func TestSmallest(t *testing.T) {
	var keys []string
	for i := range 500 {
		keys = append(keys, fmt.Sprintf("k%03d", i), fmt.Sprintf("k%03d", i))
	}
	for _, limit := range []int{2, 3, 101, 499, 500, 501, 1001} {
		for range 5 {
			rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			for _, after := range []string{"", "k100"} {
				s := smallest{limit: limit}
				for chunk := range slices.Chunk(keys, 7) {
					s.add(chunk, after)
				}
				want := slices.Compact(slices.Sorted(slices.Values(keys)))
				if after != "" {
					want = want[101:]
				}
				want = want[:min(limit, len(want))]
				if got := s.sorted(); !slices.Equal(got, want) {
					t.Fatalf("limit %d after %q: got %q, want %q", limit, after, got, want)
				}
			}
		}
	}
}

func TestEscape(t *testing.T) {
	if got, want := escape(`a*?[b]^\ä`), `a\*\?\[b\]\^\\ä`; got != want {
		t.Errorf("escape: got %s, want %s", got, want)
	}
}
