package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
	_ contrib.Store   = (*stateStore)(nil)
	_ contrib.Querier = (*stateStore)(nil)
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

// Close closes the driver.
func (s *stateStore) Close() error { return s.opener.end(s.store) }
