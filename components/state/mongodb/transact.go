package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// transactionTimeout bounds a transaction with all its tries; servers end one after this time too.
const transactionTimeout = time.Minute

// Transact does all operations in a transaction of the database.
func (s *store) Transact(ctx context.Context, ops []state.Operation, _ map[string]string) error {
	if err := ctx.Err(); err != nil || len(ops) == 0 {
		return err
	}
	if !s.transactions {
		return fmt.Errorf("%w: mongodb at %s is neither a replica set nor a sharded cluster, so it has no transactions", state.ErrNotSupported, s.where)
	}
	for i, op := range ops {
		if (op.Upsert == nil) == (op.Delete == nil) {
			return fmt.Errorf("%w: operation %d is neither upsert nor delete", state.ErrInvalid, i)
		}
	}
	return s.failure(ctx, s.again(ctx, func() error {
		return s.transaction(ctx, func(ctx context.Context) error { return s.applyAll(ctx, ops) })
	}))
}

// transaction does what do does in a transaction, and once more when the server says that another try may succeed.
func (s *store) transaction(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	session, err := s.client.StartSession(options.Session().SetDefaultTransactionOptions(options.Transaction().
		SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.Primary())))
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := s.once(ctx, session, do)
		if !labeled(err, "TransientTransactionError") || mongo.IsTimeout(err) || mongo.IsNetworkError(err) {
			return err // a server that is away is not waited for
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func (s *store) once(ctx context.Context, session *mongo.Session, do func(context.Context) error) error {
	if err := session.StartTransaction(); err != nil {
		return err
	}
	if err := do(mongo.NewSessionContext(ctx, session)); err != nil {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
		defer cancel()
		_ = session.AbortTransaction(within) // the server does so by itself later on
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*s.timeout)
	defer cancel()
	for {
		err := session.CommitTransaction(ctx)
		// Whether it is committed is not known: asking again tells.
		if !labeled(err, "UnknownTransactionCommitResult") || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func labeled(err error, label string) bool {
	e, ok := errors.AsType[mongo.LabeledError](err)
	return ok && e.HasErrorLabel(label)
}

// applyAll does the operations in order, those without a condition that follow each other in one request.
func (s *store) applyAll(ctx context.Context, ops []state.Operation) error {
	var plain []mongo.WriteModel
	flush := func() error {
		if len(plain) == 0 {
			return nil
		}
		within, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		_, err := s.data.BulkWrite(within, plain)
		plain = nil
		return err
	}
	for _, op := range ops {
		model, err := s.unconditional(op)
		if err != nil {
			return err
		}
		if model != nil {
			plain = append(plain, model)
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		within, cancel := context.WithTimeout(ctx, s.timeout)
		err = s.apply(within, s.data, op)
		cancel()
		if err != nil {
			return err
		}
	}
	return flush()
}

// unconditional gives an operation without a condition as a part of a bulk write; nil for one with a condition.
func (s *store) unconditional(op state.Operation) (mongo.WriteModel, error) {
	if op.Delete != nil {
		if cond, _ := op.Delete.Condition(); cond != state.Always {
			return nil, nil
		}
		return mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: fieldID, Value: op.Delete.Key}}), nil
	}
	if cond, _ := op.Upsert.Condition(); cond != state.Always {
		return nil, nil
	}
	c, err := s.change(op.Upsert)
	if err != nil {
		return nil, err
	}
	return mongo.NewReplaceOneModel().SetFilter(c.filter).SetReplacement(c.doc).SetUpsert(true), nil
}

// tryTransaction tells whether the server has transactions: some only claim to be a replica set.
func (s *store) tryTransaction(ctx context.Context) (bool, error) {
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.transaction(within, func(ctx context.Context) error {
		_, err := s.data.FindOne(ctx, bson.D{{Key: fieldID, Value: ""}}).Raw()
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil
		}
		return err
	})
	if err != nil && (unreachable(err) || ctx.Err() != nil) {
		return false, err
	}
	if err != nil {
		s.log.Warn("the server has no transactions though it says that it is a replica set or a sharded cluster", "error", err)
	}
	return err == nil, nil
}
