// Package redis is the driver bindings.redis: single keys of a Redis server. What is stored is the data as it is; state
// with etags is state.redis.
package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/redisconn"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.redis",
	Doc: `Keys of a Redis server: a single one, behind sentinels or a cluster.

Operations: create, get, delete, increment. The request's metadata: key is needed; ttlInSeconds is for create and
increment; delete: "true" has get remove what it gives (Redis 6.2 or newer). get of a key that is not there gives no
data; increment gives the new number as text.`,
	Fields: func() any { return &redisconn.Settings{} },
	New:    open,
}

func open(ctx context.Context, cfg component.Config) (binding.Binding, error) {
	s := &redisconn.Settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	client, err := redisconn.Dial(ctx, s)
	if err != nil {
		return nil, err
	}
	return &keys{client: client}, nil
}

type keys struct{ client goredis.UniversalClient }

var (
	_ binding.Binding = (*keys)(nil)
	_ binding.Output  = (*keys)(nil)
	_ binding.Pinger  = (*keys)(nil)
)

// Operations lists what Invoke takes.
func (k *keys) Operations() []string { return []string{"create", "get", "delete", "increment"} }

func (k *keys) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	do := map[string]func(context.Context, string, time.Duration, *binding.Request) (*binding.Reply, error){
		"create": k.create, "get": k.get, "delete": k.delete, "increment": k.increment,
	}[req.Operation]
	if do == nil {
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: k.Operations()}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := req.Metadata["key"]
	if key == "" {
		return nil, fmt.Errorf("%w: metadata key is missing", binding.ErrInvalid)
	}
	ttl, err := timeToLive(req.Metadata["ttlInSeconds"])
	if err != nil {
		return nil, err
	}
	reply, err := do(ctx, key, ttl, req)
	return reply, failure(ctx, key, err)
}

// timeToLive is 0 for none.
func timeToLive(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%w: metadata ttlInSeconds: want 1 or more, found %q", binding.ErrInvalid, text)
	}
	return time.Duration(n) * time.Second, nil
}

func (k *keys) create(ctx context.Context, key string, ttl time.Duration, req *binding.Request) (*binding.Reply, error) {
	return nil, k.client.Set(ctx, key, req.Data, ttl).Err()
}

func (k *keys) get(ctx context.Context, key string, _ time.Duration, req *binding.Request) (*binding.Reply, error) {
	read := k.client.Get
	if strings.EqualFold(req.Metadata["delete"], "true") {
		read = k.client.GetDel
	}
	data, err := read(ctx, key).Bytes()
	if errors.Is(err, goredis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &binding.Reply{Data: data}, nil
}

func (k *keys) delete(ctx context.Context, key string, _ time.Duration, _ *binding.Request) (*binding.Reply, error) {
	return nil, k.client.Del(ctx, key).Err()
}

func (k *keys) increment(ctx context.Context, key string, ttl time.Duration, _ *binding.Request) (*binding.Reply, error) {
	var n *goredis.IntCmd
	_, err := k.client.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		n = p.Incr(ctx, key)
		if ttl > 0 {
			p.Expire(ctx, key, ttl)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &binding.Reply{Data: strconv.AppendInt(nil, n.Val(), 10)}, nil
}

// failure says what kind of error it is.
func failure(ctx context.Context, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case redisconn.Unreachable(err):
		return fmt.Errorf("%w: %w", binding.ErrUnavailable, err)
	case strings.HasPrefix(err.Error(), "WRONGTYPE"), strings.Contains(err.Error(), "not an integer"), strings.Contains(err.Error(), "would overflow"):
		return fmt.Errorf("key %q: %w: %w", key, binding.ErrInvalid, err)
	default:
		return err
	}
}

// Ping asks the server.
func (k *keys) Ping(ctx context.Context) error { return failure(ctx, "", k.client.Ping(ctx).Err()) }

func (k *keys) Close(context.Context) error { return k.client.Close() }
