// Package mongodb is the state store state.mongodb: a MongoDB server, a replica set or a sharded cluster, and servers that
// speak its protocol.
//
// An entry is a document with the fields _id (the key), value, _etag and _ttl (when it ends, or null), as Dapr has it, so
// either can read the other's entries. As in Dapr a value that is a JSON object is stored as a document, so that queries see
// its fields, and other values as a string; bytes that are not UTF-8 are binary data, which Dapr does not read. When the
// document does not give the same text back, byte for byte, the text is kept beside it with the etag that it belongs to.
//
// Transactions need a replica set or a sharded cluster; a store on a server that stands alone has none. An entry that has
// expired is not seen from that moment on. The server deletes it by a TTL index, or this driver does where the server has
// no such indexes. The server's clock counts.
package mongodb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Spec is the driver.
var Spec = component.Spec[state.Store]{
	Type: "state.mongodb",
	Doc: `Keeps state in MongoDB, or a server that speaks its protocol.

Etags, time to live, listing and queries work; transactions only with a replica set or a sharded cluster, which is found out
at the start. One of host, server and connectionString is needed. Queries filter in the server; one that sorts, or has no
limit, reads all that its filter finds. With consistency strong a write waits for a majority, and a read asks the primary.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	ConnectionString string        `metadata:"connectionString,secret" doc:"mongodb:// or mongodb+srv:// with all that is needed to connect; wins over server, host, username, password and params"`
	Server           string        `metadata:"server" doc:"name of a DNS SRV record that lists the servers"`
	Host             string        `metadata:"host" doc:"host:port of the server, or of several, separated by commas"`
	Username         string        `metadata:"username" doc:"user to log in as; may be percent-encoded"`
	Password         string        `metadata:"password,secret" doc:"the user's password; may be percent-encoded, as Dapr needs it if it has special characters"`
	Params           string        `metadata:"params" doc:"further options as in a connection string: ?authSource=admin&tls=true"`
	Database         string        `metadata:"databaseName" default:"daprStore" doc:"name of the database, which is also that of the user unless params has authSource"`
	Collection       string        `metadata:"collectionName" default:"daprCollection" doc:"name of the collection"`
	WriteConcern     string        `metadata:"writeConcern" doc:"majority, or how many servers must have a write; when missing that of params, else 1"`
	ReadConcern      string        `metadata:"readConcern" doc:"available, local, linearizable, majority or snapshot; when missing that of params, else local"`
	OperationTimeout time.Duration `metadata:"operationTimeout" default:"5s" doc:"how long one operation may take"`
}

// store is a client of one collection.
type store struct {
	client *mongo.Client
	// data is the collection as the fields say, strict the same for consistency strong.
	data, strict *mongo.Collection
	timeout      time.Duration
	// transactions tells whether the server has them.
	transactions bool
	// where is the server's address, for errors.
	where string
	log   *slog.Logger
	// offset is how much the server's clock is ahead of ours.
	offset atomic.Int64
	// ends tells whether the server deletes what has expired.
	ends bool

	stop func()
	done sync.WaitGroup
}

var (
	_ state.Store      = (*store)(nil)
	_ state.Transactor = (*store)(nil)
	_ state.BulkGetter = (*store)(nil)
	_ state.Lister     = (*store)(nil)
	_ state.Querier    = (*store)(nil)
	_ state.Expirer    = (*store)(nil)
	_ state.Pinger     = (*store)(nil)
	_ state.Partial    = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (state.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	opts, err := set.client()
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		return nil, set.refused(err)
	}
	s := &store{client: client, timeout: set.OperationTimeout, where: strings.Join(opts.Hosts, ","), log: log, stop: func() {}}
	s.collections(&set, opts)
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// collections makes data and strict.
func (s *store) collections(set *settings, opts *options.ClientOptions) {
	write, read := set.concerns(opts)
	plain := options.Collection().SetWriteConcern(write).SetReadConcern(read)
	s.data = s.client.Database(set.Database).Collection(set.Collection, plain)
	strict := options.Collection().SetWriteConcern(writeconcern.Majority()).SetReadConcern(read).SetReadPreference(readpref.Primary())
	s.strict = s.client.Database(set.Database).Collection(set.Collection, strict)
}

// begin finds out what the server can.
func (s *store) begin(ctx context.Context) error {
	has, err := s.hello(ctx)
	if err != nil {
		return s.explain(ctx, err)
	}
	if err := s.readable(ctx); err != nil {
		return s.explain(ctx, err)
	}
	if err := s.expireByIndex(ctx); err != nil {
		return s.explain(ctx, err)
	}
	if has {
		if s.transactions, err = s.tryTransaction(ctx); err != nil {
			return s.explain(ctx, err)
		}
	}
	if !s.transactions {
		s.log.Info("the server is neither a replica set nor a sharded cluster: this state store has no transactions, so it cannot be the one of actors")
	}
	s.keepUp() //nolint:contextcheck // ctx bounds the start, not the life
	return nil
}

// readable asks for a document, which needs the rights that requests need, and looks at how the collection compares.
func (s *store) readable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if _, err := s.data.FindOne(ctx, bson.D{{Key: "_id", Value: ""}}).Raw(); err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return err
	}
	found, err := s.data.Database().ListCollectionSpecifications(ctx, bson.D{{Key: "name", Value: s.data.Name()}})
	if err != nil || len(found) != 1 {
		return nil //nolint:nilerr // there is none yet, or the user may not ask
	}
	if _, err := found[0].Options.LookupErr("collation"); err == nil {
		return component.Permanent(fmt.Errorf("metadata field collectionName: the collection %s has a collation, by which different keys may be the same; use one without", s.data.Name()))
	}
	return nil
}

// Has tells what the server that the store is on can do.
func (s *store) Has(ability any) bool {
	if _, is := ability.(*state.Transactor); is {
		return s.transactions
	}
	return true
}

// Expires marks that entries expire by themselves.
func (s *store) Expires() {}

// Ping asks the server.
func (s *store) Ping(ctx context.Context) error {
	_, err := s.hello(ctx)
	return s.failure(ctx, err)
}

// Close ends the store's connections and its work in the background.
func (s *store) Close(ctx context.Context) error {
	s.stop()
	s.done.Wait()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.client.Disconnect(ctx); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) {
		return fmt.Errorf("mongodb at %s: closing: %w", s.where, err)
	}
	return nil
}

// newTag makes an etag; Dapr's are random texts too.
func newTag() string { return rand.Text() }
