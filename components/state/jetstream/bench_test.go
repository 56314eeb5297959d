package jetstream

import (
	"strconv"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

func BenchmarkGet(b *testing.B) {
	statetest.BenchmarkGet(b, using(b, component.Config{Embedded: embeddedServer(b)}))
}

func BenchmarkSet(b *testing.B) {
	statetest.BenchmarkSet(b, using(b, component.Config{Embedded: embeddedServer(b)}))
}

// BenchmarkTransact writes two keys, one of them by its etag.
func BenchmarkTransact(b *testing.B) {
	s := using(b, component.Config{Embedded: embeddedServer(b)})
	put := func(key, value string) *state.SetRequest { return &state.SetRequest{Key: key, Value: []byte(value)} }
	if err := s.Set(b.Context(), *put("app||a", "")); err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		e, err := s.Get(b.Context(), state.GetRequest{Key: "app||a"})
		if err != nil {
			b.Fatal(err)
		}
		a := put("app||a", strconv.Itoa(i))
		a.ETag = e.ETag
		if err := s.Transact(b.Context(), []state.Operation{{Upsert: a}, {Upsert: put("app||b", strconv.Itoa(i))}}, nil); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
