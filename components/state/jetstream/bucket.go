package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// markerTTL is how long a bucket that the driver makes keeps the markers of keys that were deleted or have expired; who
// watches the bucket learns of them by these.
const markerTTL = 10 * time.Minute

// start finds the bucket or makes it, and sees what it can do.
func (s *store) start(ctx context.Context) error {
	var err error
	if s.js, err = s.s.JetStream(ctx, s.nc); err != nil {
		return err
	}
	var cfg jetstream.StreamConfig
	err = s.nc.Do(ctx, func(ctx context.Context) (err error) {
		cfg, err = s.ensure(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("bucket %s: %w", s.s.Bucket, err)
	}
	if err := usable(cfg); err != nil {
		return component.Permanent(fmt.Errorf("bucket %s: %w", s.s.Bucket, err))
	}
	// With a longer history the server would lengthen a short time to live to that of the markers.
	s.expires = cfg.AllowMsgTTL && cfg.MaxMsgsPerSubject == 1
	s.batches = cfg.AllowAtomicPublish
	s.direct = cfg.AllowDirect && s.s.URL == ""
	if !s.expires || !s.batches {
		s.log.Info("the bucket has not all that newer NATS servers offer: allow_msg_ttl and allow_atomic in the configuration of stream "+s.stream+" add it",
			"bucket", s.s.Bucket, "server", s.nc.ConnectedServerVersion(), "timeToLive", s.expires, "transactions", s.batches)
	}
	return nil
}

func usable(cfg jetstream.StreamConfig) error {
	switch {
	case cfg.MaxMsgsPerSubject < 1:
		return fmt.Errorf("stream %s is no key-value bucket: want one with a history of 1 or more; nats kv add makes one", cfg.Name)
	case cfg.Mirror != nil:
		return fmt.Errorf("it is a mirror of %s, which cannot be written; name that bucket, with domain or apiPrefix if it is elsewhere", cfg.Mirror.Name)
	}
	return nil
}

// ensure gives the bucket's configuration; it makes the bucket if it is not there.
func (s *store) ensure(ctx context.Context) (jetstream.StreamConfig, error) {
	var none jetstream.StreamConfig
	stream, err := s.js.Stream(ctx, s.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = s.js.CreateStream(ctx, s.config())
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another host was quicker, with other settings
			stream, err = s.js.Stream(ctx, s.stream)
		}
	}
	if err != nil {
		return none, err
	}
	return stream.CachedInfo().Config, nil
}

// config is what a bucket is that the driver makes. A server that does not know a field leaves it out.
func (s *store) config() jetstream.StreamConfig {
	storage := jetstream.FileStorage
	if s.s.InMemory {
		storage = jetstream.MemoryStorage
	}
	return jetstream.StreamConfig{
		Name: s.stream, Subjects: []string{s.prefix + ">"}, Description: "state of mrt-wasm", Storage: storage, Replicas: int(s.s.Replicas),
		// These make a stream a bucket.
		MaxMsgsPerSubject: 1, MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1,
		Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true, Duplicates: 2 * time.Minute,
		// Any replica or mirror would answer direct reads, also one that lags behind; the embedded server has none.
		AllowDirect: s.s.URL == "",
		AllowMsgTTL: true, SubjectDeleteMarkerTTL: markerTTL, AllowAtomicPublish: true,
	}
}

// again tells whether a call that failed with err may be tried once more, since the bucket was gone and is made again: a
// server loses what it keeps in memory.
func (s *store) again(ctx context.Context, err error) bool {
	api, _ := errors.AsType[*jetstream.APIError](err)
	if !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, errNoResponders) && (api == nil || api.ErrorCode != jetstream.JSErrCodeStreamNotFound) {
		return false
	}
	s.making.Lock()
	defer s.making.Unlock()
	return s.nc.Do(ctx, func(ctx context.Context) error {
		_, err := s.ensure(ctx)
		return err
	}) == nil
}
