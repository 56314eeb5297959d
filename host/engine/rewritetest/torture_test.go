package rewritetest

import (
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// variants are the passes one by one, then all, then all but the largest.
var variants = []struct {
	name    string
	options wasm.Options
}{
	{"data, start", wasm.Options{KeepGlobals: true, KeepTables: true, NoFuel: true}},
	{"globals", wasm.Options{KeepData: true, KeepStart: true, KeepTables: true, NoFuel: true}},
	{"start", wasm.Options{KeepData: true, KeepGlobals: true, KeepTables: true, NoFuel: true}},
	{"tables", wasm.Options{KeepData: true, KeepGlobals: true, KeepStart: true, NoFuel: true}},
	{"fuel", wasm.Options{KeepData: true, KeepGlobals: true, KeepStart: true, KeepTables: true}},
	{"memory maximum and no names", wasm.Options{KeepData: true, KeepGlobals: true, KeepStart: true, KeepTables: true, NoFuel: true, DropNames: true, MaxPages: 4096}},
	{"all", wasm.Options{MaxPages: 4096}},
}

// results runs all parts of the torture guest and gives their numbers by name.
func results(t *testing.T, i *instance, parts uint64, f tank) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	for p := range parts {
		got, err := i.call(f, "run", p)
		if err != nil {
			t.Fatalf("part %s: %v\n%s", partName(t, i, p), err, i.host.out.String())
		}
		out[partName(t, i, p)] = got[0]
	}
	return out
}

func partName(t *testing.T, i *instance, part uint64) string {
	t.Helper()
	var b strings.Builder
	for at := uint64(0); ; at++ {
		c := int32(i.must(t, "name", part, at)[0])
		if c < 0 {
			return b.String()
		}
		b.WriteByte(byte(c))
	}
}

func same(t *testing.T, what string, want, got map[string]uint64) {
	t.Helper()
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("%s, part %s: want %x, got %x", what, name, sum, got[name])
		}
	}
}

// TestTorture wants the torture guest to give the same results however it is rewritten and executed.
func TestTorture(t *testing.T) {
	guest := enginetest.Build(t, tortureDir)
	h := newHost(t, compiled)
	run := func(r *wasm.Result, f tank) (*instance, map[string]uint64) {
		i, err := h.start(t, r)
		if err != nil {
			t.Fatal(err)
		}
		i.must(t, "_initialize")
		return i, results(t, i, i.must(t, "parts")[0], f)
	}
	_, want := run(plain(guest), tank{})
	if len(want) < minParts {
		t.Fatalf("want at least %d parts, got %d", minParts, len(want))
	}
	for _, v := range variants {
		r := transform(t, guest, v.options)
		if len(r.Skipped) > 0 {
			t.Errorf("%s: want every pass to apply, got %+v", v.name, r.Skipped)
		}
		i, got := run(r, tank{slice: 50_000, budget: -1})
		same(t, v.name, want, got)
		for closures := range uint64(2) {
			if got := i.must(t, "descend", 200_000, closures); got[0] != 200_000 {
				t.Errorf("%s: want to come back from 200,000 calls deep, got %d", v.name, got[0])
			}
		}
		if v.name == "all" {
			if len(r.Obstacles) > 0 || r.Dispatch.Tables != 1 {
				t.Errorf("want a guest that can be captured, without a table, got %q, %+v", r.Obstacles, r.Dispatch)
			}
			same(t, "again", want, results(t, i, uint64(len(want)), tank{slice: 1_000, budget: -1}))
		}
	}
}

// TestTortureInterpreted runs the original and the rewritten guest in the interpreter.
func TestTortureInterpreted(t *testing.T) {
	guest := enginetest.Build(t, tortureDir)
	var want map[string]uint64
	for _, engine := range []string{compiled, interpreted} {
		h := newHost(t, engine)
		for _, r := range []*wasm.Result{plain(guest), transform(t, guest, wasm.Options{})} {
			i, err := h.start(t, r)
			if err != nil {
				t.Fatal(err)
			}
			i.must(t, "_initialize")
			got := results(t, i, i.must(t, "parts")[0], tank{slice: 1_000_000, budget: -1})
			if want == nil {
				want = got
			}
			same(t, engine, want, got)
		}
	}
}

// TestGuestFailures ends the guest in the ways in which guests end, before and after the rewrite.
func TestGuestFailures(t *testing.T) {
	guest := enginetest.Build(t, tortureDir)
	h := newHost(t, compiled)
	rewritten := transform(t, guest, wasm.Options{})
	tests := []struct {
		name   string
		kind   uint64
		want   string // in the error, stack trace included, or in what the guest prints
		budget int64  // of fuel, for those that end by nothing else
	}{
		{"nil map", 0, "assignment to entry in nil map", -1},
		{"nil pointer", 1, "nil pointer dereference", -1},
		{"endless recursion", 2, errNoFuel.Error(), 5_000_000},
		{"endless loop", 3, errNoFuel.Error(), 50_000_000},
		{"exponential recursion", 4, errNoFuel.Error(), 50_000_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []*wasm.Result{plain(guest), rewritten} {
				if tt.budget > 0 && r.FuelGlobal == "" {
					continue
				}
				i, err := h.start(t, r)
				if err != nil {
					t.Fatal(err)
				}
				i.must(t, "_initialize")
				h.out.Reset()
				_, err = i.call(tank{slice: 100_000, budget: tt.budget}, "crash", tt.kind)
				if err == nil {
					t.Fatal("want an error, got none")
				}
				if text := err.Error() + h.out.String(); !strings.Contains(text, tt.want) {
					t.Errorf("want %q, got %s", tt.want, text)
				}
				if !strings.Contains(err.Error(), ".main.") {
					t.Errorf("want the stack trace to name functions of main, got %v", err)
				}
				if tt.budget > 0 && (h.fuel.spent < tt.budget || h.fuel.spent > tt.budget+200_000) {
					t.Errorf("want about %d of fuel spent, got %d", tt.budget, h.fuel.spent)
				}
			}
		})
	}
}
