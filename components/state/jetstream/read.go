package jetstream

import (
	"context"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// parallelReads is how many requests of a bulk read are on their way at once.
const parallelReads = 64

// Get reads one key in one round trip.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	part, err := s.keys.encode(req.Key)
	if err != nil {
		return nil, err
	}
	m, err := s.last(ctx, s.prefix+part)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	if !m.alive() {
		return nil, nil
	}
	etag := strconv.FormatUint(m.seq, 10)
	e := &state.Entry{Value: m.data, ETag: &etag, Expires: m.expires()}
	if e.Value == nil {
		e.Value = []byte{}
	}
	return e, nil
}

// BulkGet reads many keys, without waiting for one answer before it asks for the next.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	out := make([]*state.Entry, len(reqs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, req := range reqs {
		g.Go(func() (err error) {
			out[i], err = s.Get(ctx, req)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}
