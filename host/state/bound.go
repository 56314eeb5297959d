package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// bound is a store as one app sees it: keys without prefix, values in clear, every call through the chain. Points and
// function values are made once, so a call allocates nothing but the key.
type bound struct {
	name   string
	store  Store
	prefix string
	crypt  *crypt
	expire bool
	// whole tells that keys come with all that the driver is to see: the host itself uses the store, or a plugin.
	whole bool
	// opened is the component; watch are those that are told of writes, nil for none.
	opened *component.Opened[Store]
	watch  *watchers

	points struct{ get, set, del, bulkGet, bulkSet, bulkDelete, transact, list, query *chain.Point }

	getFn    func(context.Context, GetRequest) (*Entry, error)
	setFn    func(context.Context, *SetRequest) (struct{}, error)
	delFn    func(context.Context, *DeleteRequest) (struct{}, error)
	bulkFn   func(context.Context, []GetRequest) ([]*Entry, error)
	transFn  func(context.Context, transaction) (struct{}, error)
	listFn   func(context.Context, ListRequest) (KeyPage, error)
	queryFn  func(context.Context, Query) (QueryPage, error)
	writesFn func(context.Context, *writes) (struct{}, error)
}

// transaction is the argument of Transact as one value.
type transaction struct {
	ops      []Operation
	metadata map[string]string
}

// newBound binds a store to an app; label is the app's name in the chain.
func newBound(o *component.Opened[Store], app, label, namespace string, ch *chain.Chain) (*bound, error) {
	s := &bound{name: o.Decl.Name, store: o.Driver, opened: o}
	var err error
	if s.prefix, err = keyPrefix(o.Metadata, o.Decl.Name, app, namespace); err != nil {
		return nil, err
	}
	if _, s.whole = component.PluginOf(app); s.whole {
		// A plugin that is a store gets keys with the prefix of the app that calls it: they have no second one.
		s.prefix = ""
	}
	if s.crypt, err = newCrypt(o.Metadata); err != nil {
		return nil, err
	}
	_, s.expire = As[Expirer](s.store)
	point := func(name string) *chain.Point {
		return ch.Point(chain.Op{Direction: chain.Outbound, Block: "state", Name: name, Target: o.Decl.Name, Type: o.Type, App: label})
	}
	s.points.get, s.points.set, s.points.del = point("get"), point("set"), point("delete")
	s.points.bulkGet, s.points.bulkSet, s.points.bulkDelete = point("bulk-get"), point("bulk-set"), point("bulk-delete")
	s.points.transact, s.points.list, s.points.query = point("transact"), point("list-keys"), point("query")

	s.getFn = s.store.Get
	s.setFn = func(ctx context.Context, r *SetRequest) (struct{}, error) { return struct{}{}, s.store.Set(ctx, *r) }
	s.delFn = func(ctx context.Context, r *DeleteRequest) (struct{}, error) {
		return struct{}{}, s.store.Delete(ctx, *r)
	}
	s.writesFn = func(ctx context.Context, w *writes) (struct{}, error) { return struct{}{}, w.run(ctx) }
	if bulk, ok := As[BulkGetter](s.store); ok {
		s.bulkFn = bulk.BulkGet
	}
	if t, ok := As[Transactor](s.store); ok {
		s.transFn = func(ctx context.Context, r transaction) (struct{}, error) {
			return struct{}{}, t.Transact(ctx, r.ops, r.metadata)
		}
	}
	if l, ok := As[Lister](s.store); ok {
		s.listFn = l.ListKeys
	}
	if q, ok := As[Querier](s.store); ok {
		s.queryFn = q.Query
	}
	return s, nil
}

// get reads one key; nil if there is none.
func (s *bound) get(ctx context.Context, req GetRequest) (*Entry, error) {
	var err error
	if req.Key, err = s.stored(req.Key); err != nil {
		return nil, err
	}
	e, err := chain.Do(ctx, s.points.get, s.getFn, req)
	if err != nil {
		return nil, s.wrap(err)
	}
	return s.open(e)
}

// open decrypts an entry; one that is not encrypted is given as it is.
func (s *bound) open(e *Entry) (*Entry, error) {
	if e == nil || s.crypt == nil {
		return e, nil
	}
	value, err := s.crypt.decrypt(e.Value)
	if err != nil {
		return nil, s.wrap(err)
	}
	clear := *e // entries may be shared
	clear.Value = value
	return &clear, nil
}

// set writes one key. It changes req.
func (s *bound) set(ctx context.Context, req *SetRequest) error {
	plain := req.Value
	if err := s.prepareSet(req); err != nil {
		return err
	}
	if !s.watching() {
		return s.doSet(ctx, req)
	}
	return s.announceOne(ctx, change{stored: req.Key, value: plain}, func() error { return s.doSet(ctx, req) })
}

func (s *bound) doSet(ctx context.Context, req *SetRequest) error {
	_, err := chain.Do(ctx, s.points.set, s.setFn, req)
	return s.wrap(err)
}

// prepareSet makes an app's write into one for the driver.
func (s *bound) prepareSet(req *SetRequest) error {
	key, err := s.stored(req.Key)
	if err != nil {
		return err
	}
	if req.Concurrency > LastWrite || req.Consistency > Strong {
		return fmt.Errorf("%w: key %q: concurrency or consistency has no such value", ErrInvalid, req.Key)
	}
	if req.TTL == nil && len(req.Metadata) > 0 {
		ttl, err := ttlOf(req.Metadata)
		if err != nil {
			return err
		}
		req.TTL = ttl
	}
	if req.TTL != nil && *req.TTL > 0 && !s.expire {
		return fmt.Errorf("%w: state store %s has no time to live", ErrNotSupported, s.name)
	}
	req.Key = key
	if s.crypt != nil {
		req.Value = s.crypt.encrypt(req.Value)
	}
	return nil
}

// delete deletes one key. It changes req.
func (s *bound) delete(ctx context.Context, req *DeleteRequest) error {
	if err := s.prepareDelete(req); err != nil {
		return err
	}
	if !s.watching() {
		return s.doDelete(ctx, req)
	}
	return s.announceOne(ctx, change{stored: req.Key, deleted: true}, func() error { return s.doDelete(ctx, req) })
}

func (s *bound) doDelete(ctx context.Context, req *DeleteRequest) error {
	_, err := chain.Do(ctx, s.points.del, s.delFn, req)
	return s.wrap(err)
}

func (s *bound) prepareDelete(req *DeleteRequest) (err error) {
	req.Key, err = s.stored(req.Key)
	return err
}

// stored gives the driver's key.
func (s *bound) stored(key string) (string, error) {
	if s.whole {
		return key, nil
	}
	if err := checkKey(key); err != nil {
		return "", err
	}
	return s.prefix + key, nil
}

// transact does all operations or none. The transaction's metadata is put over that of each operation, as in Dapr. It
// changes the requests in ops.
func (s *bound) transact(ctx context.Context, ops []Operation, metadata map[string]string) error {
	if s.transFn == nil {
		return fmt.Errorf("%w: state store %s has no transactions", ErrNotSupported, s.name)
	}
	if l, ok := As[TransactionLimiter](s.store); ok && l.MaxOperations() > 0 && len(ops) > l.MaxOperations() {
		return &TooManyOperationsError{Count: len(ops), Max: l.MaxOperations()}
	}
	watching := s.watching()
	var changes []change
	for i, op := range ops {
		var err error
		switch {
		case op.Upsert != nil:
			plain := op.Upsert.Value
			op.Upsert.Metadata = over(op.Upsert.Metadata, metadata)
			if err = s.prepareSet(op.Upsert); watching {
				changes = append(changes, change{stored: op.Upsert.Key, value: plain})
			}
		case op.Delete != nil:
			op.Delete.Metadata = over(op.Delete.Metadata, metadata)
			if err = s.prepareDelete(op.Delete); watching {
				changes = append(changes, change{stored: op.Delete.Key, deleted: true})
			}
		default:
			err = fmt.Errorf("%w: neither upsert nor delete", ErrInvalid)
		}
		if err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
	}
	do := func() error {
		_, err := chain.Do(ctx, s.points.transact, s.transFn, transaction{ops, metadata})
		return s.wrap(err)
	}
	if len(changes) == 0 {
		return do()
	}
	return s.announce(ctx, changes, func() []error { return slices.Repeat([]error{do()}, len(changes)) })[0]
}

// over gives base with the fields of top, which win.
func over(base, top map[string]string) map[string]string {
	if len(top) == 0 {
		return base
	}
	out := make(map[string]string, len(base)+len(top))
	maps.Copy(out, base)
	maps.Copy(out, top)
	return out
}

// The limits of a page of keys.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// prefixField is the metadata by which a plugin that is a store says what the keys of a query's results start with.
const prefixField = "keyPrefix"

// list gives a page of the app's keys. Keys that the app could not name, such as those of actors, are left out; so a
// page may be shorter than the limit though there is a next one, but it is not empty.
func (s *bound) list(ctx context.Context, prefix string, limit int, token string) (KeyPage, error) {
	if s.listFn == nil {
		return KeyPage{}, fmt.Errorf("%w: state store %s cannot list keys", ErrNotSupported, s.name)
	}
	if err := checkSeparator(prefix); err != nil && !s.whole {
		return KeyPage{}, err
	}
	if limit == 0 {
		limit = defaultLimit
	}
	if limit < 0 || limit > maxLimit {
		return KeyPage{}, fmt.Errorf("%w: limit: want 1 to %d, or 0 for %d, found %d", ErrInvalid, maxLimit, defaultLimit, limit)
	}
	req := ListRequest{Prefix: s.prefix + prefix, Limit: limit, Token: token}
	for {
		page, err := chain.Do(ctx, s.points.list, s.listFn, req)
		if err != nil {
			return KeyPage{}, s.wrap(err)
		}
		out := KeyPage{Next: page.Next}
		for _, key := range page.Keys {
			if own := key[len(s.prefix):]; s.whole || !strings.Contains(own, Separator) {
				out.Keys = append(out.Keys, own)
			}
		}
		if len(out.Keys) > 0 || out.Next == "" {
			return out, nil
		}
		req.Token = page.Next
	}
}

// query runs a query in Dapr's JSON form over the app's entries.
func (s *bound) query(ctx context.Context, text string, metadata map[string]string) (QueryPage, error) {
	if s.queryFn == nil {
		return QueryPage{}, fmt.Errorf("%w: state store %s does not support querying", ErrNotSupported, s.name)
	}
	if s.crypt != nil {
		return QueryPage{}, fmt.Errorf("%w: state store %s: cannot query encrypted store", ErrNotSupported, s.name)
	}
	q, err := ParseQuery(text)
	if err != nil {
		return QueryPage{}, err
	}
	q.Prefix, q.Metadata = s.prefix, metadata
	if s.whole {
		q.Prefix = metadata[prefixField] // a plugin says itself of whom it asks
	}
	page, err := chain.Do(ctx, s.points.query, s.queryFn, q)
	if err != nil {
		return QueryPage{}, s.wrap(err)
	}
	for i := range page.Items {
		page.Items[i].Key = page.Items[i].Key[len(s.prefix):] // nothing for one that says its prefix
	}
	return page, nil
}

// wrap names the store; nil stays nil.
func (s *bound) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("state store %s: %w", s.name, err)
}

// permanent tells that trying the same again cannot succeed.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}
