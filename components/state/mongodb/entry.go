package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Get reads one key.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	from := s.data
	if req.Consistency == state.Strong {
		from = s.strict
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	raw, err := from.FindOne(within, bson.D{{Key: fieldID, Value: req.Key}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return s.entry(raw, req.Key)
}

// keysPerRead bounds the keys of one request to the server.
const keysPerRead = 1000

// BulkGet reads many keys in few round trips.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	if err := ctx.Err(); err != nil || len(reqs) == 0 {
		return nil, err
	}
	from := s.data
	keys := make([]string, len(reqs))
	for i, req := range reqs {
		keys[i] = req.Key
		if req.Consistency == state.Strong {
			from = s.strict
		}
	}
	found := make(map[string]*state.Entry, len(reqs))
	for some := range slices.Chunk(keys, keysPerRead) {
		filter := bson.D{{Key: fieldID, Value: bson.D{{Key: "$in", Value: some}}}}
		for raw, err := range s.find(ctx, from, filter) {
			if err != nil {
				return nil, err
			}
			key, _ := raw.Lookup(fieldID).StringValueOK()
			if found[key], err = s.entry(raw, key); err != nil {
				return nil, err
			}
		}
	}
	out := make([]*state.Entry, len(reqs))
	for i, key := range keys {
		out[i] = found[key]
	}
	return out, nil
}

// find gives the documents that a filter finds. Each is good until the next.
func (s *store) find(ctx context.Context, from *mongo.Collection, filter bson.D, opts ...options.Lister[options.FindOptions]) func(yield func(bson.Raw, error) bool) {
	return func(yield func(bson.Raw, error) bool) {
		within, cancel := context.WithTimeout(ctx, s.timeout)
		cursor, err := from.Find(within, filter, opts...)
		cancel()
		if err != nil {
			yield(nil, s.failure(ctx, err))
			return
		}
		defer func() {
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
			defer cancel()
			_ = cursor.Close(within) // the server drops it by itself later on
		}()
		for s.next(ctx, cursor) {
			if !yield(cursor.Current, nil) {
				return
			}
		}
		if err := cursor.Err(); err != nil {
			yield(nil, s.failure(ctx, err))
		}
	}
}

// next goes to the next document; only what goes to the server needs its own time.
func (s *store) next(ctx context.Context, cursor *mongo.Cursor) bool {
	if cursor.RemainingBatchLength() > 0 {
		return cursor.Next(ctx)
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return cursor.Next(within)
}

// entry gives a document as an entry; nil if it has expired.
func (s *store) entry(raw bson.Raw, key string) (*state.Entry, error) {
	e := &state.Entry{}
	if at, ok := raw.Lookup(fieldEnd).TimeOK(); ok {
		if !at.After(s.now()) {
			return nil, nil
		}
		e.Expires = at
	}
	if tag := tagOf(raw); tag != "" {
		e.ETag = &tag
	}
	var err error
	if e.Value, err = decode(raw); err != nil {
		return nil, fmt.Errorf("mongodb at %s: key %q: %w", s.where, key, err)
	}
	return e, nil
}

// live is the filter for what has not expired.
func live(now time.Time) bson.E {
	return bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: fieldEnd, Value: nil}}, // or it is missing
		bson.D{{Key: fieldEnd, Value: bson.D{{Key: "$gt", Value: now}}}},
	}}
}

// Set writes one key.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	return s.write(ctx, state.Operation{Upsert: &req}, req.Consistency)
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	return s.write(ctx, state.Operation{Delete: &req}, req.Consistency)
}

func (s *store) write(ctx context.Context, op state.Operation, consistency state.Consistency) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	to := s.data
	if consistency == state.Strong {
		to = s.strict
	}
	return s.failure(ctx, s.again(ctx, func() error {
		within, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		return s.apply(within, to, op)
	}))
}

// again repeats what two writers that make the same new key can do to each other.
func (s *store) again(ctx context.Context, do func() error) error {
	const tries = 10
	var err error
	for range tries {
		if err = do(); !mongo.IsDuplicateKeyError(err) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// apply does one operation.
func (s *store) apply(ctx context.Context, to *mongo.Collection, op state.Operation) error {
	if op.Delete != nil {
		return s.remove(ctx, to, op.Delete)
	}
	change, err := s.change(op.Upsert)
	if err != nil {
		return err
	}
	err = change.do(ctx, to)
	if plain, ok := change.plainer(); ok && hasCode(err, codeBadValue) {
		// A server that is not MongoDB's own may not take every document, for example arrays in arrays.
		err = plain.do(ctx, to)
	}
	return err
}

func (s *store) remove(ctx context.Context, to *mongo.Collection, req *state.DeleteRequest) error {
	filter := bson.D{{Key: fieldID, Value: req.Key}}
	cond, tag := req.Condition()
	if cond == state.IfMatch {
		filter = append(filter, bson.E{Key: fieldTag, Value: tag}, live(s.now()))
	}
	out, err := to.DeleteOne(ctx, filter)
	if err == nil && cond == state.IfMatch && out.DeletedCount == 0 {
		return state.Mismatch(req.Key)
	}
	return err
}

// change is an upsert as the database has it.
type change struct {
	req    *state.SetRequest
	cond   state.Condition
	filter bson.D
	doc    bson.D
}

// change makes the document that replaces that of the key.
func (s *store) change(req *state.SetRequest) (*change, error) {
	if !utf8.ValidString(req.Key) {
		return nil, fmt.Errorf("key %q: %w: MongoDB takes only UTF-8", req.Key, state.ErrInvalidKey)
	}
	now := s.now()
	c := &change{req: req, filter: bson.D{{Key: fieldID, Value: req.Key}}}
	var tag string
	switch c.cond, tag = req.Condition(); c.cond {
	case state.Always:
	case state.IfMatch:
		c.filter = append(c.filter, bson.E{Key: fieldTag, Value: tag}, live(now))
	case state.IfAbsent:
		// One that has expired may be replaced. Any other is not found, so that to insert fails: its key is there.
		c.filter = append(c.filter, bson.E{Key: fieldEnd, Value: bson.D{{Key: "$lte", Value: now}}})
	}
	value, differs := encode(req.Value)
	own := newTag()
	c.doc = bson.D{{Key: fieldID, Value: req.Key}, {Key: fieldValue, Value: value}, {Key: fieldTag, Value: own}, {Key: fieldEnd, Value: nil}}
	if req.TTL != nil && *req.TTL > 0 {
		c.doc[3].Value = now.Add(*req.TTL)
	}
	if differs {
		c.doc = append(c.doc, bson.E{Key: fieldExact, Value: bson.D{{Key: fieldTag, Value: own}, {Key: fieldValue, Value: string(req.Value)}}})
	}
	return c, nil
}

// plainer is the change with the value as a string; false if it is none other.
func (c *change) plainer() (*change, bool) {
	if _, ok := c.doc[1].Value.(bson.Raw); !ok {
		return nil, false
	}
	plain := *c
	plain.doc = slices.Clone(c.doc[:4])
	plain.doc[1].Value = string(c.req.Value)
	return &plain, true
}

func (c *change) do(ctx context.Context, to *mongo.Collection) error {
	out, err := to.ReplaceOne(ctx, c.filter, c.doc, options.Replace().SetUpsert(c.cond != state.IfMatch))
	switch {
	case c.cond == state.IfAbsent && mongo.IsDuplicateKeyError(err):
		return state.Exists(c.req.Key)
	case err == nil && c.cond == state.IfMatch && out.MatchedCount == 0:
		return state.Mismatch(c.req.Key)
	default:
		return err
	}
}
