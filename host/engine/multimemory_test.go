package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// outOfBounds stands for the trap of an access outside of a memory.
const outOfBounds = "out of bounds memory access"

// memoryStep is a call and what comes of it: a number, nothing or a trap.
type memoryStep struct {
	fn   string
	args []uint64
	want any
}

// bytesOf are steps that find text in a memory.
func bytesOf(memory, at uint64, text string) []memoryStep {
	steps := make([]memoryStep, len(text))
	for k := range text {
		steps[k] = memoryStep{"load", []uint64{memory, at + uint64(k)}, uint64(text[k])}
	}
	return steps
}

func steps(parts ...[]memoryStep) (all []memoryStep) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// A core module with several memories does with each what it would do with one.
func TestSeveralMemories(t *testing.T) {
	const page, last = 65536, 1<<32 - 1
	one := func(fn string, want any, args ...uint64) []memoryStep { return []memoryStep{{fn, args, want}} }
	long := make([]byte, 0, 100)
	var stored []memoryStep
	for k := range uint64(100) {
		long = append(long, byte(k*7+1))
		stored = append(stored, memoryStep{"store", []uint64{3, 200 + k, k*7 + 1}, nil})
	}
	for name, tt := range map[string][]memoryStep{
		"data segments": steps(bytesOf(0, 0, "PrOvider"), bytesOf(1, 0, "PrOvider"), bytesOf(2, 100, "*"), bytesOf(3, page-4, "last")),
		"stores stay apart": steps(one("store", nil, 1, 9, 1), one("store", nil, 2, 9, 2), one("store", nil, 3, 9, 3),
			one("load", uint64(1), 0, 9), one("load", uint64(1), 1, 9), one("load", uint64(2), 2, 9), one("load", uint64(3), 3, 9)),
		"exports": steps(one("store", nil, 1, 9, 1), one("store", nil, 3, 9, 3), one("other-b", uint64(1), 9), one("other-d", uint64(3), 9),
			one("table", uint64(7))),
		"grow": steps(one("load", outOfBounds, 3, page)),
		"grow twice": steps(one("size", uint64(11)), one("grow", uint64(1), 1), one("size", uint64(21)), one("load", uint64(0), 3, 2*page-1),
			one("grow", uint64(last), 2), one("grow", uint64(2), 1), one("size", uint64(31)), one("grow", uint64(last), 1)),
		"offset":                       one("near", uint64('t')<<24|'s'<<16|'a'<<8|'l', page-4-8),
		"offset out of bounds":         one("near", outOfBounds, page-8),
		"address and offset wrap":      one("near", outOfBounds, last),
		"offset that wraps":            one("far", outOfBounds, 1),
		"offset alone out of bounds":   one("far", outOfBounds, 0),
		"vectors":                      one("vector", uint64('*'), 8),
		"fill":                         steps(one("fill", nil, 10, 'x', 3), bytesOf(3, 9, "\x00xxx\x00")),
		"fill out of bounds":           one("fill", outOfBounds, page-1, 'x', 2),
		"copy of nothing at the end":   steps(one("d-to-a", nil, page, page, 0), one("d-to-c", nil, page, page, 0)),
		"copy to memory 0":             steps(stored, one("d-to-a", nil, 50, 200, 100), bytesOf(0, 50, string(long)), bytesOf(0, 150, "\x00")),
		"copy from memory 0":           steps(one("b-to-d", nil, 7, 1, 6), bytesOf(3, 6, "\x00rOvide\x00")),
		"copy between others":          steps(stored, one("d-to-c", nil, 1, 201, 65), bytesOf(2, 0, "\x00"+string(long[1:66])+"\x00")),
		"copy within one":              steps(stored, one("d-to-d", nil, 203, 200, 97), bytesOf(3, 203, string(long[:97]))),
		"copy within one by two names": steps(one("b-to-a", nil, 2, 0, 8), bytesOf(0, 0, "PrPrOvider")),
		"copy from out of bounds":      one("d-to-a", outOfBounds, 0, page-1, 2),
		"copy to out of bounds":        one("d-to-a", outOfBounds, page-1, 0, 2),
		"copy of a length that wraps":  one("d-to-c", outOfBounds, 2, 1, last),
		"init":                         steps(one("init", nil, 5, 1, 3), bytesOf(3, 5, "egm"), one("init-a", nil, 5, 0, 3), bytesOf(0, 5, "seg")),
		"init out of the segment":      one("init", outOfBounds, 5, 1, 7),
		"drop":                         steps(one("drop", nil), one("init", nil, 0, 0, 0), one("init", outOfBounds, 0, 0, 1)),
		"drop for memory 0":            steps(one("drop", nil), one("init-a", nil, 0, 0, 0), one("init-a", outOfBounds, 0, 0, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, e *engine.Engine) {
				p := enginetest.Pool(t, e, component(t, "memories"), engine.PoolConfig{})
				if err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error { return takeSteps(ctx, g, tt) }); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func takeSteps(ctx context.Context, g abi.Guest, steps []memoryStep) error {
	for _, s := range steps {
		args := make([]canon.Value, len(s.args))
		for k, a := range s.args {
			args[k] = canon.Uint(a)
		}
		got, err := engine.Invoke(ctx, g, s.fn, args...)
		want, number := s.want.(uint64)
		switch {
		case s.want == outOfBounds:
			if trap, ok := asTrap(err); !ok || !strings.Contains(trap.Error(), outOfBounds) {
				return fmt.Errorf("%s %v: want a trap, %s, got %v, %w", s.fn, s.args, outOfBounds, got, err)
			}
			return nil
		case err != nil:
			return fmt.Errorf("%s %v: %w", s.fn, s.args, err)
		case number && got.Bits != want:
			return fmt.Errorf("%s %v: want %d, got %d", s.fn, s.args, want, got.Bits)
		}
	}
	return nil
}

// Strings pass by way of a memory that is not the first.
func TestSeveralMemoriesString(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		p := enginetest.Pool(t, e, component(t, "memories"), engine.PoolConfig{Policy: engine.Reset})
		for _, text := range []string{"another one", "one"} {
			err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
				if got, err := shout(ctx, g, "echo", text); err != nil || got != text {
					t.Errorf("want %q, got %q, %v", text, got, err)
				}
				return takeSteps(ctx, g, bytesOf(3, 1024, text+"\x00"))
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}
