package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

const (
	// maxBatch is how many messages a server takes as one, unless it is set up otherwise.
	maxBatch = 1000
	// parallelBatches is how many we publish at once; a server takes 50 for a stream.
	parallelBatches = 32
)

// MaxOperations is how many operations a transaction may have.
func (s *store) MaxOperations() int { return maxBatch }

// Transact does all operations or none. Those on one key are put together into one change, since the server checks the
// revision of a key only once in a batch.
func (s *store) Transact(ctx context.Context, ops []state.Operation, _ map[string]string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	changes, err := s.fold(ops)
	switch {
	case err != nil:
		return err
	case len(changes) == 0:
		return nil
	case len(changes) == 1:
		return s.write(ctx, changes[0])
	case len(changes) > maxBatch:
		return &state.TooManyOperationsError{Count: len(changes), Max: maxBatch}
	}
	select {
	case s.batch <- struct{}{}:
		defer func() { <-s.batch }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// A batch costs the server files, so conditions that do not hold are to show before.
	if err := s.look(ctx, changes); err != nil {
		return err
	}
	return s.retry(ctx, changes, func() error { return s.sendBatch(ctx, changes) })
}

// fold gives one change for each key. The condition of an operation on a key that an earlier one has changed is decided
// here: no etag is that of an entry that is yet to be made.
func (s *store) fold(ops []state.Operation) ([]*change, error) {
	out := make([]*change, 0, len(ops))
	at := make(map[string]*change, len(ops))
	var wrong error
	for i, op := range ops {
		var c *change
		var err error
		switch {
		case op.Upsert != nil:
			c, err = s.upsert(op.Upsert)
		case op.Delete != nil:
			c, err = s.removal(op.Delete)
		default:
			err = fmt.Errorf("%w: operation %d is neither upsert nor delete", state.ErrInvalid, i)
		}
		if err != nil {
			return nil, err
		}
		before := at[c.key]
		switch {
		case before == nil:
			at[c.key] = c
			out = append(out, c)
			continue
		case c.cond == state.IfMatch:
			wrong = errors.Join(wrong, state.Mismatch(c.key))
		case c.cond == state.IfAbsent && !before.remove:
			wrong = errors.Join(wrong, state.Exists(c.key))
		}
		before.remove, before.value, before.ttl = c.remove, c.value, c.ttl
	}
	return out, wrong
}

// sendBatch publishes changes as one. The server keeps them aside until the last one says that the batch is whole.
func (s *store) sendBatch(ctx context.Context, changes []*change) error {
	id := rand.Text()
	for i, c := range changes {
		msg := s.message(c)
		if msg.Header == nil {
			msg.Header = nats.Header{}
		}
		msg.Header[batchHeader] = []string{id}
		msg.Header[placeHeader] = []string{strconv.Itoa(i + 1)}
		var err error
		switch i {
		case 0: // whether it takes a batch at all
			err = s.answered(ctx, msg)
			if err != nil && s.again(ctx, err) {
				err = s.answered(ctx, msg)
			}
		case len(changes) - 1:
			msg.Header[commitHeader] = []string{"1"}
			err = s.answered(ctx, msg)
		default: // what goes wrong with these the last one is told
			err = s.nc.PublishMsg(msg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *store) answered(ctx context.Context, msg *nats.Msg) error {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := s.request(ctx, msg, &answer); err != nil {
		return err
	}
	if answer.Error == nil {
		return nil
	}
	if answer.Error.ErrorCode == codeBatchTooBig {
		return fmt.Errorf("%w: %w: fewer operations in a transaction are needed", state.ErrInvalid, answer.Error)
	}
	return answer.Error
}

// busy tells whether the server has dropped a batch for want of room or time.
func busy(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == codeTooManyBatch || api.ErrorCode == codeIncomplete)
}
