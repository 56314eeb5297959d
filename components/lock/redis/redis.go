// Package redis is the lock store lock.redis: a Redis server, a master behind sentinels, or a Redis Cluster. A lock is a
// string, the owner, under the resource's name and with a time to live, as Dapr has it, so that locks are shared with its
// apps.
//
// A request whose answer is lost is not sent again: a second SET NX would be told "taken" of the lock that the first one
// took. It is reported as not known instead.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/redisconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// Spec is the driver.
var Spec = component.Spec[lock.Store]{
	Type: "lock.redis",
	Doc: `Keeps locks in Redis: a single server, one behind sentinels, or a cluster.

A lock is as durable as the server's data: a server that comes back without its data has no locks, and one that takes over
from a master may lack the last ones, since Redis copies to replicas later. redisType sentinel is node with failover.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	redisconn.Settings
	RedeliverInterval time.Duration `metadata:"redeliverInterval,ms" doc:"has no effect on locks"`
	ProcessingTimeout time.Duration `metadata:"processingTimeout,ms" doc:"has no effect on locks"`
}

// store is a connection pool.
type store struct {
	client redis.UniversalClient
	// where is the server's address, for errors.
	where string
	// retries is how often a request that did not reach the server is sent again, after pauses from shortest to longest.
	retries           int64
	shortest, longest time.Duration
}

var (
	_ lock.Store  = (*store)(nil)
	_ lock.Pinger = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (lock.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	if strings.EqualFold(set.Type, "sentinel") {
		set.Type, set.Failover = "node", true
	}
	client, err := redisconn.Dial(ctx, &set.Settings)
	if err != nil {
		return nil, err
	}
	if !set.Failover && !set.Cluster() && cfg.Log != nil {
		warnOfReplicas(ctx, client, cfg.Log)
	}
	return &store{client: client, where: set.Host, retries: set.MaxRetries, shortest: set.MinRetryInterval, longest: set.MaxRetryInterval}, nil
}

// warnOfReplicas is where Dapr does not start. Who promotes a replica by hand has to know what it lacks.
func warnOfReplicas(ctx context.Context, client redis.UniversalClient, log *slog.Logger) {
	info, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return // a user without the right to INFO is fine
	}
	for line := range strings.Lines(info) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "connected_slaves:"); ok && n != "0" {
			log.Warn("the server has replicas, which get locks only later: one that takes its place may lack some", "replicas", n)
		}
	}
}

// once makes a command one that the client does not send again by itself.
type once struct{ redis.Cmder }

// NoRetry says so.
func (once) NoRetry() bool { return true }

// TryLock is SET NX PX.
func (s *store) TryLock(ctx context.Context, resource, owner string, expiry time.Duration) (bool, error) {
	var cmd *redis.BoolCmd
	err := s.send(ctx, func() redis.Cmder {
		cmd = redis.NewBoolCmd(ctx, "set", resource, owner, "px", expiry.Milliseconds(), "nx")
		return cmd
	})
	if err != nil {
		return false, err
	}
	return cmd.Val(), nil
}

// What unlockScript answers.
const (
	notThere  = -1
	notTheirs = -2
)

// unlockScript deletes KEYS[1] if its value is ARGV[1].
const unlockScript = `
local owner = redis.call('GET', KEYS[1])
if not owner then return -1 end
if owner ~= ARGV[1] then return -2 end
return redis.call('DEL', KEYS[1])
`

// Unlock compares and deletes in one step.
func (s *store) Unlock(ctx context.Context, resource, owner string) (lock.Status, error) {
	var cmd *redis.Cmd
	err := s.send(ctx, func() redis.Cmder {
		cmd = redis.NewCmd(ctx, "eval", unlockScript, 1, resource, owner)
		return cmd
	})
	if err != nil {
		return 0, err
	}
	n, err := cmd.Int()
	switch {
	case err != nil:
		return 0, fmt.Errorf("redis at %s: unlock: %w", s.where, err)
	case n == notThere:
		return lock.DoesNotExist, nil
	case n == notTheirs:
		return lock.BelongsToOthers, nil
	default:
		return lock.Success, nil
	}
}

// send has a command carried out, and sends it again as long as it is certain that it was not.
func (s *store) send(ctx context.Context, command func() redis.Cmder) error {
	pause := s.shortest
	for try := int64(0); ; try++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.client.Process(ctx, once{command()})
		if err == nil {
			return nil
		}
		if try >= s.retries || !passing(err) {
			return s.failure(ctx, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, s.longest)
	}
}

// passing tells whether the command was not carried out for a reason that may soon be gone.
func passing(err error) bool {
	return dialling(err) || redis.IsLoadingError(err) || redis.IsClusterDownError(err) || redis.IsMasterDownError(err) ||
		redis.IsTryAgainError(err) || redis.IsReadOnlyError(err) || redis.IsMaxClientsError(err)
}

// dialling tells whether there was no connection by which the command could have been sent.
func dialling(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// unsent tells whether it is certain that the command was not carried out.
func unsent(err error) bool {
	if _, refused := errors.AsType[redis.Error](err); refused || dialling(err) {
		return true // the server has answered, or was not asked
	}
	for _, target := range []error{redis.ErrClosed, redis.ErrPoolTimeout, redis.ErrPoolExhausted} {
		if errors.Is(err, target) {
			return true
		}
	}
	// go-redis has no exported errors for these.
	return strings.Contains(err.Error(), "cluster has no nodes") || strings.Contains(err.Error(), "sentinels are unreachable")
}

// failure classifies an error of the client; nil stays nil.
func (s *store) failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case !redisconn.Unreachable(err) && !redis.IsOOMError(err):
		return fmt.Errorf("redis at %s: %w", s.where, err)
	case unsent(err):
		return fmt.Errorf("%w: redis at %s: %w", lock.ErrUnavailable, s.where, err)
	default:
		return fmt.Errorf("%w: redis at %s: %w", lock.ErrUnknown, s.where, err)
	}
}

// Ping asks the server; in a cluster every master.
func (s *store) Ping(ctx context.Context) error {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.failure(ctx, s.client.Ping(ctx).Err())
	}
	return s.failure(ctx, cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return node.Ping(ctx).Err() }))
}

// Close closes all connections. Locks stay until their time is over.
func (s *store) Close(context.Context) error { return s.client.Close() }
