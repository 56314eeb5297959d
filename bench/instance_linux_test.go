package bench

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	abiinvoke "github.com/mrt-wasm/mrt-wasm/abi/invoke"
	abilog "github.com/mrt-wasm/mrt-wasm/abi/log"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// tiny is a module with one page of memory and a function noop that does nothing:
//
//	(module (memory (export "memory") 1) (func (export "noop")))
const tiny = "\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x05\x03\x01\x00\x01" +
	"\x07\x11\x02\x06memory\x02\x00\x04noop\x00\x00\x0a\x04\x01\x02\x00\x0b"

// subject is a guest and a request to it that it answers by itself.
type subject struct {
	name    string
	wasm    []byte
	funcs   []abi.Func
	request func(ctx context.Context, g abi.Guest) error
}

// subjects are a guest without a runtime, a small one in Go, and the example app.
func subjects(b *testing.B) []subject {
	b.Helper()
	var funcs []abi.Func
	// The requests reach no block.
	for _, f := range [][]abi.Func{
		abistate.StoreFuncs(nil), abiinvoke.ClientFuncs(nil), abipubsub.PublisherFuncs(nil), abilog.LoggerFuncs(nil),
	} {
		funcs = append(funcs, f...)
	}
	const order = `{"id": "o-1", "customer": "c-1", "item": "", "qty": 0, "tags": {"origin": "shop", "priority": "normal"},
		"lines": [{"item": "widget", "qty": 2, "price": 3.5}, {"item": "gadget", "qty": 1, "price": 12.25}]}`
	return []subject{
		{"tiny", []byte(tiny), nil, func(ctx context.Context, g abi.Guest) error { return g.Call(ctx, "noop", nil) }},
		{"json", enginetest.Build(b, "testdata/json"), nil, post(order, 200)},
		{"orders", enginetest.Build(b, "../examples/shop/orders"), funcs, post(order, 400)}, // it wants an item
	}
}

// post is a request to a guest that serves HTTP.
func post(body string, want uint16) func(context.Context, abi.Guest) error {
	return func(ctx context.Context, g abi.Guest) error {
		resp, err := abihttp.CallHandlerHandle(ctx, g, abihttp.Request{
			Method: "POST", Scheme: "http", Authority: "localhost", Path: "/orders", Remote: "127.0.0.1:9", Body: []byte(body),
			Headers: []abihttp.Header{{Name: "content-type", Value: "application/json"}, {Name: "user-agent", Value: "bench"}},
		})
		if err == nil && resp.Status != want {
			err = fmt.Errorf("want the status %d, found %d: %s", want, resp.Status, resp.Body)
		}
		return err
	}
}

// mode is a way to make instances, n of which are made to find out their memory.
type mode struct {
	name   string
	images engine.Images
	n      int
	// calls are done in a row, so that caches are as they would be.
	calls int
}

// naive, snapshot and copied are the modes: a start of the guest for each instance, the mapped image, and a copy of
// the image as on systems that cannot map it.
var modes = []mode{
	{"naive", engine.ImagesOff, 30, 1},
	{"snapshot", engine.ImagesAuto, 500, 50},
	{"copied", engine.ImagesCopied, 30, 5},
}

// BenchmarkInstance compares the modes for each guest, in turn: the time to make an instance, the time to take one and
// have it as new for the next call after it served a request, and the memory of one that was not called yet and of one
// in its first request.
func BenchmarkInstance(b *testing.B) {
	for _, s := range subjects(b) {
		b.Run(s.name, func(b *testing.B) { instances(b, s) })
	}
}

func instances(b *testing.B, s subject) {
	b.Helper()
	pools := make([]*engine.Pool, len(modes))
	idle, active := make([]float64, len(modes)), make([]float64, len(modes))
	for i, m := range modes {
		e := enginetest.New(b, func(c *engine.Config) { c.Images = m.images })
		pools[i] = enginetest.Pool(b, e, s.wasm, s.config(1))
		do(b, pools[i], s.request)
		idle[i], active[i] = memory(b, e, s, m.n)
	}
	made, reset := make([][]time.Duration, len(modes)), make([][]time.Duration, len(modes))
	for b.Loop() {
		for i, m := range modes {
			for range m.calls {
				made[i] = append(made[i], anew(b, pools[i]))
			}
			do(b, pools[i], s.request)
			for range m.calls {
				began := time.Now()
				do(b, pools[i], nothing)
				reset[i] = append(reset[i], time.Since(began))
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, m := range modes {
		b.ReportMetric(median(made[i]), m.name+"-µs")
		b.ReportMetric(idle[i]/1024, m.name+"-idle-KiB")
		b.ReportMetric(active[i]/1024, m.name+"-active-KiB")
		if i > 0 {
			b.ReportMetric(median(made[0])/median(made[i]), "naive/"+m.name)
			b.ReportMetric(median(reset[i]), m.name+"-reset-µs")
			b.ReportMetric(median(made[0])/median(reset[i]), "naive/"+m.name+"-reset")
		}
	}
}

func (s *subject) config(n int) engine.PoolConfig {
	return engine.PoolConfig{
		App: s.name, Funcs: s.funcs, Policy: engine.Reset, Warm: n, Limits: engine.Limits{MaxInstances: max(n, 2), Timeout: -1},
	}
}

func nothing(context.Context, abi.Guest) error { return nil }

func do(b *testing.B, p *engine.Pool, fn func(context.Context, abi.Guest) error) {
	b.Helper()
	if err := p.Do(b.Context(), fn); err != nil {
		b.Fatal(err)
	}
}

// anew gives the time of a call that gets a new instance: the one before it is dropped for a bug of the host.
func anew(b *testing.B, p *engine.Pool) time.Duration {
	b.Helper()
	drop := func(context.Context, abi.Guest) error { return &abi.Trap{Kind: abi.TrapHost, Reason: "drop it"} }
	if err := p.Do(b.Context(), drop); err == nil {
		b.Fatal("the instance was not dropped")
	}
	began := time.Now()
	do(b, p, nothing)
	return time.Since(began)
}

func median(times []time.Duration) (micros float64) {
	slices.Sort(times)
	return times[len(times)/2].Seconds() * 1e6
}

// memory gives the bytes of an instance that was not called yet, and of one in its first request.
func memory(b *testing.B, e *engine.Engine, s subject, n int) (idle, active float64) {
	b.Helper()
	m, err := e.Compile(b.Context(), s.name, s.wasm)
	if err != nil {
		b.Fatal(err)
	}
	first, err := m.Pool(b.Context(), s.config(1)) // it pays for what all share
	if err != nil {
		b.Fatal(err)
	}
	before := resident(b)
	p, err := m.Pool(b.Context(), s.config(n))
	if err != nil {
		b.Fatal(err)
	}
	idle = (resident(b) - before) / float64(n)
	nested(b.Context(), b, p, n, s.request, func() { active = (resident(b) - before) / float64(n) })
	for _, p := range []*engine.Pool{p, first} {
		if err := p.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return idle, active
}

// nested holds n instances at the same time, has each do fn, and then calls then.
func nested(ctx context.Context, b *testing.B, p *engine.Pool, n int, fn func(context.Context, abi.Guest) error, then func()) {
	b.Helper()
	err := p.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		if err := fn(ctx, g); err != nil {
			return err
		}
		if n > 1 {
			nested(ctx, b, p, n-1, fn, then)
		} else {
			then()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// resident is the memory of this process in bytes, with its page tables: pages that several mappings share count once.
func resident(b *testing.B) float64 {
	b.Helper()
	debug.FreeOSMemory()
	sum := 0.0
	for file, field := range map[string]string{"/proc/self/smaps_rollup": "\nPss:", "/proc/self/status": "\nVmPTE:"} {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatalf("this benchmark needs a system that tells how much memory a process has: %v", err)
		}
		_, rest, _ := strings.Cut(string(text), field)
		var kib float64
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			b.Fatalf("%s: want a number after %q: %v", file, field, err)
		}
		sum += kib * 1024
	}
	return sum
}
