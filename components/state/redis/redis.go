// Package redis is the state store state.redis: a Redis server, a master behind sentinels, or a Redis Cluster.
//
// An entry is a hash with the fields data and version, as Dapr has it, so either can read the other's entries. The
// etag is the version. A key that is made anew begins with a version taken from the server's clock, not with 1, so
// that an etag from before a delete never fits by chance.
//
// In a cluster all keys of one transaction must lie in one hash slot: give them a common hash tag, for example
// {order-1}. Consistency "strong" means that the master has taken the write; replicas are not waited for.
package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/redisconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Spec is the driver.
var Spec = component.Spec[state.Store]{
	Type: "state.redis",
	Doc: `Keeps state in Redis: a single server, one behind sentinels, or a cluster.

Etags, transactions (in a cluster: of keys with one hash tag), time to live and listing work; listing walks through all
keys of the server for every page. Queries do not work: they would need the RediSearch module.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	redisconn.Settings
	TTL               *int64        `metadata:"ttlInSeconds" doc:"time to live of a write that has none of its own"`
	QueryIndexes      string        `metadata:"queryIndexes" doc:"has no effect: queries are not supported"`
	RedeliverInterval time.Duration `metadata:"redeliverInterval,ms" doc:"has no effect on state"`
	ProcessingTimeout time.Duration `metadata:"processingTimeout,ms" doc:"has no effect on state"`
}

// store is a connection pool.
type store struct {
	client redis.UniversalClient
	// ttl is the time to live of a write that has none; 0 for ever.
	ttl time.Duration
	// where is the server's address, for errors.
	where string
}

var (
	_ state.Store      = (*store)(nil)
	_ state.Transactor = (*store)(nil)
	_ state.BulkGetter = (*store)(nil)
	_ state.Lister     = (*store)(nil)
	_ state.Expirer    = (*store)(nil)
	_ state.Pinger     = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (state.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	s := &store{where: set.Host}
	if set.TTL != nil {
		const most = 1<<31 - 1
		if *set.TTL < -1 || *set.TTL > most {
			return nil, component.Permanent(fmt.Errorf("metadata field ttlInSeconds: want -1 to %d, found %d", most, *set.TTL))
		}
		s.ttl = max(0, time.Duration(*set.TTL)*time.Second)
	}
	if set.QueryIndexes != "" && cfg.Log != nil {
		cfg.Log.Warn("metadata field queryIndexes has no effect: this driver does not support queries")
	}
	client, err := redisconn.Dial(ctx, &set.Settings)
	if err != nil {
		return nil, err
	}
	s.client = client
	return s, nil
}

// Get reads one key in one round trip.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	out, err := s.BulkGet(ctx, []state.GetRequest{req})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// BulkGet reads many keys in one round trip, in a cluster one to each master.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	if err := ctx.Err(); err != nil || len(reqs) == 0 {
		return nil, err
	}
	fields := make([]*redis.SliceCmd, len(reqs))
	ttls := make([]*redis.DurationCmd, len(reqs))
	// The error is the first of those that each command has as well.
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, req := range reqs {
			fields[i] = p.HMGet(ctx, req.Key, "data", "version")
			ttls[i] = p.PTTL(ctx, req.Key)
		}
		return nil
	})
	out := make([]*state.Entry, len(reqs))
	for i, req := range reqs {
		e, err := entry(fields[i], ttls[i])
		if err != nil {
			return nil, s.failure(ctx, req.Key, err)
		}
		out[i] = e
	}
	return out, nil
}

func entry(fields *redis.SliceCmd, ttl *redis.DurationCmd) (*state.Entry, error) {
	values, err := fields.Result()
	if err != nil {
		return nil, err
	}
	data, ok := values[0].(string)
	if !ok {
		return nil, nil
	}
	e := &state.Entry{Value: []byte(data)}
	if version, ok := values[1].(string); ok {
		e.ETag = &version
	}
	left, err := ttl.Result()
	if err != nil {
		return nil, err
	}
	if left > 0 {
		e.Expires = time.Now().Add(left)
	}
	return e, nil
}

// Set writes one key by a script.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	return s.run(ctx, []state.Operation{{Upsert: &req}})
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	return s.run(ctx, []state.Operation{{Delete: &req}})
}

// Transact does all operations in one script, which no other command interrupts.
func (s *store) Transact(ctx context.Context, ops []state.Operation, _ map[string]string) error {
	return s.run(ctx, ops)
}

func (s *store) run(ctx context.Context, ops []state.Operation) error {
	if err := ctx.Err(); err != nil || len(ops) == 0 {
		return err
	}
	keys, args, err := s.arguments(ops)
	if err != nil {
		return err
	}
	failed, err := script.Run(ctx, s.client, keys, args...).Int()
	if err != nil {
		return s.failure(ctx, keys[0], err)
	}
	if failed == 0 {
		return nil
	}
	if failed < 0 || failed > len(ops) {
		return fmt.Errorf("redis at %s: the script says that operation %d of %d failed; is it another script of the same hash?", s.where, failed, len(ops))
	}
	op := ops[failed-1]
	if op.Upsert != nil {
		if cond, _ := op.Upsert.Condition(); cond == state.IfAbsent {
			return state.Exists(op.Upsert.Key)
		}
	}
	return state.Mismatch(keys[failed-1])
}

// arguments gives the script's keys, one for each operation, and its arguments, argsPerOp for each.
func (s *store) arguments(ops []state.Operation) ([]string, []any, error) {
	keys := make([]string, 0, len(ops))
	args := make([]any, 0, argsPerOp*len(ops))
	for i, op := range ops {
		var (
			key, mode, etag string
			cond            state.Condition
			value           []byte
			ttl             int64
		)
		switch {
		case op.Upsert != nil:
			cond, etag = op.Upsert.Condition()
			key, mode, value, ttl = op.Upsert.Key, "set", op.Upsert.Value, s.millis(op.Upsert.TTL)
		case op.Delete != nil:
			cond, etag = op.Delete.Condition()
			key, mode = op.Delete.Key, "delete"
		default:
			return nil, nil, fmt.Errorf("%w: operation %d is neither upsert nor delete", state.ErrInvalid, i)
		}
		if cond == state.IfMatch {
			if _, err := strconv.ParseUint(etag, 10, 64); err != nil {
				return nil, nil, fmt.Errorf("key %q: %w: want a number, found %q", key, state.ErrInvalidETag, etag)
			}
		}
		keys = append(keys, key)
		args = append(args, mode, [...]string{"always", "absent", "match"}[cond], etag, value, ttl)
	}
	return keys, args, nil
}

// millis gives the time to live for the script: 0 for ever.
func (s *store) millis(ttl *time.Duration) int64 {
	if ttl == nil {
		return s.ttl.Milliseconds()
	}
	if *ttl <= 0 {
		return 0
	}
	return max(1, ttl.Milliseconds())
}

// Expires marks that entries expire by themselves.
func (s *store) Expires() {}

// Ping asks the server; in a cluster every master.
func (s *store) Ping(ctx context.Context) error {
	err := eachMaster(ctx, s.client, func(ctx context.Context, node *redis.Client) error { return node.Ping(ctx).Err() })
	return s.failure(ctx, "", err)
}

// Close closes all connections.
func (s *store) Close(context.Context) error { return s.client.Close() }

// eachMaster runs fn for the only server or for every master of a cluster, there in parallel.
func eachMaster(ctx context.Context, client redis.UniversalClient, fn func(context.Context, *redis.Client) error) error {
	switch c := client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, fn)
	case *redis.Client:
		return fn(ctx, c)
	default:
		return fmt.Errorf("redis client of unknown type %T", client)
	}
}

// failure classifies an error of the client; nil stays nil.
func (s *store) failure(ctx context.Context, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case redisconn.Unreachable(err):
		return fmt.Errorf("%w: redis at %s: %w", state.ErrUnavailable, s.where, err)
	case errors.Is(err, redis.ErrCrossSlot) || redis.HasErrorPrefix(err, "CROSSSLOT"):
		return fmt.Errorf("%w: the keys of this transaction lie in different slots of the Redis Cluster; give them a common hash tag, for example {order-1}: %w", state.ErrNotSupported, err)
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return fmt.Errorf("redis at %s: key %q is not a hash, so it was not written by a state store: %w", s.where, key, err)
	case redis.IsOOMError(err):
		return fmt.Errorf("%w: redis at %s has no memory left (maxmemory): %w", state.ErrUnavailable, s.where, err)
	default:
		return fmt.Errorf("redis at %s: %w", s.where, err)
	}
}
