package conformance

import (
	"context"
	"time"

	contrib "github.com/dapr/components-contrib/lock"
	"github.com/dapr/components-contrib/metadata"

	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// lockStore is a lock driver as Dapr's lock.Store.
type lockStore struct {
	opener opener
	store  lock.Store
}

var _ contrib.Store = (*lockStore)(nil)

// InitLockStore opens the driver.
func (s *lockStore) InitLockStore(ctx context.Context, md contrib.Metadata) (err error) {
	s.store, err = start(ctx, s.opener, s.opener.drivers.Lock, md.Properties)
	return err
}

// GetComponentMetadata is empty: our drivers document their fields in another way.
func (s *lockStore) GetComponentMetadata() metadata.MetadataMap { return nil }

// TryLock takes a lock.
func (s *lockStore) TryLock(ctx context.Context, req *contrib.TryLockRequest) (*contrib.TryLockResponse, error) {
	got, err := s.store.TryLock(ctx, req.ResourceID, req.LockOwner, time.Duration(req.ExpiryInSeconds)*time.Second)
	return &contrib.TryLockResponse{Success: got}, err
}

// Unlock gives a lock back. The statuses have Dapr's numbers.
func (s *lockStore) Unlock(ctx context.Context, req *contrib.UnlockRequest) (*contrib.UnlockResponse, error) {
	status, err := s.store.Unlock(ctx, req.ResourceID, req.LockOwner)
	if err != nil {
		return &contrib.UnlockResponse{Status: contrib.InternalError}, err
	}
	return &contrib.UnlockResponse{Status: contrib.Status(status)}, nil
}

// Close closes the driver.
func (s *lockStore) Close() error { return s.opener.end(s.store) }
