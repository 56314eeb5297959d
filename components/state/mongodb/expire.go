package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// interval is how often the clocks are compared, and what has expired is deleted if the server does not: as often as the
// servers that do.
const interval = time.Minute

// now is what the server's clock says.
func (s *store) now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

// hello asks the server what it is: it tells whether it may have transactions, and what time it is there.
func (s *store) hello(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var reply struct {
		SetName  string    `bson:"setName"`
		Msg      string    `bson:"msg"`
		Time     time.Time `bson:"localTime"`
		Sessions *int64    `bson:"logicalSessionTimeoutMinutes"`
	}
	before := time.Now()
	if err := s.data.Database().RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&reply); err != nil {
		return false, err
	}
	if !reply.Time.IsZero() {
		s.offset.Store(int64(ahead(reply.Time, before, time.Now())))
	}
	return reply.Sessions != nil && (reply.SetName != "" || reply.Msg == "isdbgrid"), nil
}

// ahead gives how much a clock that was read between two moments is at least ahead of ours; less than 0 if it is behind,
// and 0 if it may be right.
func ahead(clock, before, after time.Time) time.Duration {
	const rounding = time.Millisecond
	switch {
	case clock.After(after.Add(rounding)):
		return clock.Sub(after)
	case clock.Before(before.Add(-rounding)):
		return clock.Sub(before)
	default:
		return 0
	}
}

// expireByIndex has the server delete what has expired, by the index that Dapr makes too.
func (s *store) expireByIndex(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.data.Indexes().CreateOne(within, mongo.IndexModel{
		Keys: bson.D{{Key: fieldEnd, Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0),
	})
	if err != nil && (unreachable(err) || ctx.Err() != nil) {
		return err
	}
	if s.ends = err == nil; !s.ends {
		s.log.Info("the server takes no TTL index: this process deletes expired entries itself", "error", err)
	}
	return nil
}

// keepUp compares the clocks from time to time and deletes what has expired, until the store is closed.
func (s *store) keepUp() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.done.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if _, err := s.hello(ctx); err != nil {
				continue // calls say so
			}
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("expired entries cannot be deleted now", "error", err)
			}
		}
	})
}

// sweep deletes what has expired, unless the server does.
func (s *store) sweep(ctx context.Context) error {
	if s.ends {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.data.DeleteMany(within, bson.D{{Key: fieldEnd, Value: bson.D{{Key: "$lte", Value: s.now()}}}})
	return s.failure(ctx, err)
}
