package conformance

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	contrib "github.com/dapr/components-contrib/state"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// For what a store cannot do the suite wants it to have no methods, so each combination of abilities that drivers have is
// a type: a stateStore alone, with listing, and with transactions as well.
type (
	listedStore struct {
		*stateStore
		listing
	}
	fullStore struct {
		*stateStore
		transactional
		listing
	}
	transactional struct{ s *stateStore }
	listing       struct{ s *stateStore }
)

var (
	_ contrib.TransactionalStore = (*fullStore)(nil)
	_ contrib.KeysLiker          = (*listedStore)(nil)
	_ contrib.DeleteWithPrefix   = (*listedStore)(nil)
)

// Multi runs a transaction.
func (t transactional) Multi(ctx context.Context, req *contrib.TransactionalStateRequest) error {
	transactor, ok := state.As[state.Transactor](t.s.store)
	if !ok {
		return state.ErrNotSupported
	}
	ops := make([]state.Operation, len(req.Operations))
	for i, op := range req.Operations {
		var err error
		switch op := op.(type) {
		case contrib.SetRequest:
			ops[i].Upsert, err = setRequest(&op)
		case contrib.DeleteRequest:
			ops[i].Delete = deleteRequest(&op)
		default:
			err = fmt.Errorf("operation %d: want an upsert or a delete, found %T", i, op)
		}
		if err != nil {
			return err
		}
	}
	return stateError(transactor.Transact(ctx, ops, req.Metadata))
}

// listAll lists keys by prefix, page by page. Pages are small at first, so that there are several, and grow, for a page may
// cost a search through all keys.
func (l listing) listAll(ctx context.Context, prefix string) ([]string, error) {
	lister, ok := state.As[state.Lister](l.s.store)
	if !ok {
		return nil, state.ErrNotSupported
	}
	var keys []string
	token := ""
	for limit := 3; ; limit = min(3*limit, 1000) {
		page, err := lister.ListKeys(ctx, state.ListRequest{Prefix: prefix, Limit: limit, Token: token})
		if err != nil {
			return nil, err
		}
		keys = append(keys, page.Keys...)
		if token = page.Next; token == "" {
			return keys, nil
		}
	}
}

// DeleteWithPrefix deletes what the driver lists directly under a prefix: not what has a further separator.
func (l listing) DeleteWithPrefix(ctx context.Context, req contrib.DeleteWithPrefixRequest) (contrib.DeleteWithPrefixResponse, error) {
	var out contrib.DeleteWithPrefixResponse
	if err := req.Validate(); err != nil {
		return out, err
	}
	keys, err := l.listAll(ctx, req.Prefix)
	if err != nil {
		return out, err
	}
	for _, key := range keys {
		if strings.Contains(strings.TrimPrefix(key, req.Prefix), "||") {
			continue
		}
		if err := l.s.store.Delete(ctx, state.DeleteRequest{Key: key}); err != nil {
			return out, err
		}
		out.Count++
	}
	return out, nil
}

// KeysLike lists by the pattern's literal beginning and holds each key against the rest of it. The token is the last
// key of the page, so that a page begins after it whatever was deleted meanwhile.
func (l listing) KeysLike(ctx context.Context, req *contrib.KeysLikeRequest) (*contrib.KeysLikeResponse, error) {
	if req.Pattern == "" {
		return nil, contrib.ErrKeysLikeEmptyPattern
	}
	prefix, pattern, err := like(req.Pattern)
	if err != nil {
		return nil, err
	}
	keys, err := l.listAll(ctx, prefix)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(key string) bool {
		return !pattern.MatchString(key) || (req.ContinuationToken != nil && key <= *req.ContinuationToken)
	})
	out := &contrib.KeysLikeResponse{Keys: keys}
	if req.PageSize != nil && len(keys) > int(*req.PageSize) {
		out.Keys = keys[:*req.PageSize]
		out.ContinuationToken = &out.Keys[len(out.Keys)-1]
	}
	return out, nil
}

// like gives an SQL LIKE pattern's literal beginning and the pattern as a regular expression.
func like(pattern string) (string, *regexp.Regexp, error) {
	var prefix, expr strings.Builder
	literal := true
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
			continue
		case r == '%' || r == '_':
			literal = false
			expr.WriteString(map[rune]string{'%': ".*", '_': "."}[r])
			continue
		}
		expr.WriteString(regexp.QuoteMeta(string(r)))
		if literal {
			prefix.WriteRune(r)
		}
	}
	re, err := regexp.Compile(`(?s)\A` + expr.String() + `\z`)
	return prefix.String(), re, err
}
