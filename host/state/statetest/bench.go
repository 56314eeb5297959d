package statetest

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// benchKeys is how many keys the benchmarks go round.
const benchKeys = 1024

func benchKey(i int) string { return fmt.Sprintf("bench||key-%04d", i%benchKeys) }

// BenchmarkGet measures reading values of 1 KiB, one caller.
func BenchmarkGet(b *testing.B, store state.Store) {
	value := make([]byte, 1024)
	for i := range value {
		value[i] = 'a' + byte(i%26)
	}
	keys := make([]string, benchKeys)
	for i := range keys {
		keys[i] = benchKey(i)
		if err := store.Set(b.Context(), state.SetRequest{Key: keys[i], Value: value}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if e, err := store.Get(b.Context(), state.GetRequest{Key: keys[i%benchKeys]}); err != nil || e == nil {
			b.Fatalf("get: entry %v, error %v", e, err)
		}
		i++
	}
}

// BenchmarkSet measures writing values of 1 KiB that change with every write, one caller.
func BenchmarkSet(b *testing.B, store state.Store) {
	value := make([]byte, 1024)
	for i := range value {
		value[i] = 'a' + byte(i%26)
	}
	keys := make([]string, benchKeys)
	for i := range keys {
		keys[i] = benchKey(i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		// Seven bits a byte keep the value UTF-8; an unchanged value might not be written at all.
		binary.BigEndian.PutUint32(value, uint32(i)&0x7f7f7f7f)
		if err := store.Set(b.Context(), state.SetRequest{Key: keys[i%benchKeys], Value: value}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
