package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	contrib "github.com/dapr/components-contrib/state"
	contributils "github.com/dapr/components-contrib/state/utils"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// stateStore is a state driver as Dapr's state.Store. Bulk writes are those that Dapr has for stores without their own,
// for that is where the host has them too.
type stateStore struct {
	contrib.BulkStore
	opener opener
	store  state.Store
}

var (
	_ contrib.Store              = (*stateStore)(nil)
	_ contrib.TransactionalStore = (*stateStore)(nil)
	_ contrib.Querier            = (*stateStore)(nil)
	_ contrib.KeysLiker          = (*stateStore)(nil)
	_ contrib.DeleteWithPrefix   = (*stateStore)(nil)
)

func newStateStore(o opener) *stateStore {
	s := &stateStore{opener: o}
	s.BulkStore = contrib.NewDefaultBulkStore(s)
	return s
}

// Init opens the driver.
func (s *stateStore) Init(ctx context.Context, md contrib.Metadata) (err error) {
	s.store, err = start(ctx, s.opener, s.opener.drivers.State, md.Properties)
	return err
}

// Features are the driver's abilities by Dapr's names.
func (s *stateStore) Features() []contrib.Feature {
	features := []contrib.Feature{contrib.FeatureETag} // every driver has it
	if _, ok := state.As[state.Transactor](s.store); ok {
		features = append(features, contrib.FeatureTransactional)
	}
	if _, ok := state.As[state.Querier](s.store); ok {
		features = append(features, contrib.FeatureQueryAPI)
	}
	if _, ok := state.As[state.Expirer](s.store); ok {
		features = append(features, contrib.FeatureTTL)
	}
	if _, ok := state.As[state.Lister](s.store); ok {
		features = append(features, contrib.FeatureKeysLike, contrib.FeatureDeleteWithPrefix)
	}
	return features
}

// Ping asks the driver.
func (s *stateStore) Ping(ctx context.Context) error { return ping(ctx, s.store) }

// Get reads one key.
func (s *stateStore) Get(ctx context.Context, req *contrib.GetRequest) (*contrib.GetResponse, error) {
	e, err := s.store.Get(ctx, state.GetRequest{
		Key: req.Key, Consistency: consistency(req.Options.Consistency), Metadata: req.Metadata,
	})
	if err != nil {
		return nil, stateError(err)
	}
	return response(e), nil
}

func response(e *state.Entry) *contrib.GetResponse {
	if e == nil {
		return &contrib.GetResponse{}
	}
	r := &contrib.GetResponse{Data: e.Value, ETag: e.ETag, Metadata: e.Metadata}
	if !e.Expires.IsZero() {
		r.Metadata = map[string]string{contrib.GetRespMetaKeyTTLExpireTime: e.Expires.UTC().Format(time.RFC3339)}
	}
	return r
}

// BulkGet reads many keys, by the driver's own bulk read if it has one.
func (s *stateStore) BulkGet(ctx context.Context, reqs []contrib.GetRequest, opts contrib.BulkGetOpts) ([]contrib.BulkGetResponse, error) {
	bulk, ok := state.As[state.BulkGetter](s.store)
	if !ok {
		return contrib.DoBulkGet(ctx, reqs, opts, s.Get)
	}
	ours := make([]state.GetRequest, len(reqs))
	for i, r := range reqs {
		ours[i] = state.GetRequest{Key: r.Key, Consistency: consistency(r.Options.Consistency), Metadata: r.Metadata}
	}
	entries, err := bulk.BulkGet(ctx, ours)
	if err != nil {
		return nil, stateError(err)
	}
	out := make([]contrib.BulkGetResponse, len(entries))
	for i, e := range entries {
		r := response(e)
		out[i] = contrib.BulkGetResponse{Key: reqs[i].Key, Data: r.Data, ETag: r.ETag, Metadata: r.Metadata}
	}
	return out, nil
}

// Set writes one key.
func (s *stateStore) Set(ctx context.Context, req *contrib.SetRequest) error {
	ours, err := setRequest(req)
	if err != nil {
		return err
	}
	return stateError(s.store.Set(ctx, *ours))
}

// Delete deletes one key.
func (s *stateStore) Delete(ctx context.Context, req *contrib.DeleteRequest) error {
	return stateError(s.store.Delete(ctx, *deleteRequest(req)))
}

func setRequest(req *contrib.SetRequest) (*state.SetRequest, error) {
	value, err := contributils.JSONStringify(req.Value)
	if err != nil {
		return nil, err
	}
	out := &state.SetRequest{
		Key: req.Key, Value: value, ETag: req.ETag, Metadata: req.Metadata,
		Concurrency: concurrency(req.Options.Concurrency), Consistency: consistency(req.Options.Consistency),
	}
	// The host reads times to live in one place for all drivers, which get them as durations.
	if text, ok := req.Metadata["ttlInSeconds"]; ok {
		seconds, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("ttlInSeconds: %w", err)
		}
		ttl := time.Duration(seconds) * time.Second
		out.TTL = &ttl
	}
	return out, nil
}

func deleteRequest(req *contrib.DeleteRequest) *state.DeleteRequest {
	return &state.DeleteRequest{
		Key: req.Key, ETag: req.ETag, Metadata: req.Metadata,
		Concurrency: concurrency(req.Options.Concurrency), Consistency: consistency(req.Options.Consistency),
	}
}

func concurrency(name string) state.Concurrency {
	switch name {
	case contrib.FirstWrite:
		return state.FirstWrite
	case contrib.LastWrite:
		return state.LastWrite
	}
	return state.ConcurrencyUnspecified
}

func consistency(name string) state.Consistency {
	switch name {
	case contrib.Strong:
		return state.Strong
	case contrib.Eventual:
		return state.Eventual
	}
	return state.ConsistencyUnspecified
}

// stateError gives errors the types that Dapr tells apart.
func stateError(err error) error {
	switch {
	case errors.Is(err, state.ErrETagMismatch):
		return contrib.NewETagError(contrib.ETagMismatch, err)
	case errors.Is(err, state.ErrInvalidETag):
		return contrib.NewETagError(contrib.ETagInvalid, err)
	}
	return err
}

// Multi runs a transaction.
func (s *stateStore) Multi(ctx context.Context, req *contrib.TransactionalStateRequest) error {
	transactor, ok := state.As[state.Transactor](s.store)
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

// Query runs a query, which goes through the host's parser as an app's does.
func (s *stateStore) Query(ctx context.Context, req *contrib.QueryRequest) (*contrib.QueryResponse, error) {
	querier, ok := state.As[state.Querier](s.store)
	if !ok {
		return nil, state.ErrNotSupported
	}
	text, err := json.Marshal(map[string]any{
		"filter": req.Query.Filters, "sort": req.Query.Sort,
		"page": map[string]any{"limit": req.Query.Page.Limit, "token": req.Query.Page.Token},
	})
	if err != nil {
		return nil, err
	}
	q, err := state.ParseQuery(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	q.Metadata = req.Metadata
	page, err := querier.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &contrib.QueryResponse{Token: page.Token, Metadata: page.Metadata}
	for _, item := range page.Items {
		out.Results = append(out.Results, contrib.QueryItem{Key: item.Key, Data: item.Value, ETag: item.ETag})
	}
	return out, nil
}

// listAll lists keys by prefix, page by page.
func (s *stateStore) listAll(ctx context.Context, prefix string) ([]string, error) {
	lister, ok := state.As[state.Lister](s.store)
	if !ok {
		return nil, state.ErrNotSupported
	}
	var keys []string
	for token := ""; ; {
		page, err := lister.ListKeys(ctx, state.ListRequest{Prefix: prefix, Limit: 3, Token: token})
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
func (s *stateStore) DeleteWithPrefix(ctx context.Context, req contrib.DeleteWithPrefixRequest) (contrib.DeleteWithPrefixResponse, error) {
	var out contrib.DeleteWithPrefixResponse
	if err := req.Validate(); err != nil {
		return out, err
	}
	keys, err := s.listAll(ctx, req.Prefix)
	if err != nil {
		return out, err
	}
	for _, key := range keys {
		if strings.Contains(strings.TrimPrefix(key, req.Prefix), "||") {
			continue
		}
		if err := s.store.Delete(ctx, state.DeleteRequest{Key: key}); err != nil {
			return out, err
		}
		out.Count++
	}
	return out, nil
}

// KeysLike lists by the pattern's literal beginning and holds each key against the rest of it. The token is the last
// key of the page, so that a page begins after it whatever was deleted meanwhile.
func (s *stateStore) KeysLike(ctx context.Context, req *contrib.KeysLikeRequest) (*contrib.KeysLikeResponse, error) {
	if req.Pattern == "" {
		return nil, contrib.ErrKeysLikeEmptyPattern
	}
	prefix, pattern, err := like(req.Pattern)
	if err != nil {
		return nil, err
	}
	keys, err := s.listAll(ctx, prefix)
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

// Close closes the driver.
func (s *stateStore) Close() error { return s.store.Close(context.Background()) }
