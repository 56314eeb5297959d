// Package apitest has apps for the tests of blocks and triggers: native code behind the same Canonical ABI glue
// that wasm apps are called through. It is no substitute for tests with real modules.
package apitest

import (
	"context"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	abiinvoke "github.com/mrt-wasm/mrt-wasm/abi/invoke"
	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// App is an app made of Go functions; those that are nil are handlers that it does not export. A function may panic
// with a *abi.Trap.
type App struct {
	AppName string
	HTTP    func(ctx context.Context, req abihttp.Request) abihttp.Response
	Service func(ctx context.Context, caller string, req abiinvoke.Request) abiinvoke.Response
	// Gate, if set, is asked before each call; its error is the result of Do.
	Gate func(ctx context.Context) error
}

var _ block.App = (*App)(nil)

// Name is the app's name.
func (a *App) Name() string { return a.AppName }

// Handles tells whether the function is there.
func (a *App) Handles(iface string) bool {
	switch iface {
	case abihttp.HandlerModule:
		return a.HTTP != nil
	case abiinvoke.ServiceModule:
		return a.Service != nil
	default:
		return false
	}
}

// Do runs fn with a fresh instance.
func (a *App) Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error {
	if a.Gate != nil {
		if err := a.Gate(ctx); err != nil {
			return err
		}
	}
	return fn(ctx, &guest{app: a})
}

// guest is an instance: a memory, an allocator that moves it, and the app's functions.
type guest struct {
	app *App
	mem []byte
}

// Memory is the whole memory.
func (g *guest) Memory() []byte { return g.mem }

// Realloc gives new memory at the end.
func (g *guest) Realloc(_ context.Context, _, _, align, size uint32) uint32 {
	at := (max(uint32(len(g.mem)), 8) + align - 1) / align * align
	g.mem = append(make([]byte, 0, at+size), g.mem...)[:at+size]
	return at
}

// Has tells whether the export is there; there are no post-return functions.
func (g *guest) Has(name string) bool {
	switch name {
	case abihttp.HandlerModule + "#handle":
		return g.app.HTTP != nil
	case abiinvoke.ServiceModule + "#handle":
		return g.app.Service != nil
	default:
		return false
	}
}

// Call calls the app's function as a core function.
func (g *guest) Call(ctx context.Context, name string, stack []uint64) (err error) {
	defer func() {
		if p := recover(); p != nil {
			trap, ok := p.(*abi.Trap)
			if !ok {
				panic(p)
			}
			trap.App = g.app.AppName
			err = trap
		}
	}()
	if !g.Has(name) {
		return &abi.Trap{App: g.app.AppName, Kind: abi.TrapABI, Reason: "no export " + name}
	}
	var f *canon.Func
	if name == abihttp.HandlerModule+"#handle" {
		f = httpHandle()
	} else {
		f = invokeHandle()
	}
	// Seen from inside, an export is an import whose return area is the callee's own.
	ret := g.Realloc(ctx, 0, 0, 4, 64)
	inner := make([]uint64, f.StackLen()+1)
	params, _ := f.Signature(canon.Export)
	copy(inner, stack[:len(params)])
	inner[len(params)] = uint64(ret)
	l := canon.NewLift(g)
	out := g.run(ctx, name, f.LiftParams(&l, inner))
	w := canon.NewLower(ctx, g)
	if err := f.LowerResult(&w, inner, out); err != nil {
		return fmt.Errorf("native app %s: %w", g.app.AppName, err)
	}
	stack[0] = uint64(ret)
	return nil
}

func (g *guest) run(ctx context.Context, name string, params []canon.Value) canon.Value {
	if name == abihttp.HandlerModule+"#handle" {
		in := params[0].Elems
		res := g.app.HTTP(ctx, abihttp.Request{
			Method: in[0].Str, Scheme: in[1].Str, Authority: in[2].Str, Path: in[3].Str, Query: in[4].Str, Remote: in[5].Str,
			Headers: headers[abihttp.Header](in[6]), Body: []byte(in[7].Str),
		})
		return response(res.Status, fields(res.Headers), res.Body)
	}
	in := params[1].Elems
	res := g.app.Service(ctx, params[0].Str, abiinvoke.Request{
		Verb: in[0].Str, Path: in[1].Str, Query: in[2].Str, Headers: headers[abiinvoke.Header](in[3]), Body: []byte(in[4].Str),
	})
	return response(res.Status, fields(res.Headers), res.Body)
}

// header is what both blocks' header types are.
type header interface {
	~struct {
		Name  string
		Value string
	}
}

func headers[H header](v canon.Value) []H {
	out := make([]H, len(v.Elems))
	for i, e := range v.Elems {
		out[i] = H(struct{ Name, Value string }{e.Elems[0].Str, e.Elems[1].Str})
	}
	return out
}

func fields[H header](hs []H) canon.Value {
	out := canon.Value{Elems: make([]canon.Value, len(hs))}
	for i, h := range hs {
		plain := struct{ Name, Value string }(h)
		out.Elems[i] = canon.Elems(canon.Str(plain.Name), canon.Str(plain.Value))
	}
	return out
}

func response(status uint16, hs canon.Value, body []byte) canon.Value {
	return canon.Elems(canon.Uint(uint64(status)), hs, canon.Str(string(body)))
}

// httpHandle and invokeHandle are the functions' types, written down once more from the WIT.
func httpHandle() *canon.Func {
	text := canon.Prim(canon.KindString)
	return plan(field("request", record(field("method", text), field("scheme", text), field("authority", text), field("path", text),
		field("query", text), field("remote", text), field("headers", headerList()), field("body", bytes()))))
}

func invokeHandle() *canon.Func {
	text := canon.Prim(canon.KindString)
	return plan(field("caller", text), field("request", record(field("verb", text), field("path", text), field("query", text),
		field("headers", headerList()), field("body", bytes()))))
}

func plan(params ...canon.Field) *canon.Func {
	return must(canon.NewFunc(params, record(field("status", canon.Prim(canon.KindU16)), field("headers", headerList()), field("body", bytes()))))
}

func headerList() *canon.Type {
	text := canon.Prim(canon.KindString)
	return must(canon.ListOf(record(field("name", text), field("value", text))))
}

func bytes() *canon.Type { return must(canon.ListOf(canon.Prim(canon.KindU8))) }

func record(fs ...canon.Field) *canon.Type { return must(canon.RecordOf(fs...)) }

func field(name string, t *canon.Type) canon.Field { return canon.Field{Name: name, Type: t} }

// must is for types that are constants of this package.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
