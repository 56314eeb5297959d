package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

var basic = []property{
	{"GetMissing", (*suite).getMissing},
	{"SetGetDelete", (*suite).setGetDelete},
	{"SetReplaces", (*suite).setReplaces},
	{"DeleteMissing", (*suite).deleteMissing},
	{"Values", (*suite).values},
	{"Keys", (*suite).keys},
	{"SetKeepsNoReference", (*suite).setKeepsNoReference},
	{"CancelledContext", (*suite).cancelled},
	{"ManyKeysAtOnce", (*suite).manyKeys},
}

func (s *suite) getMissing(t *testing.T, p string) { s.wantMissing(t, p+"none") }

func (s *suite) setGetDelete(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	s.want(t, p+"a", "1")
	s.delete(t, p+"a")
	s.wantMissing(t, p+"a")
}

func (s *suite) setReplaces(t *testing.T, p string) {
	s.set(t, p+"a", "one")
	s.set(t, p+"a", "2")
	s.want(t, p+"a", "2")
}

func (s *suite) deleteMissing(t *testing.T, p string) { s.delete(t, p+"none") }

func (s *suite) values(t *testing.T, p string) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, value := range map[string]string{
		"json object": `{"a": [1, 2.5, null, true, "x"]}`,
		"json string": `"text"`,
		"number":      "42",
		"text":        "no json, äöü, 漢字, \U0001F600",
		"empty":       "",
		"every byte":  string(all),
		"zero bytes":  "a\x00b\x00",
		"not UTF-8":   "\xff\xfe\xfd",
		"base64":      "AAEC/w==",
		"1 MiB text":  strings.Repeat("0123456789abcdef", 1<<16),
		"1 MiB bytes": string(bytes.Repeat([]byte{0, 0xff, 0x80, 7}, 1<<18)),
	} {
		t.Run(name, func(t *testing.T) {
			s.set(t, p+name, value)
			s.want(t, p+name, value)
			s.delete(t, p+name) // a store without indexes would read large ones again and again
		})
	}
}

// awkward are keys with characters that mean something to a database.
var awkward = []string{
	"%", "_", "*", "?", "[a]", "[", "]", "\\", "\\%", "'", "\"", "`", ";", "--", " ", "a b", "\n", "\t", "/", "..", "{x}", "{", "}",
	"ä", "漢字", "\U0001F600", "$", "^", "~", "#", ":", "|", strings.Repeat("k", 512),
}

func (s *suite) keys(t *testing.T, p string) {
	for i, key := range awkward {
		s.set(t, p+key, fmt.Sprint(i))
	}
	for i, key := range awkward {
		s.want(t, p+key, fmt.Sprint(i))
	}
	for _, key := range awkward {
		s.delete(t, p+key)
		s.wantMissing(t, p+key)
	}
}

func (s *suite) setKeepsNoReference(t *testing.T, p string) {
	value := []byte("before")
	if err := s.store.Set(t.Context(), state.SetRequest{Key: p + "a", Value: value}); err != nil {
		t.Fatalf("set: %v", err)
	}
	copy(value, "after!")
	s.want(t, p+"a", "before")
}

func (s *suite) cancelled(t *testing.T, p string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.store.Get(ctx, state.GetRequest{Key: p + "a"})
	wantErr(t, "get", err, context.Canceled)
	err = s.store.Set(ctx, state.SetRequest{Key: p + "a", Value: []byte("x")})
	wantErr(t, "set", err, context.Canceled)
	s.wantMissing(t, p+"a")
	s.set(t, p+"a", "x")
	err = s.store.Delete(ctx, state.DeleteRequest{Key: p + "a"})
	wantErr(t, "delete", err, context.Canceled)
	s.want(t, p+"a", "x")
}

func (s *suite) manyKeys(t *testing.T, p string) {
	const workers, each = 8, 25
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				key := fmt.Sprintf("%s%d-%d", p, w, i)
				err := s.store.Set(t.Context(), state.SetRequest{Key: key, Value: []byte(key)})
				errs[w] = errors.Join(errs[w], err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("set: %v", err)
	}
	for w := range workers {
		for i := range each {
			key := fmt.Sprintf("%s%d-%d", p, w, i)
			s.want(t, key, key)
		}
	}
}

func (s *suite) bulkGet(t *testing.T, p string) {
	s.set(t, p+"a", "1")
	s.set(t, p+"b", "2")
	bulk, ok := state.As[state.BulkGetter](s.store)
	if !ok {
		t.Fatal("the store lost its BulkGetter")
	}
	keys := []string{p + "b", p + "none", p + "a", p + "b"}
	reqs := make([]state.GetRequest, len(keys))
	for i, key := range keys {
		reqs[i].Key = key
	}
	got, err := bulk.BulkGet(t.Context(), reqs)
	if err != nil {
		t.Fatalf("bulk get: %v", err)
	}
	want := []string{"2", "", "1", "2"}
	if len(got) != len(want) {
		t.Fatalf("bulk get: got %d entries, want %d", len(got), len(want))
	}
	for i, e := range got {
		if (e == nil) != (want[i] == "") || e != nil && (string(e.Value) != want[i] || *e.ETag != s.etag(t, keys[i])) {
			t.Errorf("bulk get %q: got %+v, want value %q and its etag", keys[i], e, want[i])
		}
	}
	if got, err := bulk.BulkGet(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("bulk get of nothing: got %d entries and error %v, want none", len(got), err)
	}
}
