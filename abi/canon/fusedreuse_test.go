package canon

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// echo calls u, which is func(s: string) -> string, from caller.
func echo(ctx context.Context, t *testing.T, u *Fused, caller *instance, target *Callee, s string) (string, error) {
	t.Helper()
	f := u.Func()
	stack := make([]uint64, f.StackLen())
	w := NewLower(ctx, caller)
	if err := f.LowerParams(&w, stack, []Value{Str(s)}); err != nil {
		t.Fatal(err)
	}
	ret := w.Alloc(f.result.Size(), f.result.Align())
	stack[f.slots()] = uint64(ret)
	if err := u.Call(ctx, caller, target, stack); err != nil {
		return "", err
	}
	stack[0] = uint64(ret)
	l := NewLift(caller)
	return f.LiftResult(&l, stack).Str, nil
}

// TestFusedCalleeReused calls one Callee again and again: by callers of different encodings, whose memories move with
// each allocation, from inside of its own calls, and after a call that failed.
func TestFusedCalleeReused(t *testing.T) {
	text := Prim(KindString)
	f, err := NewFunc([]Field{field("s", text)}, text)
	if err != nil {
		t.Fatal(err)
	}
	errFailed := errors.New("failed")
	u, callee := NewFused(f), newInstance(UTF8)
	callers := []*instance{newInstance(UTF8), newInstance(UTF16), newInstance(Latin1UTF16), newInstance(UTF8)}
	target := &Callee{Side: callee}
	target.Call = func(ctx context.Context, stack []uint64) error {
		s := calleeLifts(f, callee, stack)[0].Str
		deeper, failing := strings.CutPrefix(s, "!")
		if failing && deeper == "" {
			return errFailed
		}
		if rest, ok := strings.CutPrefix(s, ">"); ok {
			inner, err := echo(ctx, t, u, callers[len(rest)%len(callers)], target, rest)
			if err != nil {
				return err
			}
			s = inner
		}
		calleeLowers(ctx, t, f, callee, stack, Str("<"+s))
		return nil
	}
	for round := range 3 {
		for k, caller := range callers {
			for _, c := range []struct{ in, want string }{
				{"", "<"}, {"plain", "<plain"}, {"größer €𝄞", "<größer €𝄞"}, {">>>in", "<<<<in"}, {strings.Repeat("é", 3000), "<" + strings.Repeat("é", 3000)},
			} {
				got, err := echo(t.Context(), t, u, caller, target, c.in)
				if err != nil || got != c.want {
					t.Fatalf("round %d, caller %d: got %.40q and %v, want %.40q", round, k, got, err, c.want)
				}
			}
			for _, in := range []string{"!", ">!"} {
				if _, err := echo(t.Context(), t, u, caller, target, in); !errors.Is(err, errFailed) {
					t.Fatalf("round %d, caller %d: got %v, want the callee's error", round, k, err)
				}
			}
		}
	}
}
