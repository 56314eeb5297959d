// Package jetstream is the state store state.jetstream: a key-value bucket in the JetStream of a NATS server, an external
// one or, without natsURL, the one embedded in the host.
//
// A bucket is a stream, and an entry is the last message of its subject, so other clients of NATS's key-value stores
// read and write the same entries, and so does Dapr: see codec for how a key becomes a subject. The etag is the entry's
// revision, which is the message's sequence number in the stream; it is never given twice.
//
// Reads ask the leader of the stream, so that they see every write that was acknowledged before. A bucket that this
// driver makes has all that the server can do; one that is there stays as it is, and what it lacks the store does not
// have: time to live needs a server of version 2.11 and a bucket with message TTLs and a history of 1, transactions
// need version 2.12 and a bucket with atomic publishing.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/components/internal/natsconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Spec is the driver.
var Spec = component.Spec[state.Store]{
	Type: "state.jetstream",
	Doc: `Keeps state in a key-value bucket of NATS JetStream, on an external server or on the one embedded in the host.

Without natsURL the embedded server is used: it opens no port and keeps its files in the data folder. What it has taken
survives a crash of the process; it is not fsynced at once, so a power cut may lose the last of it.
Entries are those of Dapr's state.jetstream and of other clients of NATS's key-value buckets. Etags and listing work on
every bucket; listing walks through all keys of the app for every page, and on a bucket with replicas it may miss the
writes of the last moment. Time to live needs NATS 2.11 or newer, transactions (of at most 1000 keys) 2.12 or newer.
Buckets that the driver makes have both; one that was made before, by Dapr's instructions for example, gets them when
allow_msg_ttl and allow_atomic are set in the configuration of its stream, KV_<bucket>. Queries do not work.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	natsconn.Settings
	natsconn.API

	Bucket   string `metadata:"bucket" doc:"name of the key-value bucket, which is created if it is not there; needed with natsURL, on the embedded server the default is made of the component's name"`
	Replicas int64  `metadata:"replicas" default:"1" doc:"replicas of a bucket that is created"`
	InMemory bool   `metadata:"memoryStorage" default:"false" doc:"keep a bucket that is created in memory: lost when the server stops"`
}

// check completes the settings; the error lists all that is wrong.
func (s *settings) check(component string) error {
	errs := []error{s.Settings.Check(), s.API.Check()}
	if s.Bucket == "" && s.URL == "" {
		s.Bucket = "mrt_state_" + natsconn.PlainName(component)
	}
	switch {
	case s.Bucket == "":
		errs = append(errs, errors.New("metadata field bucket is missing: the name of the key-value bucket"))
	case s.Bucket != strings.Map(bucketChar, s.Bucket):
		errs = append(errs, fmt.Errorf("metadata field bucket: want letters, digits, _ and -, found %q", s.Bucket))
	}
	if s.Replicas < 1 || s.Replicas > 5 {
		errs = append(errs, fmt.Errorf("metadata field replicas: want 1 to 5, found %d", s.Replicas))
	}
	return errors.Join(errs...)
}

func bucketChar(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
		return r
	}
	return -1
}

// store is a bucket.
type store struct {
	s    *settings
	log  *slog.Logger
	nc   *natsconn.Conn
	js   jetstream.JetStream
	keys codec
	// stream holds the bucket; its subjects begin with prefix. To write, publish goes before a subject.
	stream, prefix, publish string
	// direct tells that there is no replica that could answer with an old value.
	direct bool
	// What the bucket can do: entries with a time to live, atomic publishing.
	expires, batches bool
	// batch has an element for each batch that is being published: the server takes only so many.
	batch chan struct{}
	// making is held while the bucket is made again.
	making sync.Mutex
}

var (
	_ state.Store              = (*store)(nil)
	_ state.Transactor         = (*store)(nil)
	_ state.TransactionLimiter = (*store)(nil)
	_ state.BulkGetter         = (*store)(nil)
	_ state.Lister             = (*store)(nil)
	_ state.Expirer            = (*store)(nil)
	_ state.Pinger             = (*store)(nil)
	_ state.Partial            = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (state.Store, error) {
	set := &settings{}
	if err := cfg.Decode(set); err != nil {
		return nil, err
	}
	if err := set.check(cfg.Name); err != nil {
		return nil, component.Permanent(err)
	}
	strategy, _ := cfg.Metadata.Get("keyPrefix")
	s := &store{
		s: set, log: natsconn.Log(cfg), keys: newCodec(strategy, cfg.Name),
		stream: "KV_" + set.Bucket, prefix: "$KV." + set.Bucket + ".", batch: make(chan struct{}, parallelBatches),
	}
	if set.Subjects() != jetstream.DefaultAPIPrefix {
		s.publish = set.Subjects() // the bucket is in another domain or account
	}
	var err error
	if s.nc, err = natsconn.Dial(ctx, &set.Settings, cfg); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		s.nc.Conn.Close()
		return nil, err
	}
	return s, nil
}

// Has tells what the bucket can do.
func (s *store) Has(ability any) bool {
	switch ability.(type) {
	case *state.Transactor, *state.TransactionLimiter:
		return s.batches
	case *state.Expirer:
		return s.expires
	default:
		return true
	}
}

// Expires marks that entries expire by themselves.
func (s *store) Expires() {}

// Ping asks for the bucket.
func (s *store) Ping(ctx context.Context) error {
	err := s.nc.Do(ctx, func(ctx context.Context) error {
		_, err := s.js.Stream(ctx, s.stream)
		return err
	})
	return s.failure(ctx, err)
}

// Close ends the connection.
func (s *store) Close(context.Context) error {
	s.nc.Conn.Close() // every write has been answered
	return nil
}

// failure classifies an error of the client; nil stays nil.
func (s *store) failure(ctx context.Context, err error) error {
	api, _ := errors.AsType[*jetstream.APIError](err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case natsconn.Unavailable(err):
		return fmt.Errorf("%w: bucket %s at the NATS server: %w", state.ErrUnavailable, s.s.Bucket, err)
	case errors.Is(err, errTooLarge), api != nil && api.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum:
		return fmt.Errorf("%w: the NATS server takes messages of at most %d bytes (max_payload), and the bucket may take less: %w", state.ErrInvalid, s.nc.MaxPayload(), err)
	case api != nil && (api.ErrorCode == codeNoBatches || api.ErrorCode == codeNoTTL):
		return fmt.Errorf("%w: bucket %s: %w; it could when the component was opened", state.ErrNotSupported, s.s.Bucket, err)
	default:
		return fmt.Errorf("bucket %s at the NATS server: %w", s.s.Bucket, err)
	}
}
