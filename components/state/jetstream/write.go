package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// A write whose condition holds may be refused all the same, when others write the key at the moment: it is tried again
// this often, after growing pauses.
const (
	tries    = 12
	maxPause = 200 * time.Millisecond
)

// change is what becomes of one key, if its condition holds.
type change struct {
	key, subject string
	cond         state.Condition
	etag         uint64 // with IfMatch
	remove       bool
	value        []byte
	ttl          time.Duration // 0 for ever
	// seen is the revision that the key must have with IfAbsent: 0, or that of the marker of a deleted key.
	seen uint64
}

// Set writes one key.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	c, err := s.upsert(&req)
	if err != nil {
		return err
	}
	return s.write(ctx, c)
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	c, err := s.removal(&req)
	if err != nil {
		return err
	}
	return s.write(ctx, c)
}

func (s *store) upsert(req *state.SetRequest) (*change, error) {
	cond, etag := req.Condition()
	c, err := s.change(req.Key, cond, etag)
	if err != nil {
		return nil, err
	}
	c.value = req.Value
	if req.TTL != nil && *req.TTL > 0 {
		if !s.expires {
			return nil, fmt.Errorf("%w: bucket %s has no time to live", state.ErrNotSupported, s.s.Bucket)
		}
		// The server counts whole seconds.
		c.ttl = (*req.TTL + time.Second - 1).Truncate(time.Second)
	}
	return c, nil
}

func (s *store) removal(req *state.DeleteRequest) (*change, error) {
	cond, etag := req.Condition()
	c, err := s.change(req.Key, cond, etag)
	if err != nil {
		return nil, err
	}
	c.remove = true
	return c, nil
}

func (s *store) change(key string, cond state.Condition, etag string) (*change, error) {
	part, err := s.keys.encode(key)
	if err != nil {
		return nil, err
	}
	c := &change{key: key, subject: s.prefix + part, cond: cond}
	if cond == state.IfMatch {
		// 0 would mean that there is no entry.
		if c.etag, err = strconv.ParseUint(etag, 10, 64); err != nil || c.etag == 0 {
			return nil, fmt.Errorf("key %q: %w: want a number from 1, found %q", key, state.ErrInvalidETag, etag)
		}
	}
	return c, nil
}

// message is the change as it is published.
func (s *store) message(c *change) *nats.Msg {
	msg := &nats.Msg{Subject: s.publish + c.subject, Data: c.value}
	header := func(name, value string) {
		if msg.Header == nil {
			msg.Header = nats.Header{}
		}
		msg.Header[name] = []string{value}
	}
	ttl := c.ttl
	switch {
	case c.remove && s.expires:
		header(operationHeader, operationPurge)
		ttl = markerTTL
	case c.remove:
		header(operationHeader, operationDelete)
	}
	if ttl > 0 {
		header(jetstream.MsgTTLHeader, strconv.FormatInt(int64(ttl/time.Second), 10))
	}
	switch c.cond {
	case state.IfMatch:
		header(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(c.etag, 10))
	case state.IfAbsent:
		header(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(c.seen, 10))
	case state.Always:
	}
	return msg
}

// write makes one change.
func (s *store) write(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// A marker that stays for ever is not to be made for a key that is not there.
	if c.remove && c.cond == state.Always && !s.expires {
		if m, err := s.last(ctx, c.subject); err != nil || !m.alive() {
			return s.failure(ctx, err)
		}
	}
	return s.retry(ctx, []*change{c}, func() error { return s.send(ctx, c) })
}

func (s *store) send(ctx context.Context, c *change) error {
	publish := func(ctx context.Context) error {
		_, err := s.js.PublishMsg(ctx, s.message(c))
		return err
	}
	err := s.nc.Do(ctx, publish)
	if err != nil && s.again(ctx, err) {
		err = s.nc.Do(ctx, publish)
	}
	return err
}

// retry makes changes by try, which does all or none of them. When it is refused for a key's revision, it looks whether
// a condition does not hold, and if all do, tries again.
func (s *store) retry(ctx context.Context, changes []*change, try func() error) error {
	wait := time.Millisecond
	for n := 1; ; n++ {
		err := try()
		switch {
		case err == nil:
			return nil
		case refused(err):
			if err := s.look(ctx, changes); err != nil {
				return err
			}
		case !busy(err):
			return s.failure(ctx, err)
		}
		if n == tries {
			return fmt.Errorf("%w: bucket %s: other writes came first %d times: %w", state.ErrUnavailable, s.s.Bucket, tries, err)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, maxPause)
	}
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refused tells whether a key has another revision than was expected.
func refused(err error) bool {
	api, ok := errors.AsType[jetstream.JetStreamError](err)
	if !ok || api.APIError() == nil {
		return false
	}
	code := api.APIError().ErrorCode
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// look gives an error for the first condition that does not hold, and brings the others up to date.
func (s *store) look(ctx context.Context, changes []*change) error {
	found := make([]*message, len(changes))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, c := range changes {
		if c.cond == state.Always {
			continue
		}
		g.Go(func() (err error) {
			found[i], err = s.last(inner, c.subject)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return s.failure(ctx, err)
	}
	for i, c := range changes {
		m := found[i]
		switch {
		case c.cond == state.IfMatch && (!m.alive() || m.seq != c.etag):
			return state.Mismatch(c.key)
		case c.cond == state.IfAbsent && m.alive():
			return state.Exists(c.key)
		case m != nil:
			c.seen = m.seq
		default:
			c.seen = 0
		}
	}
	return nil
}
