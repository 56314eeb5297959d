package wasm

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"

	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// expiresField is the name under which an entry's end stands in metadata.
const expiresField = "ttlExpireTime"

// toError gives the block's error for one of the contract; others stay as they are.
func toError(err error) error {
	e, ok := errors.AsType[*abistate.Error](err)
	if !ok {
		return err
	}
	switch e.Tag {
	case abistate.ErrorInvalidKey:
		return wasmplugin.As(state.ErrInvalidKey, e.Value)
	case abistate.ErrorETagMismatch:
		return wasmplugin.As(state.ErrETagMismatch, e.Value)
	case abistate.ErrorInvalidETag:
		return wasmplugin.As(state.ErrInvalidETag, e.Value)
	case abistate.ErrorInvalidRequest:
		return wasmplugin.As(state.ErrInvalid, e.Value)
	case abistate.ErrorNotSupported:
		return wasmplugin.As(state.ErrNotSupported, e.Value)
	case abistate.ErrorUnavailable:
		return wasmplugin.As(state.ErrUnavailable, e.Value)
	default:
		return errors.New(e.Value)
	}
}

// of gives a mismatch of one key with the text that it has in all stores.
func of(key string, etag *string, c state.Concurrency, err error) error {
	switch {
	case !errors.Is(err, state.ErrETagMismatch):
		return err
	case c == state.FirstWrite && (etag == nil || *etag == ""):
		return state.Exists(key)
	default:
		return state.Mismatch(key)
	}
}

// checkKeys refuses keys that were not asked for: they may be another app's.
func checkKeys(keys []string, prefix string) error {
	for _, key := range keys {
		if !strings.HasPrefix(key, prefix) {
			return wasmplugin.Lied("want keys that start with %q, found %q", prefix, key)
		}
	}
	return nil
}

func fromEntry(e *abistate.Entry) (*state.Entry, error) {
	if e == nil {
		return nil, nil
	}
	out := &state.Entry{Value: e.Value, ETag: e.ETag}
	if len(e.Metadata) == 0 {
		return out, nil
	}
	out.Metadata = wasmplugin.Map(e.Metadata)
	if text, ok := out.Metadata[expiresField]; ok {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, wasmplugin.Lied("want %s as RFC 3339, found %q", expiresField, text)
		}
		out.Expires = at
		delete(out.Metadata, expiresField)
	}
	return out, nil
}

func toSet(r *state.SetRequest) abistate.SetItem {
	return abistate.SetItem{
		Key: r.Key, Value: r.Value, ETag: given(r.ETag), Concurrency: abistate.Concurrency(r.Concurrency),
		Consistency: abistate.Consistency(r.Consistency), TTLSeconds: seconds(r.TTL), Metadata: wasmplugin.From(r.Metadata),
	}
}

func toDelete(r *state.DeleteRequest) abistate.DeleteItem {
	return abistate.DeleteItem{
		Key: r.Key, ETag: given(r.ETag), Concurrency: abistate.Concurrency(r.Concurrency),
		Consistency: abistate.Consistency(r.Consistency), Metadata: wasmplugin.From(r.Metadata),
	}
}

// given gives an etag; an empty one is none.
func given(etag *string) *string {
	if etag != nil && *etag == "" {
		return nil
	}
	return etag
}

// seconds gives a time to live, rounded up.
func seconds(ttl *time.Duration) *int32 {
	if ttl == nil {
		return nil
	}
	n := int32(-1)
	if *ttl > 0 {
		n = int32(min((*ttl+time.Second-1)/time.Second, math.MaxInt32))
	}
	return &n
}

// queryText writes a query in Dapr's form again.
func queryText(q state.Query) (string, error) {
	type page struct {
		Limit int    `json:"limit,omitempty"`
		Token string `json:"token,omitempty"`
	}
	out := struct {
		Filter map[string]any      `json:"filter,omitempty"`
		Sort   []map[string]string `json:"sort,omitempty"`
		Page   *page               `json:"page,omitempty"`
	}{}
	if q.Filter != nil {
		out.Filter = filter(*q.Filter)
	}
	for _, s := range q.Sort {
		order := "ASC"
		if s.Desc {
			order = "DESC"
		}
		out.Sort = append(out.Sort, map[string]string{"key": s.Key, "order": order})
	}
	if q.Limit != 0 || q.Token != "" {
		out.Page = &page{q.Limit, q.Token}
	}
	text, err := json.Marshal(out)
	return string(text), err
}

func filter(f state.Filter) map[string]any {
	switch {
	case len(f.Filters) > 0:
		list := make([]any, len(f.Filters))
		for i, inner := range f.Filters {
			list[i] = filter(inner)
		}
		return map[string]any{f.Op: list}
	case f.Op == "IN":
		return map[string]any{f.Op: map[string]any{f.Key: f.Values}}
	case len(f.Values) == 1:
		return map[string]any{f.Op: map[string]any{f.Key: f.Values[0]}}
	default:
		return map[string]any{f.Op: []any{}}
	}
}
