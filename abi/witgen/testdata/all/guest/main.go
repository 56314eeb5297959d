// The guest of the round-trip tests: each function that it exports gives its parameters to the import of the same
// name and returns what that gives.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/guest/all"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/cabi"
)

func main() {}

func init() {
	x := &all.EchoExports
	x.Nothing = all.EchoNothing
	x.Bool = all.EchoBool
	x.S8, x.U8, x.S16, x.U16 = all.EchoS8, all.EchoU8, all.EchoS16, all.EchoU16
	x.S32, x.U32, x.S64, x.U64 = all.EchoS32, all.EchoU32, all.EchoS64, all.EchoU64
	x.F32, x.F64, x.Char = all.EchoF32, all.EchoF64, all.EchoChar
	x.String, x.Bytes, x.Numbers, x.Strings = all.EchoString, all.EchoBytes, all.EchoNumbers, all.EchoStrings
	x.ScalarsRecord, x.ColorEnum, x.BigEnum = all.EchoScalarsRecord, all.EchoColorEnum, all.EchoBigEnum
	x.PermFlags, x.SomeFlags, x.MoreFlags = all.EchoPermFlags, all.EchoSomeFlags, all.EchoMoreFlags
	x.ShapeVariant, x.NumberVariant, x.WideVariant = all.EchoShapeVariant, all.EchoNumberVariant, all.EchoWideVariant
	x.PlainVariant, x.EmptyRecord, x.ProblemVariant = all.EchoPlainVariant, all.EchoEmptyRecord, all.EchoProblemVariant
	x.LabelsAlias, x.PairTuple, x.LongTuple = all.EchoLabelsAlias, all.EchoPairTuple, all.EchoLongTuple
	x.DeepRecord, x.DeepList = all.EchoDeepRecord, all.EchoDeepList
	x.Maybe, x.MaybeTwice = all.EchoMaybe, all.EchoMaybeTwice
	x.Sixteen, x.Seventeen, x.Names = all.EchoSixteen, all.EchoSeventeen, all.EchoNames
	x.Fallible = func(v cabi.Result[uint32, string]) (uint32, *string) {
		n, err := all.EchoFallible(v)
		return n, value[string](err)
	}
	x.FailUnit = func(v cabi.Result[struct{}, struct{}]) bool { return all.EchoFailUnit(v) == nil }
	x.FailOk = func(v cabi.Result[string, struct{}]) (string, bool) {
		s, err := all.EchoFailOk(v)
		return s, value[struct{}](err) == nil
	}
	x.FailProblem = func(v cabi.Result[struct{}, all.Problem]) *all.Problem {
		return as[*all.Problem](all.EchoFailProblem(v))
	}
	x.FailRecord = func(v cabi.Result[*string, all.Failure]) (*string, *all.Failure) {
		s, err := all.EchoFailRecord(v)
		return s, as[*all.Failure](err)
	}
	x.FailColor = func(v cabi.Result[uint64, all.Color]) (uint64, *all.Color) {
		n, err := all.EchoFailColor(v)
		return n, as[*all.Color](err)
	}

	var items []all.Item
	all.StoreExports.Put = func(item all.Item) *all.Failure {
		if item.Key == "" {
			return &all.Failure{Code: 400, Reason: "no key"}
		}
		items = append(items, item)
		return nil
	}
	all.StoreExports.Items = func() []all.Item { return items }
	all.AllExports.Run = run
}

// value gives the value of an error whose WIT type is no error.
func value[E any](err error) *E {
	if f := as[*cabi.Failure[E]](err); f != nil {
		return &f.Value
	}
	return nil
}

// as gives err as an E; nil for no error.
func as[E error](err error) (e E) {
	if err != nil && !errors.As(err, &e) {
		panic(fmt.Sprintf("want an error of type %T, got %T: %v", e, err, err))
	}
	return e
}

// run does what the host asks for by a word.
func run(what string) (string, *string) {
	switch what {
	case "note":
		all.AllNote("noted", all.ColorDeepBlue)
		return fmt.Sprint(all.InnerAdd(40, 2)), nil
	case "clash":
		n, err := all.ClashMake(all.LevelHigh)
		return fmt.Sprint(n, err), nil
	case "collect":
		return collect(), nil
	case "goroutines":
		return goroutines(), nil
	case "panic":
		panic("as asked")
	default:
		s := "unknown: " + what
		return "", &s
	}
}

// collect has the collector run at every opportunity while values are on their way, and spoils what it frees.
func collect() string {
	for i := range 50 {
		key := strings.Repeat("k", i) + fmt.Sprint(i)
		v := []string{key, key + "!", ""}
		runtime.GC()
		garbage := make([][]byte, 64)
		for j := range garbage {
			garbage[j] = []byte(strings.Repeat("x", 1+i*j%97))
		}
		got := all.EchoStrings(v)
		runtime.GC()
		for j := range garbage {
			garbage[j] = []byte(strings.Repeat("y", 1+i*j%97))
		}
		if strings.Join(got, ",") != strings.Join(v, ",") {
			return fmt.Sprintf("want %q, got %q", v, got)
		}
		runtime.KeepAlive(garbage)
	}
	return "same"
}

// goroutines has several goroutines call the host. The first collection of this instance starts in cabi_realloc, since
// only the host allocates much, and lets the other goroutines run there. The result is what went wrong.
func goroutines() string {
	const workers = 8
	v := bytes.Repeat([]byte("0123456789"), 20_000)
	var wg sync.WaitGroup
	results := make([]string, workers)
	for w := range workers {
		wg.Go(func() {
			for i := range 50 {
				if got := all.EchoBytes(v); !bytes.Equal(got, v) {
					results[w] = fmt.Sprintf("worker %d, turn %d: got other bytes", w, i)
					return
				}
			}
		})
	}
	wg.Wait()
	return strings.Join(results, "")
}
