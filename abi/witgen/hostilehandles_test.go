package witgen_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/things/files"
	things "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/things/host"
)

// forger is a liar with handles, of which it names any.
type forger struct {
	*liar
	handles canon.Handles
	item    *canon.Resource
}

func (f *forger) Handles() *canon.Handles  { return &f.handles }
func (f *forger) Encoding() canon.Encoding { return canon.UTF8 }

func (f *forger) Resource(string, string) *canon.Resource { return f.item }

// newForger gives a guest with three files, one of them lent, and two items of its own; the files count in h.
func newForger(h *files.Host, r *rand.Rand) *forger {
	mem, answers := make([]byte, 256), make([]byte, 256)
	for _, b := range [][]byte{mem, answers} {
		for i := range b {
			b[i] = byte(r.IntN(8)) // handles, tags and lengths are small
		}
	}
	f := &forger{liar: &liar{mem: mem, answers: answers}, item: &canon.Resource{Name: "mrt:things/store@0.3/item"}}
	f.handles.Add(things.FileResource, canon.Rep{Obj: h.Add("a")})
	f.handles.Add(things.FileResource, canon.Rep{Obj: h.Add("b")})
	f.handles.Borrow(things.FileResource, canon.Rep{Obj: h.Add("c")}, &canon.Scope{})
	f.handles.Add(f.item, canon.Rep{Num: 1})
	f.handles.Add(f.item, canon.Rep{Num: 2})
	return f
}

// Whatever handles a guest names, it is served or it traps, and no file is dropped twice, which panics.
func TestHostileHandles(t *testing.T) {
	served, trapped := 0, 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 5))
		h := &files.Host{}
		g := newForger(h, r)
		for _, f := range things.FilesFuncs(h) {
			stack := make([]uint64, max(len(f.Params), len(f.Results)))
			for i := range stack {
				stack[i] = uint64(r.IntN(7))
				if r.IntN(3) == 0 {
					stack[i] *= 8 // an address
				}
			}
			if trapOf(t, f, g, stack) {
				trapped++
			} else {
				served++
			}
		}
		g.handles.Reset(t.Context())
		lieOfThings(t, g)
	}
	if served < 1000 || trapped < 1000 {
		t.Errorf("want many calls served and many trapped, got %d and %d", served, trapped)
	}
}

// trapOf calls an import and tells whether it trapped.
func trapOf(t *testing.T, f abi.Func, g abi.Guest, stack []uint64) (trapped bool) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			trap, ok := p.(*abi.Trap)
			if !ok {
				t.Fatalf("%s: want only traps, got a panic: %v", f.ExportName(), p)
			}
			if trapped = true; trap.Func == "" {
				t.Errorf("want the trap to name the function: %v", trap)
			}
		}
	}()
	f.Call(t.Context(), g, stack)
	return false
}

// lieOfThings calls exports that answer with arbitrary handles.
func lieOfThings(t *testing.T, g *forger) {
	t.Helper()
	ctx := t.Context()
	for name, call := range map[string]func(context.Context, abi.Guest) error{
		"new": func(ctx context.Context, g abi.Guest) error {
			_, err := things.CallStoreNewItem(ctx, g, "x")
			return err
		},
		"find": func(ctx context.Context, g abi.Guest) error { _, err := things.CallStoreFind(ctx, g, "x"); return err },
		"put": func(ctx context.Context, g abi.Guest) error {
			_, err := things.CallStorePut(ctx, g, things.Shelf{})
			return err
		},
		"free": func(ctx context.Context, g abi.Guest) error { _, err := things.CallStoreRelease(ctx, g); return err },
		"read": func(ctx context.Context, g abi.Guest) error {
			_, err := things.CallStoreRead(ctx, g, []things.File{(&files.Host{}).Add("r")}, nil)
			return err
		},
	} {
		err := call(ctx, g)
		if trap, ok := errors.AsType[*abi.Trap](err); ok && trap.Func == "" {
			t.Errorf("%s: want the trap to name the function, got none: %v", name, trap)
		}
	}
}

// A gift that comes with a bad one is dropped, and one that is also lent is refused.
func TestGiftsOfABadCall(t *testing.T) {
	h := &files.Host{}
	tests := map[string]struct {
		fn    string
		stack []uint64
		live  int
	}{
		"append itself":    {"[method]file.append", []uint64{1, 1}, 1},
		"lent and given":   {"both", []uint64{1, 1, 0}, 1},
		"a bad second one": {"swap", []uint64{1, 1, 9, 0}, 1},
		"no such result":   {"fail", []uint64{7, 1, 0, 0}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h.Live = 0
			g := &forger{liar: &liar{mem: make([]byte, 64)}}
			g.handles.Add(things.FileResource, canon.Rep{Obj: h.Add("a")})
			for _, f := range things.FilesFuncs(h) {
				if f.Name != test.fn {
					continue
				}
				stack := append(test.stack, binary.LittleEndian.Uint64(make([]byte, 8)))
				if !trapOf(t, f, g, stack) {
					t.Error("want a trap, got none")
				}
			}
			if h.Live != test.live {
				t.Errorf("want %d files alive, got %d", test.live, h.Live)
			}
		})
	}
}
