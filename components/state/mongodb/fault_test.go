package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

func TestFaults(t *testing.T) {
	const password = "planted-fault-password"
	for name, server := range map[string]*testserver.FerretDBServer{"alone": testserver.FerretDB(t), "replica set": testserver.FerretDBReplicaSet(t)} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, component.Metadata{
				"host": server.Addr, "username": "app", "password": password, "params": "authMechanism=PLAIN", "operationTimeout": "5s",
			})
			faulttest.Run(t, server, faulttest.Target{
				Write: func(ctx context.Context, n int) error {
					req := state.SetRequest{Key: fmt.Sprintf("fault||%06d", n), Value: []byte(strconv.Itoa(n))}
					if s.transactions && n%2 == 0 {
						return s.Transact(ctx, []state.Operation{{Upsert: &req}, {Delete: &state.DeleteRequest{Key: "fault||none"}}}, nil)
					}
					return s.Set(ctx, req)
				},
				Arrived:     func(ctx context.Context) (map[int]bool, error) { return arrived(ctx, s) },
				Unavailable: func(err error) bool { return errors.Is(err, state.ErrUnavailable) },
				Credentials: []string{password},
				Bound:       60 * time.Second,
			})
		})
	}
}

func arrived(ctx context.Context, s *store) (map[int]bool, error) {
	found := map[int]bool{}
	for item, err := range s.items(ctx, s.within("fault||")) {
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(string(item.Value))
		if err != nil {
			return nil, err
		}
		found[n] = true
	}
	return found, nil
}
