package statetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

var transactions = []property{
	{"TransactionWritesAll", (*suite).transactionAll},
	{"TransactionOrder", (*suite).transactionOrder},
	{"TransactionOfNothing", (*suite).transactionEmpty},
	{"TransactionDeleteOfMissingKey", (*suite).transactionDeleteMissing},
	{"TransactionETagFailureUndoesAll", (*suite).transactionUndo},
	{"TransactionConditions", (*suite).transactionConditions},
	{"TransactionSeesItself", (*suite).transactionSeesItself},
	{"TransactionsMoveExactly", (*suite).transactionHammer},
	{"TransactionOfManyKeys", (*suite).transactionMany},
}

func (s *suite) transact(t *testing.T, ops ...state.Operation) error {
	t.Helper()
	tr, ok := state.As[state.Transactor](s.store)
	if !ok {
		t.Fatal("the store lost its Transactor")
	}
	return tr.Transact(t.Context(), ops, nil)
}

func put(key, value string) state.Operation {
	return state.Operation{Upsert: &state.SetRequest{Key: key, Value: []byte(value)}}
}

func putTag(key, value, etag string) state.Operation {
	return state.Operation{Upsert: &state.SetRequest{Key: key, Value: []byte(value), ETag: &etag}}
}

func putFirst(key, value string) state.Operation {
	return state.Operation{Upsert: &state.SetRequest{Key: key, Value: []byte(value), Concurrency: state.FirstWrite}}
}

func remove(key string) state.Operation {
	return state.Operation{Delete: &state.DeleteRequest{Key: key}}
}

func removeTag(key, etag string) state.Operation {
	return state.Operation{Delete: &state.DeleteRequest{Key: key, ETag: &etag}}
}

func (s *suite) transactionAll(t *testing.T, p string) {
	p += s.caps.Tag
	s.set(t, p+"old", "x")
	if err := s.transact(t, put(p+"a", "1"), put(p+"b", "\x00\xff"), remove(p+"old"), put(p+"c", "")); err != nil {
		t.Fatalf("transact: %v", err)
	}
	s.want(t, p+"a", "1")
	s.want(t, p+"b", "\x00\xff")
	s.want(t, p+"c", "")
	s.wantMissing(t, p+"old")
}

func (s *suite) transactionOrder(t *testing.T, p string) {
	p += s.caps.Tag
	ops := []state.Operation{put(p+"a", "1"), remove(p + "a"), put(p+"a", "2"), put(p+"b", "1"), put(p+"b", "2"), put(p+"c", "1"), remove(p + "c")}
	if err := s.transact(t, ops...); err != nil {
		t.Fatalf("transact: %v", err)
	}
	s.want(t, p+"a", "2")
	s.want(t, p+"b", "2")
	s.wantMissing(t, p+"c")
}

func (s *suite) transactionEmpty(t *testing.T, _ string) {
	if err := s.transact(t); err != nil {
		t.Errorf("transact of nothing: %v", err)
	}
}

func (s *suite) transactionDeleteMissing(t *testing.T, p string) {
	p += s.caps.Tag
	if err := s.transact(t, remove(p+"none"), put(p+"a", "1")); err != nil {
		t.Fatalf("transact: %v", err)
	}
	s.want(t, p+"a", "1")
}

func (s *suite) transactionUndo(t *testing.T, p string) {
	p += s.caps.Tag
	s.set(t, p+"a", "1")
	s.set(t, p+"gone", "1")
	stale := s.etag(t, p+"a")
	s.set(t, p+"a", "2")
	before, beforeGone := s.etag(t, p+"a"), s.etag(t, p+"gone")
	for name, last := range map[string]state.Operation{
		"stale etag of upsert": putTag(p+"a", "3", stale),
		"stale etag of delete": removeTag(p+"a", stale),
		"etag of missing key":  putTag(p+"none", "3", stale),
		"first-write":          putFirst(p+"a", "3"),
	} {
		err := s.transact(t, put(p+"new", "1"), remove(p+"gone"), put(p+"a", "9"), put(p+"gone", "9"), put(p+"other", "1"), last)
		// The last operation meets what the ones before it wrote; only the missing key and the stale etags matter.
		wantErr(t, name, err, state.ErrETagMismatch)
		s.wantMissing(t, p+"new")
		s.wantMissing(t, p+"other")
		s.wantMissing(t, p+"none")
		s.want(t, p+"a", "2")
		s.want(t, p+"gone", "1")
		if got := s.etag(t, p+"a"); got != before {
			t.Errorf("%s: etag of a key that was to be written: got %q, want %q as before", name, got, before)
		}
		if got := s.etag(t, p+"gone"); got != beforeGone {
			t.Errorf("%s: etag of a key that was to be deleted: got %q, want %q as before", name, got, beforeGone)
		}
	}
	if s.caps.BadETag != "" {
		err := s.transact(t, put(p+"new", "1"), putTag(p+"a", "3", s.caps.BadETag))
		wantErr(t, "invalid etag", err, state.ErrInvalidETag)
		s.wantMissing(t, p+"new")
	}
}

func (s *suite) transactionConditions(t *testing.T, p string) {
	p += s.caps.Tag
	s.set(t, p+"a", "1")
	s.set(t, p+"b", "1")
	ops := []state.Operation{putTag(p+"a", "2", s.etag(t, p+"a")), removeTag(p+"b", s.etag(t, p+"b")), putFirst(p+"c", "1")}
	if err := s.transact(t, ops...); err != nil {
		t.Fatalf("transact with current etags: %v", err)
	}
	s.want(t, p+"a", "2")
	s.wantMissing(t, p+"b")
	s.want(t, p+"c", "1")
}

// transactionSeesItself: a condition is about the state that the operations before it made.
func (s *suite) transactionSeesItself(t *testing.T, p string) {
	p += s.caps.Tag
	s.set(t, p+"a", "1")
	if err := s.transact(t, remove(p+"a"), putFirst(p+"a", "2")); err != nil {
		t.Errorf("first-write after a delete in one transaction: %v", err)
	}
	s.want(t, p+"a", "2")
	err := s.transact(t, put(p+"b", "1"), putFirst(p+"b", "2"))
	wantErr(t, "first-write after an upsert in one transaction", err, state.ErrETagMismatch)
	s.wantMissing(t, p+"b")
	s.set(t, p+"c", "1")
	tag := s.etag(t, p+"c")
	err = s.transact(t, put(p+"c", "2"), putTag(p+"c", "3", tag))
	wantErr(t, "an etag that an upsert before it made stale", err, state.ErrETagMismatch)
	s.want(t, p+"c", "1")
}

// transactionHammer moves units between two keys; the sum never changes.
func (s *suite) transactionHammer(t *testing.T, p string) {
	p += s.caps.Tag
	const workers, each, total = 6, 10, 1000
	s.set(t, p+"from", strconv.Itoa(total))
	s.set(t, p+"to", "0")
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				if errs[w] = s.move(t, p+"from", p+"to"); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("move: %v", err)
	}
	s.want(t, p+"from", strconv.Itoa(total-workers*each))
	s.want(t, p+"to", strconv.Itoa(workers*each))
}

func (s *suite) move(t *testing.T, from, to string) error {
	read := func(key string) (int, string, error) {
		e, err := s.store.Get(t.Context(), state.GetRequest{Key: key})
		if err != nil {
			return 0, "", err
		}
		n, err := strconv.Atoi(string(e.Value))
		return n, *e.ETag, err
	}
	for {
		a, tagA, errA := read(from)
		b, tagB, errB := read(to)
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		err := s.transact(t, putTag(from, strconv.Itoa(a-1), tagA), putTag(to, strconv.Itoa(b+1), tagB))
		if !errors.Is(err, state.ErrETagMismatch) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *suite) transactionMany(t *testing.T, p string) {
	p += s.caps.Tag
	n := 2000
	if l, ok := state.As[state.TransactionLimiter](s.store); ok && l.MaxOperations() > 0 {
		n = min(n, l.MaxOperations())
	}
	ops := make([]state.Operation, n)
	for i := range ops {
		ops[i] = put(fmt.Sprintf("%s%04d", p, i), strconv.Itoa(i))
	}
	if err := s.transact(t, ops...); err != nil {
		t.Fatalf("transact of %d operations: %v", n, err)
	}
	for _, i := range []int{0, 1, n / 2, n - 1} {
		s.want(t, fmt.Sprintf("%s%04d", p, i), strconv.Itoa(i))
	}
}

func (s *suite) transactionTTL(t *testing.T, p string) {
	p += s.caps.Tag
	op := put(p+"short", "1")
	op.Upsert.TTL = new(time.Second)
	keep := put(p+"keep", "2")
	keep.Upsert.TTL = new(time.Duration(-1))
	s.setTTL(t, p+"keep", "1", time.Second)
	if err := s.transact(t, op, keep); err != nil {
		t.Fatalf("transact: %v", err)
	}
	eventually(t, "an entry of 1 s expires", func() bool { return s.get(t, p+"short") == nil })
	s.want(t, p+"keep", "2")
}
