package adapt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	contrib "github.com/dapr/components-contrib/state"
	"github.com/dapr/kit/logger"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Stores are the constructors of a state store by spec.version.
type Stores = map[string]func(logger.Logger) contrib.Store

// State makes a driver of a state store.
func State(typ string, impl func(logger.Logger) contrib.Store, aliases ...string) component.Spec[state.Store] {
	return StateVersions(typ, Stores{"v1": impl}, aliases...)
}

// StateVersions makes a driver of a state store that has several versions.
func StateVersions(typ string, impls Stores, aliases ...string) component.Spec[state.Store] {
	versions := slices.Sorted(maps.Keys(impls))
	out := spec(typ, aliases, func(ctx context.Context, cfg component.Config) (state.Store, error) {
		version := cfg.Version
		if version == "" {
			version = versions[0]
		}
		s := &store{impl: impls[version](log{cfg.Log}), cfg: cfg}
		err := start(cfg, func() error {
			return s.impl.Init(context.WithoutCancel(ctx), contrib.Metadata{Base: base(cfg)})
		})
		s.features = s.impl.Features()
		return s, err
	})
	out.Versions = versions
	return out
}

// store is a component of Dapr; what it can is known when it is open.
type store struct {
	impl     contrib.Store
	cfg      component.Config
	features []contrib.Feature
}

var (
	_ state.Partial            = (*store)(nil)
	_ state.Transactor         = (*store)(nil)
	_ state.TransactionLimiter = (*store)(nil)
	_ state.BulkGetter         = (*store)(nil)
	_ state.Querier            = (*store)(nil)
	_ state.Expirer            = (*store)(nil)
	_ state.Pinger             = (*store)(nil)
)

// Has tells whether the component has an ability.
func (s *store) Has(ability any) bool {
	switch ability.(type) {
	case *state.Transactor:
		_, ok := s.impl.(contrib.TransactionalStore)
		return ok && has(s.features, contrib.FeatureTransactional)
	case *state.Querier:
		_, ok := s.impl.(contrib.Querier)
		return ok && has(s.features, contrib.FeatureQueryAPI)
	case *state.Expirer:
		return has(s.features, contrib.FeatureTTL)
	default:
		return true
	}
}

// Expires is a marker.
func (*store) Expires() {}

// Get reads one key.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	r, err := s.impl.Get(ctx, &contrib.GetRequest{
		Key: req.Key, Metadata: copied(req.Metadata), Options: contrib.GetStateOption{Consistency: consistency(req.Consistency)},
	})
	if err != nil || r == nil || r.Data == nil {
		return nil, failure(req.Key, err)
	}
	return entry(r.Data, r.ETag, r.Metadata), nil
}

// BulkGet reads many keys.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	ask := make([]contrib.GetRequest, len(reqs))
	at := make(map[string][]int, len(reqs))
	for i, req := range reqs {
		ask[i] = contrib.GetRequest{
			Key: req.Key, Metadata: copied(req.Metadata), Options: contrib.GetStateOption{Consistency: consistency(req.Consistency)},
		}
		at[req.Key] = append(at[req.Key], i)
	}
	got, err := s.impl.BulkGet(ctx, ask, contrib.BulkGetOpts{})
	if err != nil {
		return nil, err
	}
	out := make([]*state.Entry, len(reqs))
	for _, r := range got {
		if r.Error != "" {
			return nil, fmt.Errorf("key %q: %s", r.Key, r.Error)
		}
		if r.Data == nil {
			continue
		}
		for _, i := range at[r.Key] {
			out[i] = entry(r.Data, r.ETag, r.Metadata)
		}
	}
	return out, nil
}

// Set writes one key.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	return failure(req.Key, s.impl.Set(ctx, setRequest(req)))
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	return failure(req.Key, s.impl.Delete(ctx, deleteRequest(req)))
}

// MaxOperations is how many operations a transaction may have.
func (s *store) MaxOperations() int {
	if m, ok := s.impl.(contrib.TransactionalStoreMultiMaxSize); ok {
		return max(m.MultiMaxSize(), 0)
	}
	return 0
}

// Transact does several operations atomically.
func (s *store) Transact(ctx context.Context, ops []state.Operation, md map[string]string) error {
	tx, ok := s.impl.(contrib.TransactionalStore)
	if !ok {
		return state.ErrNotSupported
	}
	req := &contrib.TransactionalStateRequest{Metadata: copied(md)}
	for _, op := range ops {
		if op.Upsert != nil {
			req.Operations = append(req.Operations, *setRequest(*op.Upsert))
		} else {
			req.Operations = append(req.Operations, *deleteRequest(*op.Delete))
		}
	}
	return failure("", tx.Multi(ctx, req))
}

// Query runs a query. Dapr's components know no prefix: what lies outside of it is taken out of the page.
func (s *store) Query(ctx context.Context, q state.Query) (state.QueryPage, error) {
	querier, ok := s.impl.(contrib.Querier)
	if !ok {
		return state.QueryPage{}, state.ErrNotSupported
	}
	req := &contrib.QueryRequest{Metadata: copied(q.Metadata)}
	text, err := json.Marshal(queryForm(q))
	if err != nil {
		return state.QueryPage{}, err
	}
	if err := json.Unmarshal(text, &req.Query); err != nil {
		return state.QueryPage{}, fmt.Errorf("%w: %w", state.ErrInvalid, err)
	}
	r, err := querier.Query(ctx, req)
	if err != nil {
		return state.QueryPage{}, err
	}
	page := state.QueryPage{Token: r.Token, Metadata: r.Metadata}
	for _, item := range r.Results {
		if item.Error != "" {
			return state.QueryPage{}, fmt.Errorf("key %q: %s", item.Key, item.Error)
		}
		if len(item.Key) >= len(q.Prefix) && item.Key[:len(q.Prefix)] == q.Prefix {
			page.Items = append(page.Items, state.QueryItem{Key: item.Key, Value: item.Data, ETag: item.ETag})
		}
	}
	return page, nil
}

// queryForm is a query as Dapr writes it in JSON.
func queryForm(q state.Query) map[string]any {
	form := map[string]any{}
	if q.Filter != nil {
		form["filter"] = filterForm(*q.Filter)
	}
	var sort []map[string]string
	for _, k := range q.Sort {
		order := "ASC"
		if k.Desc {
			order = "DESC"
		}
		sort = append(sort, map[string]string{"key": k.Key, "order": order})
	}
	if sort != nil {
		form["sort"] = sort
	}
	if q.Limit > 0 || q.Token != "" {
		form["page"] = map[string]any{"limit": q.Limit, "token": q.Token}
	}
	return form
}

func filterForm(f state.Filter) map[string]any {
	switch f.Op {
	case "AND", "OR":
		parts := make([]any, len(f.Filters))
		for i, part := range f.Filters {
			parts[i] = filterForm(part)
		}
		return map[string]any{f.Op: parts}
	case "IN":
		return map[string]any{f.Op: map[string]any{f.Key: f.Values}}
	default:
		return map[string]any{f.Op: map[string]any{f.Key: f.Values[0]}}
	}
}

// Ping asks the server if the component can.
func (s *store) Ping(ctx context.Context) error { return ping(ctx, s.impl) }

// Close closes the component.
func (s *store) Close(context.Context) error { return s.impl.Close() }

func entry(data []byte, etag *string, md map[string]string) *state.Entry {
	e := &state.Entry{Value: data, ETag: etag, Metadata: md}
	if at, err := time.Parse(time.RFC3339, md[contrib.GetRespMetaKeyTTLExpireTime]); err == nil {
		e.Expires = at
	}
	return e
}

func setRequest(req state.SetRequest) *contrib.SetRequest {
	out := &contrib.SetRequest{
		Key: req.Key, Value: req.Value, ETag: req.ETag, Metadata: copied(req.Metadata),
		Options: contrib.SetStateOption{Concurrency: concurrency(req.Concurrency), Consistency: consistency(req.Consistency)},
	}
	// Document stores keep JSON as documents, which Dapr's HTTP API always has.
	kind := req.Metadata["contentType"]
	if kind == "" && json.Valid(req.Value) {
		kind = "application/json"
	}
	out.ContentType = text(kind)
	if req.TTL != nil {
		seconds := int64((*req.TTL + time.Second - 1) / time.Second)
		if seconds <= 0 {
			seconds = -1
		}
		out.Metadata["ttlInSeconds"] = strconv.FormatInt(seconds, 10)
	}
	return out
}

func deleteRequest(req state.DeleteRequest) *contrib.DeleteRequest {
	return &contrib.DeleteRequest{
		Key: req.Key, ETag: req.ETag, Metadata: copied(req.Metadata),
		Options: contrib.DeleteStateOption{Concurrency: concurrency(req.Concurrency), Consistency: consistency(req.Consistency)},
	}
}

func concurrency(c state.Concurrency) string {
	switch c {
	case state.FirstWrite:
		return contrib.FirstWrite
	case state.LastWrite:
		return contrib.LastWrite
	default:
		return ""
	}
}

func consistency(c state.Consistency) string {
	switch c {
	case state.Strong:
		return contrib.Strong
	case state.Eventual:
		return contrib.Eventual
	default:
		return ""
	}
}

// failure gives an error of Dapr in the block's terms.
func failure(key string, err error) error {
	etag, ok := errors.AsType[*contrib.ETagError](err)
	switch {
	case !ok:
		return err
	case etag.Kind() == contrib.ETagInvalid:
		return fmt.Errorf("key %q: %w: %w", key, state.ErrInvalidETag, err)
	default:
		return fmt.Errorf("key %q: %w: %w", key, state.ErrETagMismatch, err)
	}
}
