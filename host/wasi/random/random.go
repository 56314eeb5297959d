// Package random implements wasi:random 0.2: random, insecure and insecure-seed.
package random

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abirandom "github.com/mrt-wasm/mrt-wasm/abi/wasi/random"
)

// Config says where randomness comes from. The zero value is the host's cryptographic source for everything.
type Config struct {
	// Secure gives the cryptographic source of the calling instance. Nil for crypto/rand.
	Secure func(ctx context.Context) io.Reader
	// Insecure gives the source of insecure and insecure-seed. Nil for Secure.
	Insecure func(ctx context.Context) io.Reader
}

// Funcs gives the host functions of the package.
func Funcs(c Config) []abi.Func {
	if c.Secure == nil {
		c.Secure = func(context.Context) io.Reader { return rand.Reader }
	}
	if c.Insecure == nil {
		c.Insecure = c.Secure
	}
	funcs := abirandom.RandomFuncs(secure{source(c.Secure)})
	funcs = append(funcs, abirandom.InsecureFuncs(insecure{source(c.Insecure)})...)
	return append(funcs, abirandom.InsecureSeedFuncs(seed{source(c.Insecure)})...)
}

// source gives the reader of the calling instance.
type source func(ctx context.Context) io.Reader

// bytes gives n random bytes; it traps for more than fit into a list.
func (s source) bytes(ctx context.Context, fn string, n uint64) []byte {
	if n > abi.MaxBytes {
		abi.Trapf("%s: expected at most %d bytes to be asked for, found %d", fn, abi.MaxBytes, n)
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(s(ctx), p); err != nil {
		panic(&abi.Trap{Kind: abi.TrapHost, Reason: fmt.Sprintf("%s: the host's source of randomness failed: %v", fn, err), Cause: err})
	}
	return p
}

func (s source) u64(ctx context.Context, fn string) uint64 {
	return binary.LittleEndian.Uint64(s.bytes(ctx, fn, 8))
}

type secure struct{ source }

var _ abirandom.RandomHost = secure{}

// GetRandomBytes gives n bytes.
func (s secure) GetRandomBytes(ctx context.Context, n uint64) []byte {
	return s.bytes(ctx, "get-random-bytes", n)
}

// GetRandomU64 gives a number.
func (s secure) GetRandomU64(ctx context.Context) uint64 { return s.u64(ctx, "get-random-u64") }

type insecure struct{ source }

var _ abirandom.InsecureHost = insecure{}

// GetInsecureRandomBytes gives n bytes.
func (s insecure) GetInsecureRandomBytes(ctx context.Context, n uint64) []byte {
	return s.bytes(ctx, "get-insecure-random-bytes", n)
}

// GetInsecureRandomU64 gives a number.
func (s insecure) GetInsecureRandomU64(ctx context.Context) uint64 {
	return s.u64(ctx, "get-insecure-random-u64")
}

type seed struct{ source }

var _ abirandom.InsecureSeedHost = seed{}

// InsecureSeed gives 128 bits for a hash table's seed.
func (s seed) InsecureSeed(ctx context.Context) canon.Tuple2[uint64, uint64] {
	return canon.Tuple2[uint64, uint64]{F0: s.u64(ctx, "insecure-seed"), F1: s.u64(ctx, "insecure-seed")}
}
