package postgresql

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Transact does all operations in a transaction of the server. They go out together and in the order of their keys,
// which keeps two transactions from waiting for each other; operations on one key keep their order, and no operation
// depends on another key.
func (s *store) Transact(ctx context.Context, ops []state.Operation, _ map[string]string) error {
	if err := ctx.Err(); err != nil || len(ops) == 0 {
		return err
	}
	list := make([]numbered, len(ops))
	for i := range ops {
		st, err := s.layout.statement(&ops[i])
		if err != nil {
			return err
		}
		list[i] = numbered{st, i}
	}
	slices.SortStableFunc(list, func(a, b numbered) int { return cmp.Compare(a.key, b.key) })
	return s.db.Transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		failed, err := send(ctx, tx, list)
		if err == nil && failed != nil {
			err = postgresconn.Stop(failed.none)
		}
		return err
	})
}

// numbered is a statement with its place in the request.
type numbered struct {
	statement
	n int
}

// send does all statements and gives the first of the request that did not do what it had to.
func send(ctx context.Context, tx pgx.Tx, list []numbered) (failed *numbered, err error) {
	batch := &pgx.Batch{}
	for _, st := range list {
		batch.Queue(st.sql, st.args...)
	}
	results := tx.SendBatch(ctx, batch)
	for i := range list {
		tag, err := results.Exec()
		if err != nil {
			_ = results.Close() // the same error
			return nil, err
		}
		if st := &list[i]; tag.RowsAffected() == 0 && st.none != nil && (failed == nil || st.n < failed.n) {
			failed = st
		}
	}
	return failed, results.Close()
}
