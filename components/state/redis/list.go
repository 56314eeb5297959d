package redis

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// scanCount is how many keys the server looks at for one SCAN.
const scanCount = 1000

// ListKeys gives a page of keys. Redis keeps no order, so every page walks through all keys of the server (of every
// master of a cluster) and keeps the smallest ones behind the last page: a page costs time in proportion to the
// number of keys in the database, about a second for a million, and memory for one page. The order is stable, so keys
// that come or go between pages disturb no others.
func (s *store) ListKeys(ctx context.Context, req state.ListRequest) (state.KeyPage, error) {
	after, err := req.After()
	if err != nil {
		return state.KeyPage{}, err
	}
	if err := ctx.Err(); err != nil {
		return state.KeyPage{}, err
	}
	found := smallest{limit: req.Limit + 1}
	err = eachMaster(ctx, s.client, func(ctx context.Context, node *redis.Client) error {
		return scan(ctx, node, req.Prefix, after, &found)
	})
	if err != nil {
		return state.KeyPage{}, s.failure(ctx, "", err)
	}
	page := state.KeyPage{Keys: found.sorted()}
	if len(page.Keys) > req.Limit {
		page.Keys = page.Keys[:req.Limit]
		page.Next = state.PageToken(page.Keys[req.Limit-1])
	}
	return page, nil
}

func scan(ctx context.Context, node *redis.Client, prefix, after string, found *smallest) error {
	match := escape(prefix) + "*"
	var cursor uint64
	for {
		keys, next, err := node.ScanType(ctx, cursor, match, scanCount, "hash").Result()
		if err != nil {
			return err
		}
		found.add(keys, after)
		if next == 0 {
			return nil
		}
		cursor = next
	}
}

var escaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `^`, `\^`)

// escape takes the meaning from what means something in Redis's patterns.
func escape(text string) string { return escaper.Replace(text) }

// smallest keeps the smallest keys of all that are added, each once though SCAN may give a key twice.
type smallest struct {
	limit int

	mu   sync.Mutex
	keys []string
	// most is the largest key worth keeping once full is set.
	most string
	full bool
}

func (s *smallest) add(keys []string, after string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if after != "" && key <= after || s.full && key >= s.most {
			continue
		}
		s.keys = append(s.keys, key)
		// Sorting at the double keeps the cost of a key constant on average.
		if len(s.keys) >= 2*s.limit {
			s.cut()
		}
	}
}

func (s *smallest) cut() {
	slices.Sort(s.keys)
	s.keys = slices.Compact(s.keys)
	if len(s.keys) < s.limit {
		return
	}
	clear(s.keys[s.limit:])
	s.keys = s.keys[:s.limit]
	s.full, s.most = true, s.keys[s.limit-1]
}

func (s *smallest) sorted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut()
	return s.keys
}
