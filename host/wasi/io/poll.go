package io

import (
	"context"
	"math"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
)

// Funcs gives the host functions of the package.
func Funcs() []abi.Func {
	funcs := abiio.ErrorFuncs()
	funcs = append(funcs, abiio.PollFuncs(poller{})...)
	return append(funcs, abiio.StreamsFuncs()...)
}

// Pollable is the resource wasi:io/poll.pollable.
type Pollable struct{ source Source }

// NewPollable makes a pollable that is ready when s is.
func NewPollable(s Source) *Pollable { return &Pollable{source: s} }

// Ready tells whether it is ready.
func (p *Pollable) Ready(ctx context.Context) bool { return p.source.Ready(ctx) }

// Block returns when it is ready.
func (p *Pollable) Block(ctx context.Context) { Wait(ctx, p.source) }

// Drop forgets it.
func (*Pollable) Drop(context.Context) {}

// poller implements the interface wasi:io/poll.
type poller struct{}

var _ abiio.PollHost = poller{}

// Poll implements abiio.PollHost.
func (poller) Poll(ctx context.Context, in []abiio.Pollable) []uint32 { return Poll(ctx, in) }

// Poll blocks until one of the pollables is ready and gives the indices of all that are. It panics with an *abi.Trap for
// an empty list, and when ctx ends.
func Poll(ctx context.Context, in []abiio.Pollable) []uint32 {
	switch n := uint64(len(in)); {
	case n == 0:
		abi.Trapf("poll: expected at least one pollable, found an empty list")
	case n > math.MaxUint32:
		abi.Trapf("poll: expected at most %d pollables, found %d", uint32(math.MaxUint32), n)
	}
	sources := make([]Source, len(in))
	for i, p := range in {
		sources[i] = sourceOf(p)
	}
	for {
		Wait(ctx, sources...)
		var ready []uint32
		for i, s := range sources {
			if s.Ready(ctx) {
				ready = append(ready, uint32(i))
			}
		}
		// What was ready may be so no more.
		if len(ready) > 0 {
			return ready
		}
	}
}

// sourceOf gives a pollable's source. A pollable of another package is asked and blocked on.
func sourceOf(p abiio.Pollable) Source {
	if p, ok := p.(*Pollable); ok {
		return p.source
	}
	return foreign{p}
}

// foreign is a pollable that is not of this package.
type foreign struct{ abiio.Pollable }

// Watch blocks on the pollable in a goroutine until stop.
func (f foreign) Watch(ctx context.Context, wake func()) func() {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer wake()
		// Its trap at the end of ctx is not the guest's.
		defer func() { _ = recover() }()
		f.Block(ctx)
	}()
	return cancel
}
