package statetest

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

var etags = []property{
	{"ETagChanges", (*suite).etagChanges},
	{"ETagIsNotReused", (*suite).etagNotReused},
	{"SetWithETag", (*suite).setWithETag},
	{"SetWithETagOfMissingKey", (*suite).setETagMissing},
	{"FirstWrite", (*suite).firstWrite},
	{"FirstWriteWithETag", (*suite).firstWriteETag},
	{"LastWriteIgnoresETag", (*suite).lastWrite},
	{"DeleteWithETag", (*suite).deleteWithETag},
	{"InvalidETag", (*suite).invalidETag},
	{"CountByETag", (*suite).countByETag},
	{"OneFirstWriterWins", (*suite).oneFirstWriter},
}

func (s *suite) etagChanges(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	first := s.etag(t, p+"a")
	if again := s.etag(t, p+"a"); again != first {
		t.Errorf("etag changed without a write: got %q, want %q", again, first)
	}
	s.set(t, p+"a", "1")
	if second := s.etag(t, p+"a"); second == first {
		t.Errorf("etag after a write of the same value: got %q again, want another", second)
	}
}

// etagNotReused: who read a key before it was deleted and made anew must not overwrite the new one.
func (s *suite) etagNotReused(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	stale := s.etag(t, p+"a")
	s.delete(t, p+"a")
	s.set(t, p+"a", "2")
	err := s.store.Set(t.Context(), state.SetRequest{Key: p + "a", Value: []byte("3"), ETag: &stale})
	wantErr(t, "set with the etag of before the delete", err, state.ErrETagMismatch)
	s.want(t, p+"a", "2")
}

func (s *suite) setWithETag(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	tag := s.etag(t, p+"a")
	req := state.SetRequest{Key: p + "a", Value: []byte("2"), ETag: &tag}
	if err := s.store.Set(t.Context(), req); err != nil {
		t.Fatalf("set with the current etag: %v", err)
	}
	s.want(t, p+"a", "2")
	req.Value = []byte("3")
	err := s.store.Set(t.Context(), req)
	wantErr(t, "set with a stale etag", err, state.ErrETagMismatch)
	wantText(t, "set with a stale etag", err, "key "+strconv.Quote(p+"a")+": etag mismatch")
	s.want(t, p+"a", "2")
	req.ETag = new("")
	if err := s.store.Set(t.Context(), req); err != nil {
		t.Errorf("set with an empty etag, which is none: %v", err)
	}
}

func (s *suite) setETagMissing(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	tag := s.etag(t, p+"a")
	s.delete(t, p+"a")
	err := s.store.Set(t.Context(), state.SetRequest{Key: p + "a", Value: []byte("2"), ETag: &tag})
	wantErr(t, "set with an etag of a key that is gone", err, state.ErrETagMismatch)
	s.wantMissing(t, p+"a")
}

func (s *suite) firstWrite(t *testing.T, p string) {
	req := state.SetRequest{Key: p + "a", Value: []byte("1"), Concurrency: state.FirstWrite}
	if err := s.store.Set(t.Context(), req); err != nil {
		t.Fatalf("first-write of a new key: %v", err)
	}
	req.Value = []byte("2")
	err := s.store.Set(t.Context(), req)
	wantErr(t, "first-write without an etag of a key that exists", err, state.ErrETagMismatch)
	wantText(t, "first-write without an etag of a key that exists", err, "key "+strconv.Quote(p+"a")+
		": etag mismatch: it exists and the write is first-write without an etag")
	s.want(t, p+"a", "1")
	s.delete(t, p+"a")
	if err := s.store.Set(t.Context(), req); err != nil {
		t.Errorf("first-write after a delete: %v", err)
	}
	s.set(t, p+"a", "3")
	s.want(t, p+"a", "3")
}

func (s *suite) firstWriteETag(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	stale := s.etag(t, p+"a")
	req := state.SetRequest{Key: p + "a", Value: []byte("2"), ETag: &stale, Concurrency: state.FirstWrite}
	if err := s.store.Set(t.Context(), req); err != nil {
		t.Fatalf("first-write with the current etag: %v", err)
	}
	wantErr(t, "first-write with a stale etag", s.store.Set(t.Context(), req), state.ErrETagMismatch)
	s.want(t, p+"a", "2")
}

func (s *suite) lastWrite(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	stale := s.etag(t, p+"a")
	s.set(t, p+"a", "2")
	req := state.SetRequest{Key: p + "a", Value: []byte("3"), ETag: &stale, Concurrency: state.LastWrite}
	if err := s.store.Set(t.Context(), req); err != nil {
		t.Fatalf("last-write with a stale etag: %v", err)
	}
	s.want(t, p+"a", "3")
	del := state.DeleteRequest{Key: p + "a", ETag: &stale, Concurrency: state.LastWrite}
	if err := s.store.Delete(t.Context(), del); err != nil {
		t.Fatalf("last-write delete with a stale etag: %v", err)
	}
	s.wantMissing(t, p+"a")
}

func (s *suite) deleteWithETag(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	stale := s.etag(t, p+"a")
	s.set(t, p+"a", "2")
	err := s.store.Delete(t.Context(), state.DeleteRequest{Key: p + "a", ETag: &stale})
	wantErr(t, "delete with a stale etag", err, state.ErrETagMismatch)
	wantText(t, "delete with a stale etag", err, "key "+strconv.Quote(p+"a")+": etag mismatch")
	s.want(t, p+"a", "2")
	current := s.etag(t, p+"a")
	if err := s.store.Delete(t.Context(), state.DeleteRequest{Key: p + "a", ETag: &current}); err != nil {
		t.Fatalf("delete with the current etag: %v", err)
	}
	s.wantMissing(t, p+"a")
	err = s.store.Delete(t.Context(), state.DeleteRequest{Key: p + "a", ETag: &current})
	wantErr(t, "delete with an etag of a key that is gone", err, state.ErrETagMismatch)
}

func (s *suite) invalidETag(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	tag, want := s.caps.BadETag, state.ErrInvalidETag
	if tag == "" {
		tag, want = "not an etag of this store", state.ErrETagMismatch
	}
	err := s.store.Set(t.Context(), state.SetRequest{Key: p + "a", Value: []byte("2"), ETag: &tag})
	wantErr(t, "set", err, want)
	err = s.store.Delete(t.Context(), state.DeleteRequest{Key: p + "a", ETag: &tag})
	wantErr(t, "delete", err, want)
	s.want(t, p+"a", "1")
}

// countByETag is the hammer: increments by read and conditional write must all count.
func (s *suite) countByETag(t *testing.T, p string) {
	const workers, each = 8, 20
	s.set(t, p+"n", "0")
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				if errs[w] = s.increment(t, p+"n"); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("increment: %v", err)
	}
	s.want(t, p+"n", strconv.Itoa(workers*each))
}

// increment tries until its conditional write succeeds.
func (s *suite) increment(t *testing.T, key string) error {
	for {
		e, err := s.store.Get(t.Context(), state.GetRequest{Key: key, Consistency: state.Strong})
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(e.Value))
		if err != nil {
			return err
		}
		err = s.store.Set(t.Context(), state.SetRequest{
			Key: key, Value: []byte(strconv.Itoa(n + 1)), ETag: e.ETag, Concurrency: state.FirstWrite,
		})
		if !errors.Is(err, state.ErrETagMismatch) {
			return err
		}
		// Otherwise the losers of a round would all read again at the same moment.
		time.Sleep(time.Millisecond)
	}
}

func (s *suite) oneFirstWriter(t *testing.T, p string) {
	const workers = 8
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			errs[w] = s.store.Set(t.Context(), state.SetRequest{
				Key: p + "a", Value: []byte(strconv.Itoa(w)), Concurrency: state.FirstWrite,
			})
		})
	}
	wg.Wait()
	winner := -1
	for w, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("first-writes of one key: %d and %d both succeeded, want one", winner, w)
		case err == nil:
			winner = w
		default:
			wantErr(t, "a losing first-write", err, state.ErrETagMismatch)
		}
	}
	s.want(t, p+"a", strconv.Itoa(winner))
}
