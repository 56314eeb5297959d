// Package memcached is the state store state.memcached: one memcached, or several that share the keys.
//
// An item is the value as it is under the key as it is, as Dapr has it, and of several servers the same one has it.
// memcached takes keys of up to 250 bytes without spaces and control characters; any other key stands under
// "%sha256%" and its hash, see itemKey. memcached does not tell when an item ends, so that time stands in the item's
// flags, which Dapr leaves 0.
//
// Dapr has no etags here. This driver has: an etag is the item's CAS number and a hash of its value. The number alone
// would not do, because memcached counts from the beginning when it starts anew.
package memcached

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Spec is the driver.
var Spec = component.Spec[state.Store]{
	Type: "state.memcached",
	Doc: `Keeps state in memcached: a cache, which forgets what it has no room for and everything when it stops.

Etags and time to live work; there are no transactions, listing or queries. A value may have as many bytes as memcached
takes (1 MiB unless it was started with -I). memcached counts whole seconds of its own: as in Dapr an entry may end up to
a second before its time; one of a second may end up to a second after it, so that it is not gone at once.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	Hosts        string        `metadata:"hosts,required" doc:"host:port of the server, without a port 11211; several, separated by commas, share the keys, in this order"`
	MaxIdleConns int64         `metadata:"maxIdleConnections" default:"2" doc:"idle connections to each server that are kept open; more than the calls at a time save connecting"`
	Timeout      time.Duration `metadata:"timeout,ms" default:"1s" doc:"how long connecting, sending and waiting for the answer may take, each"`
}

// store is a pool of connections to each server.
type store struct {
	client *memcache.Client
	// idle is how many connections may have died unnoticed.
	idle   int
	closed atomic.Bool
}

var (
	_ state.Store      = (*store)(nil)
	_ state.BulkGetter = (*store)(nil)
	_ state.Expirer    = (*store)(nil)
	_ state.Pinger     = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (state.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	servers, err := set.servers()
	if err != nil {
		return nil, component.Permanent(err)
	}
	if set.Timeout <= 0 { // as in Dapr
		set.Timeout = time.Second
	}
	s := &store{client: memcache.NewFromSelector(servers), idle: int(set.MaxIdleConns)}
	s.client.Timeout, s.client.MaxIdleConns = set.Timeout, s.idle
	if err := s.Ping(ctx); err != nil {
		_ = s.client.Close()
		return nil, fmt.Errorf("check hosts and that the server runs: %w", err)
	}
	return s, nil
}

func (s *settings) servers() (servers, error) {
	const most = 1 << 16
	if s.MaxIdleConns < 1 || s.MaxIdleConns > most {
		return nil, fmt.Errorf("metadata field maxIdleConnections: want 1 to %d, found %d", most, s.MaxIdleConns)
	}
	var out servers
	for host := range strings.SplitSeq(s.Hosts, ",") {
		if host = strings.TrimSpace(host); host == "" {
			continue
		}
		if strings.ContainsAny(host, "/@ ") {
			return nil, fmt.Errorf("metadata field hosts: want host:port, separated by commas, found %q", s.Hosts)
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "11211")
		}
		out = append(out, server(host))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("metadata field hosts: want host:port, separated by commas, found %q", s.Hosts)
	}
	return out, nil
}

// Get reads one key.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	item, err := s.item(ctx, req.Key)
	if err != nil || item == nil {
		return nil, err
	}
	return entry(item), nil
}

// item gives an item; nil if there is none.
func (s *store) item(ctx context.Context, key string) (item *memcache.Item, err error) {
	err = s.again(ctx, func() error {
		item, err = s.client.Get(itemKey(key))
		return err
	})
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, nil
	}
	return item, err
}

// BulkGet reads many keys by one request to each server.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	var keys []string
	asked := make(map[string]bool, len(reqs))
	for _, req := range reqs {
		if key := itemKey(req.Key); !asked[key] {
			asked[key] = true
			keys = append(keys, key)
		}
	}
	var items map[string]*memcache.Item
	err := s.again(ctx, func() (err error) {
		items, err = s.client.GetMulti(keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]*state.Entry, len(reqs))
	for i, req := range reqs {
		if item := items[itemKey(req.Key)]; item != nil {
			out[i] = entry(item)
		}
	}
	return out, nil
}

func entry(item *memcache.Item) *state.Entry {
	e := &state.Entry{Value: item.Value}
	if item.CasID != 0 { // memcached can be started without
		tag := etag(item)
		e.ETag = &tag
	}
	if item.Flags != 0 {
		e.Expires = time.Unix(int64(item.Flags), 0)
	}
	return e
}

var etagForm = regexp.MustCompile(`^[0-9]+-[0-9a-f]{16}$`)

// etag is of the item's number and value: after a start of memcached an old number may come again, but not for
// another value.
func etag(item *memcache.Item) string {
	const enough = 8
	hash := sha256.Sum256(item.Value)
	return fmt.Sprintf("%d-%x", item.CasID, hash[:enough])
}

// Set writes one key.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	item := &memcache.Item{Key: itemKey(req.Key), Value: req.Value}
	if req.TTL != nil && *req.TTL > 0 {
		if err := expire(item, *req.TTL); err != nil {
			return err
		}
	}
	switch cond, tag := req.Condition(); cond {
	case state.IfMatch:
		return s.swap(ctx, req.Key, tag, item)
	case state.IfAbsent:
		err := s.once(ctx, func() error { return s.client.Add(item) })
		if errors.Is(err, memcache.ErrNotStored) {
			return state.Exists(req.Key)
		}
		return err
	default:
		return s.again(ctx, func() error { return s.client.Set(item) })
	}
}

// expire sets when the item ends: for memcached and for those who read it. memcached counts the ticks of a clock of
// seconds, of which the first may come at once: an item of one tick could be gone before it is read.
func expire(item *memcache.Item, ttl time.Duration) error {
	const month = 30 * 24 * 60 * 60 // from here on memcached takes the number for a time
	seconds := max(2, int64((ttl+time.Second-1)/time.Second))
	end := time.Now().Unix() + seconds
	if end > math.MaxInt32 {
		return fmt.Errorf("%w: the time to live of %s ends later than the client of memcached can say, in January 2038", state.ErrInvalid, ttl)
	}
	item.Flags, item.Expiration = uint32(end), int32(seconds)
	if seconds > month {
		item.Expiration = int32(end)
	}
	return nil
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	if cond, tag := req.Condition(); cond == state.IfMatch {
		// An item that has ended already: there is no delete with a condition that all versions of memcached have.
		return s.swap(ctx, req.Key, tag, &memcache.Item{Key: itemKey(req.Key), Expiration: -1})
	}
	err := s.again(ctx, func() error { return s.client.Delete(itemKey(req.Key)) })
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil
	}
	return err
}

// swap writes the item while the etag is current.
func (s *store) swap(ctx context.Context, key, tag string, item *memcache.Item) error {
	if !etagForm.MatchString(tag) {
		return fmt.Errorf("key %q: %w: want a number, a dash and 16 hexadecimal digits, found %q", key, state.ErrInvalidETag, tag)
	}
	now, err := s.item(ctx, key)
	switch {
	case err != nil:
		return err
	case now != nil && now.CasID == 0:
		return fmt.Errorf("%w: memcached compares no etags: it was started with -C", state.ErrNotSupported)
	case now == nil || etag(now) != tag:
		return state.Mismatch(key)
	}
	item.CasID = now.CasID
	err = s.once(ctx, func() error { return s.client.CompareAndSwap(item) })
	if errors.Is(err, memcache.ErrCASConflict) || errors.Is(err, memcache.ErrCacheMiss) || errors.Is(err, memcache.ErrNotStored) {
		return state.Mismatch(key)
	}
	return err
}

// Expires marks that entries expire by themselves.
func (s *store) Expires() {}

// Ping asks all servers.
func (s *store) Ping(ctx context.Context) error { return s.again(ctx, s.client.Ping) }

// Close closes all connections.
func (s *store) Close(context.Context) error {
	s.closed.Store(true)
	return s.client.Close()
}

// maxKey is the longest key that memcached takes.
const maxKey = 250

// hashed is what the keys begin with that are not their own.
const hashed = "%sha256%"

// itemKey gives the key under which memcached has an entry: the entry's own if memcached takes it, else its hash. An
// entry's own key that looks like such a hash is hashed as well, so that no two are the same.
func itemKey(key string) string {
	strange := func(r rune) bool { return r <= ' ' || r == 0x7f }
	if key != "" && len(key) <= maxKey && !strings.ContainsFunc(key, strange) && !strings.HasPrefix(key, hashed) {
		return key
	}
	hash := sha256.Sum256([]byte(key))
	return hashed + base64.RawURLEncoding.EncodeToString(hash[:])
}

// once runs a request; the client does not look at contexts, but ends each request by its timeout.
func (s *store) once(ctx context.Context, request func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return fmt.Errorf("%w: the store is closed", state.ErrUnavailable)
	}
	return failure(request())
}

// again runs a request that may be repeated, until the connections are used up that the server has left behind when it
// went away.
func (s *store) again(ctx context.Context, request func() error) (err error) {
	for range s.idle + 1 {
		err = s.once(ctx, request)
		if !lost(err) {
			break
		}
	}
	return err
}

// lost tells whether the connection was dead.
func lost(err error) bool {
	for _, target := range []error{io.EOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// failure classifies an error of the client; nil and what answers say stay as they are.
func failure(err error) error {
	switch {
	case err == nil, errors.Is(err, memcache.ErrCacheMiss), errors.Is(err, memcache.ErrNotStored), errors.Is(err, memcache.ErrCASConflict):
		return err
	case strings.Contains(err.Error(), "object too large for cache"):
		return fmt.Errorf("%w: the value is larger than memcached takes; start it with a greater -I: %w", state.ErrInvalid, err)
	default:
		// What is left are the network, the client's timeouts, and a server out of memory or connections.
		return fmt.Errorf("%w: memcached: %w", state.ErrUnavailable, err)
	}
}
