package testserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisServer is a running redis-server.
type RedisServer struct {
	// Addr is host:port.
	Addr string
	p    *process
	port int
	bus  int
}

// Redis runs a single redis-server that keeps nothing on disk. extra are further arguments, for example
// "--requirepass", "secret".
func Redis(t testing.TB, extra ...string) *RedisServer {
	t.Helper()
	s := newRedis(t, freePorts(t, 1)[0], 0, append([]string{"--save", "", "--appendonly", "no"}, extra...))
	s.Start()
	return s
}

// Start runs the server again on the same port after Stop.
func (s *RedisServer) Start() {
	s.p.t.Helper()
	s.p.start()
}

// Stop ends the server; clients see their connections closed.
func (s *RedisServer) Stop() { s.p.stop() }

func newRedis(t testing.TB, port, bus int, extra []string) *RedisServer {
	s := &RedisServer{Addr: loopback(port), port: port, bus: bus}
	s.p = &process{
		t: t, path: "redis-server", install: "redis-server", addr: s.Addr,
		args: append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", t.TempDir()}, extra...),
	}
	t.Cleanup(s.Stop)
	return s
}

// RedisNodes is a Redis Cluster.
type RedisNodes struct {
	// Nodes are its masters; there are no replicas.
	Nodes []*RedisServer
}

// Addrs gives all nodes as host:port, separated by commas.
func (c *RedisNodes) Addrs() string {
	addrs := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		addrs[i] = n.Addr
	}
	return strings.Join(addrs, ",")
}

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// RedisCluster runs a cluster of three masters and waits until all of them see it whole.
func RedisCluster(t testing.TB) *RedisNodes {
	t.Helper()
	const n = 3
	ports := freePorts(t, 2*n)
	c := &RedisNodes{}
	for i := range n {
		bus := ports[n+i]
		s := newRedis(t, ports[i], bus, []string{
			"--save", "", "--appendonly", "no", "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-node-timeout", "5000", "--cluster-port", strconv.Itoa(bus),
		})
		s.Start()
		c.Nodes = append(c.Nodes, s)
	}
	c.join(t)
	return c
}

func (c *RedisNodes) join(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	first := c.Nodes[0]
	for i, node := range c.Nodes {
		node.do(ctx, t, "CLUSTER", "ADDSLOTSRANGE", i*slots/len(c.Nodes), (i+1)*slots/len(c.Nodes)-1)
		node.do(ctx, t, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		if i > 0 {
			node.do(ctx, t, "CLUSTER", "MEET", "127.0.0.1", first.port, first.bus)
		}
	}
	for _, node := range c.Nodes {
		for {
			info := node.do(ctx, t, "CLUSTER", "INFO")
			if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") &&
				strings.Contains(info, "cluster_slots_ok:16384") {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// do runs one command at the node and gives its reply as text.
func (s *RedisServer) do(ctx context.Context, t testing.TB, args ...any) string {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr, Protocol: 2, DisableIdentity: true})
	defer func() { _ = client.Close() }()
	text, err := client.Do(ctx, args...).Text()
	if err != nil {
		t.Fatalf("redis-server on %s: %v: %v\n%s", s.Addr, args, err, s.p.out)
	}
	return text
}

// RedisSentinel runs a sentinel that watches a master under the name "mymaster".
func RedisSentinel(t testing.TB, master *RedisServer) *RedisServer {
	t.Helper()
	port := freePorts(t, 1)[0]
	// A sentinel writes what it learns into its configuration file.
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nsentinel monitor mymaster 127.0.0.1 %d 1\n", port, filepath.Dir(config), master.port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &RedisServer{Addr: loopback(port), port: port}
	s.p = &process{t: t, path: "redis-server", install: "redis-server", addr: s.Addr, args: []string{config, "--sentinel"}}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}
