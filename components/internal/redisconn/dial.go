package redisconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Dial opens a client and checks that the server answers, takes the credentials and is of the kind that redisType
// says. A *component.PermanentError is one that waiting cannot mend. ctx bounds the dialling only. Close the client
// with its Close.
func Dial(ctx context.Context, s *Settings) (redis.UniversalClient, error) {
	opts, err := s.Options()
	if err != nil {
		return nil, component.Permanent(err)
	}
	// go-redis writes to standard error by itself; every failure reaches the caller as an error as well.
	redis.SetLogger(silent{})
	client := redis.NewUniversalClient(opts)
	if err := probe(ctx, client); err != nil {
		_ = client.Close()
		return nil, explain(s, err)
	}
	return client, nil
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// errCluster says that a single-server client met a node of a cluster.
var errCluster = errors.New("the server is a node of a cluster")

func probe(ctx context.Context, client redis.UniversalClient) error {
	if c, ok := client.(*redis.ClusterClient); ok {
		return c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return node.Ping(ctx).Err() })
	}
	if err := client.Ping(ctx).Err(); err != nil {
		return err
	}
	// A user without the right to INFO is fine; a cluster will then show by its MOVED errors.
	info, err := client.Info(ctx, "cluster").Result()
	if err == nil && strings.Contains(info, "cluster_enabled:1") {
		return errCluster
	}
	return nil
}

// explain adds what was tried and what to do.
func explain(s *Settings, err error) error {
	where := strings.Join(s.Addrs(), ",")
	switch text := err.Error(); {
	case redis.IsAuthError(err), strings.Contains(text, "WRONGPASS"), strings.Contains(text, "NOAUTH"), redis.IsPermissionError(err):
		return component.Permanent(fmt.Errorf("redis at %s refuses the credentials; check redisUsername and redisPassword: %w", where, err))
	case errors.Is(err, errCluster):
		return component.Permanent(fmt.Errorf("redis at %s: %w; set redisType: cluster", where, err))
	case strings.Contains(text, "cluster support disabled"):
		return component.Permanent(fmt.Errorf("redis at %s is no cluster; set redisType: node: %w", where, err))
	case strings.Contains(text, "DB index is out of range"):
		return component.Permanent(fmt.Errorf("redis at %s has no database %d; check redisDB: %w", where, s.DB, err))
	default:
		return fmt.Errorf("redis at %s does not answer; check redisHost and that the server runs: %w", where, err)
	}
}

// Unreachable tells whether err means that no server took the command or that its answer was lost: the network, a
// full pool, a server that is loading, a cluster that is down or a master that was demoted. A refusal of the command
// itself is not. A timeout may also be the caller's own: look at ctx.Err() first.
func Unreachable(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) || errors.Is(err, context.Canceled) {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, target := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, redis.ErrClosed, redis.ErrPoolTimeout, redis.ErrPoolExhausted} {
		if errors.Is(err, target) {
			return true
		}
	}
	if redis.IsLoadingError(err) || redis.IsClusterDownError(err) || redis.IsMasterDownError(err) ||
		redis.IsTryAgainError(err) || redis.IsReadOnlyError(err) || redis.IsMaxClientsError(err) {
		return true
	}
	// go-redis has no exported error for a cluster none of whose nodes answers.
	return strings.Contains(err.Error(), "cluster has no nodes") || strings.Contains(err.Error(), "sentinels are unreachable")
}
