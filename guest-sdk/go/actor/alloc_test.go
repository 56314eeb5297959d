//go:build !wasip1

package actor

import "testing"

type echo struct{ turns int }

// TestRawTurnAllocatesNothing looks at what a turn with bytes costs in the guest, besides the boundary.
func TestRawTurnAllocatesNothing(t *testing.T) {
	ty := &Type[echo]{&kind{name: "echo", zero: func() any { return new(echo) }, methods: map[string]method{}}}
	Method(ty, "raw", func(e *echo, _ *Context, in []byte) ([]byte, error) {
		e.turns++
		return in, nil
	})
	i := &instance{kind: ty.kind, self: ty.kind.zero(), c: new(Context)}
	in := Payload{Data: []byte("hello")}
	if got := testing.AllocsPerRun(100, func() {
		if out, err := i.Invoke("raw", in); err != nil || string(out.Data) != "hello" {
			t.Fatal(out, err)
		}
	}); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}
