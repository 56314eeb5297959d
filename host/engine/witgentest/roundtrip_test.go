package witgentest

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/echo"
	all "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// turns is how many random values of each type go through the guest.
const turns = 60

// start runs the guest of standard Go over host.
func start(t testing.TB, host *echo.Host) *engine.Pool {
	t.Helper()
	wasm := enginetest.Build(t, "../../../abi/witgen/testdata/all/guest")
	return enginetest.Pool(t, enginetest.New(t), wasm, engine.PoolConfig{
		Funcs:   host.Funcs(),
		Exports: echo.Exports(),
		Limits:  engine.Limits{MaxInstances: 1},
	})
}

// guest gives a function that runs f with the guest and fails the test if f fails.
func guest(t testing.TB, host *echo.Host) func(f func(ctx context.Context, g abi.Guest) error) {
	t.Helper()
	p := start(t, host)
	return func(f func(ctx context.Context, g abi.Guest) error) {
		t.Helper()
		if err := p.Do(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
}

// trip sends random values through call.
func trip[T, R any](e *echo.Host, call func(context.Context, abi.Guest, T) (R, error)) func(*rand.Rand, context.Context, abi.Guest) (want, seen, got any, err error) {
	return func(r *rand.Rand, ctx context.Context, g abi.Guest) (want, seen, got any, err error) {
		v := random[T](r)
		back, err := call(ctx, g, v)
		return v, e.Seen, back, err
	}
}

func TestRoundTrip(t *testing.T) {
	e := &echo.Host{}
	tests := map[string]func(*rand.Rand, context.Context, abi.Guest) (want, seen, got any, err error){
		"bool":            trip(e, all.CallEchoBool),
		"s8":              trip(e, all.CallEchoS8),
		"u8":              trip(e, all.CallEchoU8),
		"s16":             trip(e, all.CallEchoS16),
		"u16":             trip(e, all.CallEchoU16),
		"u32":             trip(e, all.CallEchoU32),
		"s64":             trip(e, all.CallEchoS64),
		"u64":             trip(e, all.CallEchoU64),
		"f32":             trip(e, all.CallEchoF32),
		"f64":             trip(e, all.CallEchoF64),
		"char":            trip(e, all.CallEchoChar),
		"string":          trip(e, all.CallEchoString),
		"bytes":           trip(e, all.CallEchoBytes),
		"numbers":         trip(e, all.CallEchoNumbers),
		"strings":         trip(e, all.CallEchoStrings),
		"scalars-record":  trip(e, all.CallEchoScalarsRecord),
		"color-enum":      trip(e, all.CallEchoColorEnum),
		"big-enum":        trip(e, all.CallEchoBigEnum),
		"perm-flags":      trip(e, all.CallEchoPermFlags),
		"shape-variant":   trip(e, all.CallEchoShapeVariant),
		"number-variant":  trip(e, all.CallEchoNumberVariant),
		"wide-variant":    trip(e, all.CallEchoWideVariant),
		"plain-variant":   trip(e, all.CallEchoPlainVariant),
		"problem-variant": trip(e, all.CallEchoProblemVariant),
		"empty-record":    trip(e, all.CallEchoEmptyRecord),
		"labels-alias":    trip(e, all.CallEchoLabelsAlias),
		"pair-tuple":      trip(e, all.CallEchoPairTuple),
		"long-tuple":      trip(e, all.CallEchoLongTuple),
		"deep-record":     trip(e, all.CallEchoDeepRecord),
		"deep-list":       trip(e, all.CallEchoDeepList),
		"maybe":           trip(e, all.CallEchoMaybe),
		"maybe-twice":     trip(e, all.CallEchoMaybeTwice),
		"some-flags": trip(e, func(ctx context.Context, g abi.Guest, v echo.SomeFlags) (echo.SomeFlags, error) {
			return all.CallEchoSomeFlags(ctx, g, v.F0, v.F1, v.F2, v.F3, v.F4)
		}),
		"more-flags": trip(e, func(ctx context.Context, g abi.Guest, v echo.MoreFlags) (echo.MoreFlags, error) {
			return all.CallEchoMoreFlags(ctx, g, v.F0, v.F1, v.F2)
		}),
		"fallible": trip(e, result[uint32, string](all.CallEchoFallible)),
		"fail-ok":  trip(e, result[string, struct{}](all.CallEchoFailOk)),
		"fail-unit": trip(e, func(ctx context.Context, g abi.Guest, v canon.Result[struct{}, struct{}]) (canon.Result[struct{}, struct{}], error) {
			return outcome[struct{}, struct{}](struct{}{}, all.CallEchoFailUnit(ctx, g, v))
		}),
		"fail-problem": trip(e, func(ctx context.Context, g abi.Guest, v canon.Result[struct{}, all.Problem]) (canon.Result[struct{}, all.Problem], error) {
			return outcome[struct{}, all.Problem](struct{}{}, all.CallEchoFailProblem(ctx, g, v))
		}),
		"fail-record": trip(e, result[*string, all.Failure](all.CallEchoFailRecord)),
		"fail-color":  trip(e, result[uint64, all.Color](all.CallEchoFailColor)),
	}
	do := guest(t, e)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for range turns {
				do(func(ctx context.Context, g abi.Guest) error {
					want, seen, got, err := test(r, ctx, g)
					if err != nil {
						return err
					}
					if !same(reflect.ValueOf(want), reflect.ValueOf(seen)) {
						t.Fatalf("host function: want %#v, got %#v", want, seen)
					}
					if !same(reflect.ValueOf(want), reflect.ValueOf(got)) {
						t.Fatalf("result: want %#v, got %#v", want, got)
					}
					return nil
				})
			}
		})
	}
}

// result makes a Result of what a caller gives, whose error is for E what errors are made of.
func result[T, E any](call func(context.Context, abi.Guest, canon.Result[T, E]) (T, error)) func(context.Context, abi.Guest, canon.Result[T, E]) (canon.Result[T, E], error) {
	return func(ctx context.Context, g abi.Guest, v canon.Result[T, E]) (canon.Result[T, E], error) {
		got, err := call(ctx, g, v)
		return outcome[T, E](got, err)
	}
}

func outcome[T, E any](got T, err error) (canon.Result[T, E], error) {
	if err == nil {
		return canon.Result[T, E]{OK: got}, nil
	}
	if e, ok := any(err).(*E); ok {
		return canon.Result[T, E]{Err: e}, nil
	}
	if f, ok := errors.AsType[*canon.Failure[E]](err); ok {
		return canon.Result[T, E]{Err: &f.Value}, nil
	}
	return canon.Result[T, E]{}, err
}

func TestRoundTripOfMany(t *testing.T) {
	e := &echo.Host{}
	do := guest(t, e)
	do(func(ctx context.Context, g abi.Guest) error {
		got, err := all.CallEchoSixteen(ctx, g, "a", "b", "", "dd", "e", "f", "ggg", 200, -1.5)
		if want := []any{"a", "b", "", "dd", "e", "f", "ggg", uint8(200), -1.5}; err == nil && !reflect.DeepEqual(e.Seen, want) {
			t.Errorf("sixteen: want %v, got %v", want, e.Seen)
		}
		if got != "abddefggg" {
			t.Errorf("sixteen: want abddefggg, got %s", got)
		}
		return err
	})
	do(func(ctx context.Context, g abi.Guest) error {
		got, err := all.CallEchoSeventeen(ctx, g, "a", "b", "", "dd", "e", "f", "ggg", 200, -1.5, true)
		if want := []any{"a", "b", "", "dd", "e", "f", "ggg", uint8(200), -1.5, true}; err == nil && !reflect.DeepEqual(e.Seen, want) {
			t.Errorf("seventeen: want %v, got %v", want, e.Seen)
		}
		if got != "abddefggg" {
			t.Errorf("seventeen: want abddefggg, got %s", got)
		}
		return err
	})
	do(func(ctx context.Context, g abi.Guest) error {
		got, err := all.CallEchoNames(ctx, g, 1, 2, 3, 4, 5, 6, 7, 8, 9, "ten", 11, []string{"12"}, 13)
		want := []any{
			uint8(1), uint8(2), uint8(3), uint8(4), uint8(5), uint8(6), uint8(7), uint8(8), uint8(9), "ten",
			uint8(11),
			[]string{"12"},
			uint8(13),
		}
		if err == nil && !reflect.DeepEqual(e.Seen, want) {
			t.Errorf("names: want %v, got %v", want, e.Seen)
		}
		if got != 7 {
			t.Errorf("names: want 7, got %d", got)
		}
		return err
	})
	for _, want := range []int32{0, -1, 1, -1 << 31, 1<<31 - 1} {
		do(func(ctx context.Context, g abi.Guest) error {
			got, err := all.CallEchoS32(ctx, g, want)
			if got != want || e.Seen != want {
				t.Errorf("s32: want %d, host function got %v, result %d", want, e.Seen, got)
			}
			return err
		})
	}
	e.Seen = "unset"
	do(func(ctx context.Context, g abi.Guest) error { return all.CallEchoNothing(ctx, g) })
	if e.Seen != nil {
		t.Errorf("nothing: the host function was not called")
	}
}

// The world's own functions, an interface written in the world, types used across packages, and names that clash.
func TestWorld(t *testing.T) {
	e := &echo.Host{}
	do := guest(t, e)
	run := func(what string) (got string) {
		t.Helper()
		do(func(ctx context.Context, g abi.Guest) (err error) {
			got, err = all.CallAllRun(ctx, g, what)
			return err
		})
		return got
	}
	if got := run("note"); got != "42" || !reflect.DeepEqual(e.Notes, []any{"noted", all.ColorDeepBlue}) {
		t.Errorf("note: want 42 and the note, got %s and %v", got, e.Notes)
	}
	if got := run("clash"); got != "0 failure: too high" {
		t.Errorf("clash: want the error of the host, got %q", got)
	}
	item := all.Item{Key: "k", Shape: all.Shape{Tag: all.ShapeLabel, Label: "round"}, Metadata: all.Metadata{{F0: "a", F1: "b"}}}
	do(func(ctx context.Context, g abi.Guest) error {
		if err := all.CallStorePut(ctx, g, item); err != nil {
			return err
		}
		got, err := all.CallStoreItems(ctx, g)
		if want := []all.Item{item}; !same(reflect.ValueOf(got), reflect.ValueOf(want)) {
			t.Errorf("items: want %v, got %v", want, got)
		}
		return err
	})
	do(func(ctx context.Context, g abi.Guest) error {
		err := all.CallStorePut(ctx, g, all.Item{})
		if f, ok := errors.AsType[*all.Failure](err); !ok || *f != (all.Failure{Code: 400, Reason: "no key"}) {
			t.Errorf("put: want a failure with code 400, got %v", err)
		}
		_, err = all.CallAllRun(ctx, g, "fly")
		if f, ok := errors.AsType[*canon.Failure[string]](err); !ok || f.Value != "unknown: fly" {
			t.Errorf("run: want the guest's text, got %v", err)
		}
		return nil
	})
}

// What the guest passes stays reachable while its collector runs.
func TestCollector(t *testing.T) { run(t, "collect", "same") }

// Goroutines may call the host at any time: none of them gets there while the host waits for cabi_realloc.
func TestGoroutines(t *testing.T) { run(t, "goroutines", "") }

// run calls the export run in a new guest.
func run(t *testing.T, what, want string) {
	guest(t, &echo.Host{})(func(ctx context.Context, g abi.Guest) error {
		got, err := all.CallAllRun(ctx, g, what)
		if got != want {
			t.Errorf("%s: want %q, got %q", what, want, got)
		}
		return err
	})
}

func TestGuestPanics(t *testing.T) {
	p := start(t, &echo.Host{})
	err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		_, err := all.CallAllRun(ctx, g, "panic")
		return err
	})
	trap, ok := errors.AsType[*abi.Trap](err)
	if !ok || !strings.Contains(trap.Error(), "run") {
		t.Errorf("want a trap that names run, got %v", err)
	}
}
