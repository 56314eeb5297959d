//go:build !wasip1

package state

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestReadsAndWrites(t *testing.T) {
	ResetFake()
	s := Open("orders")
	if _, err := s.Get("k"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `get "k" in orders`) {
		t.Errorf("missing key: got %v", err)
	}
	if err := SetJSON(s, "k", map[string]int{"n": 1}); err != nil {
		t.Fatal(err)
	}
	v, etag, err := GetJSON[map[string]int](s, "k")
	if err != nil || v["n"] != 1 || etag == "" {
		t.Fatalf("got %v, etag %q, %v", v, etag, err)
	}
	if _, _, err := GetJSON[int](s, "k"); err == nil || !strings.Contains(err.Error(), `key "k" does not hold a int`) {
		t.Errorf("wrong type: got %v", err)
	}
	if err := s.Delete("k", IfMatch("stale")); !errors.Is(err, ErrETagMismatch) {
		t.Errorf("delete with a stale etag: got %v", err)
	}
	if err := s.Delete("k", IfMatch(etag)); err != nil {
		t.Error(err)
	}
	if _, err := Default.Get("a||b"); !errors.Is(err, ErrInvalidKey) {
		t.Errorf("bad key: got %v", err)
	}
}

func TestConditions(t *testing.T) {
	ResetFake()
	put := func(opts ...Option) error { return Default.Set("k", []byte("v"), opts...) }
	if err := put(IfAbsent()); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		opts []Option
		want error
	}{
		{"absent, but it is there", []Option{IfAbsent()}, ErrETagMismatch},
		{"stale etag", []Option{IfMatch("x")}, ErrETagMismatch},
		{"stale etag, first write", []Option{IfMatch("x"), WithConcurrency(FirstWrite)}, ErrETagMismatch},
		{"stale etag, last write", []Option{IfMatch("x"), WithConcurrency(LastWrite)}, nil},
		{"no etag", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := put(tt.opts...); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTransactIsAllOrNothing(t *testing.T) {
	ResetFake()
	if err := Default.Transact(Put("a", []byte("1")), Put("b", []byte("1"))); err != nil {
		t.Fatal(err)
	}
	err := Default.Transact(Remove("a"), PutJSON("c", 3), Put("b", nil, IfAbsent()))
	if !errors.Is(err, ErrETagMismatch) {
		t.Errorf("got %v, want %v", err, ErrETagMismatch)
	}
	results, err := Default.BulkGet("a", "c")
	if err != nil || results[0].Err != nil || string(results[0].Value) != "1" || !errors.Is(results[1].Err, ErrNotFound) {
		t.Errorf("after a failed transaction: %+v, %v; want a as it was and no c", results, err)
	}
}

func TestBulkAndKeys(t *testing.T) {
	ResetFake()
	var ops []Op
	for _, k := range []string{"x/1", "x/2", "y/1", "bad||key"} {
		ops = append(ops, Put(k, []byte(k)))
	}
	failed, err := Default.BulkSet(ops...)
	if err != nil || len(failed) != 1 || !errors.Is(failed["bad||key"], ErrInvalidKey) {
		t.Errorf("bulk set: got %v, %v", failed, err)
	}
	page, err := Default.List("x/", 1, "")
	if err != nil || len(page.Keys) != 1 || page.Next == "" {
		t.Errorf("first page: %+v, %v", page, err)
	}
	var keys []string
	for k, err := range Default.Keys("") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	if got := strings.Join(keys, " "); got != "x/1 x/2 y/1" {
		t.Errorf("keys: got %s", got)
	}
	if failed, err := Default.BulkDelete("x/1", "none"); err != nil || len(failed) != 0 {
		t.Errorf("bulk delete: got %v, %v", failed, err)
	}
}

func TestTTL(t *testing.T) {
	ResetFake()
	if err := Default.Set("k", nil, WithTTL(1500*time.Millisecond), WithMetadata("a", "b")); err != nil {
		t.Fatal(err)
	}
	if e, err := Default.Get("k"); err != nil || e.Metadata["ttlExpireTime"] == "" {
		t.Errorf("got %+v, %v; want ttlExpireTime", e, err)
	}
	for d, want := range map[time.Duration]int32{time.Millisecond: 1, 2 * time.Second: 2, 0: -1, -time.Second: -1} {
		if o := collect([]Option{WithTTL(d)}); *o.ttl != want {
			t.Errorf("WithTTL(%s): got %d s, want %d", d, *o.ttl, want)
		}
	}
}

func TestFailFake(t *testing.T) {
	ResetFake()
	FailFake(ErrUnavailable)
	if err := Default.Set("k", nil); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "default store") {
		t.Errorf("got %v", err)
	}
	ResetFake()
	if err := Default.Set("k", nil); err != nil {
		t.Error(err)
	}
}
