package memcached

import (
	"errors"
	"hash/crc32"
	"net"

	"github.com/bradfitz/gomemcache/memcache"
)

// servers share the keys in the way of the client library, and so of Dapr. Unlike in the library a name is looked up
// whenever a connection is made: a server may come back at another address.
type servers []server

var _ memcache.ServerSelector = servers(nil)

// server is host:port.
type server string

// Network is that of the address.
func (server) Network() string { return "tcp" }

func (s server) String() string { return string(s) }

// PickServer gives the server that has the key.
func (s servers) PickServer(key string) (net.Addr, error) {
	if len(s) == 1 {
		return s[0], nil
	}
	return s[crc32.ChecksumIEEE([]byte(key))%uint32(len(s))], nil
}

// Each calls fn for all servers, and gives all errors.
func (s servers) Each(fn func(net.Addr) error) error {
	errs := make([]error, len(s))
	for i, addr := range s {
		errs[i] = fn(addr)
	}
	return errors.Join(errs...)
}
