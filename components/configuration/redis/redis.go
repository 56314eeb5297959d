// Package redis is the configuration store configuration.redis: a Redis server, a master behind sentinels, or a Redis
// Cluster. An item is a string; its value is `value||version`, as Dapr has it, or a plain value without a version.
// Keys of other types are no items and are left out.
//
// Changes are told by the server's keyspace notifications, which the driver switches on if it may. Every time that a
// connection has to be made anew, and for a cluster every time that a master appears, everything is compared.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/redisconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// Spec is the driver.
var Spec = component.Spec[configuration.Store]{
	Type: "configuration.redis",
	Doc: `Reads configuration from Redis: a single server, one behind sentinels, or a cluster.

A value is written as 'value||version', for example with SET greeting 'Hello||2', or without a version. Subscriptions
need the server's keyspace notifications: the driver switches them on (notify-keyspace-events Kg$xe), also after a
restart of the server. Where it may not, set them on the server. Getting all keys reads every string of the database.`,
	Fields: func() any { return new(redisconn.Settings) },
	New:    open,
}

// separator stands between value and version.
const separator = "||"

// store is a connection pool.
type store struct {
	client redis.UniversalClient
	db     int64
	// where is the server's address, for errors.
	where string
	log   *slog.Logger
	// live gives a context for a watch, which outlives the call that begins it and has nothing of that call.
	live func() (context.Context, context.CancelFunc)

	mu      sync.Mutex
	watches map[*watch]struct{}
}

var (
	_ configuration.Store      = (*store)(nil)
	_ configuration.Subscriber = (*store)(nil)
	_ configuration.Setter     = (*store)(nil)
	_ configuration.Pinger     = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (configuration.Store, error) {
	var set redisconn.Settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	client, err := redisconn.Dial(ctx, &set)
	if err != nil {
		return nil, err
	}
	life := context.WithoutCancel(ctx)
	s := &store{
		client: client, db: set.DB, where: set.Host, log: cfg.Log, watches: map[*watch]struct{}{},
		live: func() (context.Context, context.CancelFunc) { return context.WithCancel(life) },
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Get reads keys in one round trip, in a cluster one to each master; all keys by walking through every master.
func (s *store) Get(ctx context.Context, keys []string, _ map[string]string) ([]configuration.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(keys) > 0 {
		items, err := values(ctx, s.client, keys)
		return items, s.failure(ctx, err)
	}
	var mu sync.Mutex
	var out []configuration.Item
	err := eachMaster(ctx, s.client, func(ctx context.Context, node *redis.Client) error {
		items, err := scan(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		out = append(out, items...)
		return err
	})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return out, nil
}

// scan gives all items of one master. A scan may give a key more than once.
func scan(ctx context.Context, node *redis.Client) ([]configuration.Item, error) {
	const page = 1000
	seen := map[string]bool{}
	var out []configuration.Item
	for cursor := uint64(0); ; {
		keys, next, err := node.Scan(ctx, cursor, "*", page).Result()
		if err != nil {
			return nil, err
		}
		var fresh []string
		for _, k := range keys {
			if !seen[k] {
				seen[k] = true
				fresh = append(fresh, k)
			}
		}
		items, err := values(ctx, node, fresh)
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
		if cursor = next; cursor == 0 {
			return out, nil
		}
	}
}

// values reads keys; those that are not there, or that are no strings, are left out.
func values(ctx context.Context, client redis.Cmdable, keys []string) ([]configuration.Item, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	cmds := make([]*redis.StringCmd, len(keys))
	// The error is the first of those that each command has as well.
	_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, k := range keys {
			cmds[i] = p.Get(ctx, k)
		}
		return nil
	})
	out := make([]configuration.Item, 0, len(keys))
	for i, cmd := range cmds {
		text, err := cmd.Result()
		if errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE") {
			continue
		}
		if err != nil {
			return nil, err
		}
		value, rest, _ := strings.Cut(text, separator)
		version, _, _ := strings.Cut(rest, separator)
		out = append(out, configuration.Item{Key: keys[i], Value: value, Version: version})
	}
	return dedupe(out), nil
}

// dedupe leaves each key in once: a caller may name one twice.
func dedupe(items []configuration.Item) []configuration.Item {
	seen := make(map[string]bool, len(items))
	kept := items[:0]
	for _, item := range items {
		if !seen[item.Key] {
			seen[item.Key] = true
			kept = append(kept, item)
		}
	}
	return kept
}

// setScript writes KEYS[1] = ARGV[1] || next version.
var setScript = redis.NewScript(`
local old = redis.call('GET', KEYS[1])
local version = 0
if old then
  local at = string.find(old, '||', 1, true)
  if at then version = tonumber(string.sub(old, at + 2)) or 0 end
end
redis.call('SET', KEYS[1], ARGV[1] .. '||' .. string.format('%.0f', math.floor(version) + 1))
return 1
`)

// Set writes a value with the next version: 1 for a key that is new or had none.
func (s *store) Set(ctx context.Context, key, value string, _ map[string]string) error {
	if strings.Contains(value, separator) {
		return fmt.Errorf("%w: the value contains %q, which separates value and version in Redis", configuration.ErrInvalid, separator)
	}
	err := setScript.Run(ctx, s.client, []string{key}, value).Err()
	if redis.HasErrorPrefix(err, "WRONGTYPE") || err != nil && strings.Contains(err.Error(), "WRONGTYPE") {
		return fmt.Errorf("%w: redis at %s: key %q holds something else than a string: %w", configuration.ErrInvalid, s.where, key, err)
	}
	return s.failure(ctx, err)
}

// Delete deletes keys.
func (s *store) Delete(ctx context.Context, keys []string, _ map[string]string) error {
	if len(keys) == 0 {
		return nil
	}
	// One command each: in a cluster the keys may lie on several masters.
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, k := range keys {
			p.Del(ctx, k)
		}
		return nil
	})
	return s.failure(ctx, err)
}

// Ping asks the server; in a cluster every master.
func (s *store) Ping(ctx context.Context) error {
	return s.failure(ctx, eachMaster(ctx, s.client, func(ctx context.Context, node *redis.Client) error { return node.Ping(ctx).Err() }))
}

// Close ends all watches and closes all connections.
func (s *store) Close(context.Context) error {
	s.mu.Lock()
	watches := make([]*watch, 0, len(s.watches))
	for w := range s.watches {
		watches = append(watches, w)
	}
	s.mu.Unlock()
	for _, w := range watches {
		w.stop()
	}
	return s.client.Close()
}

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
func (s *store) failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case redisconn.Unreachable(err), redis.IsOOMError(err):
		return fmt.Errorf("%w: redis at %s: %w", configuration.ErrUnavailable, s.where, err)
	default:
		return fmt.Errorf("redis at %s: %w", s.where, err)
	}
}
