package bench

import (
	"context"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	abilog "github.com/mrt-wasm/mrt-wasm/abi/log"
	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/wasi"
	wasihttp "github.com/mrt-wasm/mrt-wasm/host/wasi/http"
)

// greeter is a guest that answers every HTTP request with the same bytes.
type greeter struct {
	name    string
	wasm    []byte
	request func(ctx context.Context, g abi.Guest) error
}

// greeters are the same program as a core module of Go and of Rust, and as components of Rust: with the host's own
// interface, and with wasi:http. All are compared with the core module of Rust, which is the second.
func greeters(b *testing.B) []greeter {
	b.Helper()
	r := newRequester()
	return []greeter{
		{"go", enginetest.Build(b, "testdata/hello"), r.own},
		{"core", wasmFile(b, "rust/hello-core"), r.own},
		{"component", wasmFile(b, "rust/hello-component"), r.own},
		{"wasi-http", wasmFile(b, "rust/hello-http"), r.streaming},
	}
}

const base = 1

func wasmFile(b *testing.B, name string) []byte {
	b.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		b.Fatal(err)
	}
	return wasm
}

const greeting = "hello, world\n"

// answer is a nethttp.ResponseWriter of one request after the other.
type answer struct {
	header nethttp.Header
	status int
	body   []byte
}

func (a *answer) Header() nethttp.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}

// check checks the answer and makes a ready for the next one.
func (a *answer) check() error {
	if a.status != nethttp.StatusOK && a.status != 0 || string(a.body) != greeting || a.header.Get("Content-Type") == "" {
		return fmt.Errorf("want the greeting, got %d %v %q", a.status, a.header, a.body)
	}
	clear(a.header)
	a.status, a.body = 0, a.body[:0]
	return nil
}

// requester sends a guest the same request again and again.
type requester struct {
	in  *nethttp.Request
	out answer
}

func newRequester() *requester {
	r := httptest.NewRequest(nethttp.MethodGet, "http://localhost/", nil)
	r.Header.Set("User-Agent", "bench")
	r.Header.Set("Accept", "*/*")
	return &requester{in: r, out: answer{header: nethttp.Header{}}}
}

// own is a request through mrt:http, from nethttp's request to nethttp's answer as the front door does it.
func (r *requester) own(ctx context.Context, g abi.Guest) error {
	body, err := io.ReadAll(r.in.Body)
	if err != nil {
		return err
	}
	req := abihttp.Request{
		Method: r.in.Method, Scheme: "http", Authority: r.in.Host, Path: r.in.URL.EscapedPath(), Query: r.in.URL.RawQuery,
		Remote: r.in.RemoteAddr, Body: body,
	}
	for name, values := range r.in.Header {
		for _, v := range values {
			req.Headers = append(req.Headers, abihttp.Header{Name: strings.ToLower(name), Value: v})
		}
	}
	resp, err := abihttp.CallHandlerHandle(ctx, g, req)
	if err != nil {
		return err
	}
	for _, h := range resp.Headers {
		r.out.header.Add(h.Name, h.Value)
	}
	r.out.WriteHeader(int(resp.Status))
	if _, err := r.out.Write(resp.Body); err != nil {
		return err
	}
	return r.out.check()
}

// streaming is a request through wasi:http.
func (r *requester) streaming(ctx context.Context, g abi.Guest) error {
	if err := wasihttp.Serve(ctx, g, &r.out, r.in.WithContext(ctx), wasihttp.Limits{}); err != nil {
		return err
	}
	return r.out.check()
}

// hostFuncs are what greeters may import.
func hostFuncs(b *testing.B) []abi.Func {
	b.Helper()
	w, err := wasi.New(wasi.Config{
		Args: []string{"hello"}, Stdout: engine.Stdout, Stderr: engine.Stderr, Exit: engine.Exit,
		Monotonic: engine.Monotonic, Wall: engine.Wall, Skip: engine.Skip, Random: engine.Random,
		HTTP: wasihttp.New(wasihttp.Config{}),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := w.Close(); err != nil {
			b.Error(err)
		}
	})
	return append(slices.Clone(w.Funcs()), abilog.LoggerFuncs(nil)...)
}

// turns has each of n do something in turn until the benchmark ends, each times in a row, and gives the medians in µs.
func turns(b *testing.B, n, each int, do func(k int) error) []float64 {
	b.Helper()
	took := make([][]time.Duration, n)
	for b.Loop() {
		for k := range n {
			began := time.Now()
			for range each {
				if err := do(k); err != nil {
					b.Fatal(err)
				}
			}
			took[k] = append(took[k], time.Since(began)/time.Duration(each))
		}
	}
	b.ReportMetric(0, "ns/op")
	medians := make([]float64, n)
	for k, t := range took {
		slices.Sort(t)
		medians[k] = t[len(t)/2].Seconds() * 1e6
	}
	return medians
}

// BenchmarkComponentRequest measures one request of each greeter, with instances that are reset after it and with ones
// that are not, from net/http's request to its answer without a server around it: a request to a component is to take at
// most 1.5 times as long as one to the core module.
func BenchmarkComponentRequest(b *testing.B) {
	all := greeters(b)
	for _, policy := range []struct {
		name   string
		policy engine.Policy
	}{{"reset", engine.Reset}, {"reuse", engine.Reuse}} {
		b.Run(policy.name, func(b *testing.B) {
			pools := make([]*engine.Pool, len(all))
			e := enginetest.New(b)
			for k, g := range all {
				pools[k] = enginetest.Pool(b, e, g.wasm, engine.PoolConfig{
					App: g.name, Funcs: hostFuncs(b), Policy: policy.policy, Limits: engine.Limits{MaxInstances: 1},
				})
			}
			took := turns(b, len(all), 50, func(k int) error { return pools[k].Do(b.Context(), all[k].request) })
			reportGreeters(b, all, took)
		})
	}
}

func reportGreeters(b *testing.B, all []greeter, took []float64) {
	b.Helper()
	for k, g := range all {
		b.ReportMetric(took[k], "µs-"+g.name)
		if k != base {
			b.ReportMetric(took[k]/took[base], g.name+"/core")
		}
	}
}

// BenchmarkComponentLink measures from the bytes of each greeter to an instance that takes requests, with nothing
// compiled before. Give it -benchtime 5x.
func BenchmarkComponentLink(b *testing.B) {
	all := greeters(b)
	funcs := hostFuncs(b)
	took := turns(b, len(all), 1, func(k int) error {
		e, err := engine.New(b.Context(), engine.Config{})
		if err != nil {
			return err
		}
		m, err := e.Compile(b.Context(), all[k].name, all[k].wasm)
		if err != nil {
			return err
		}
		if _, err := m.Pool(b.Context(), engine.PoolConfig{App: all[k].name, Funcs: funcs, Warm: 1, Policy: engine.Reset}); err != nil {
			return err
		}
		return e.Close(b.Context())
	})
	for k, g := range all {
		b.ReportMetric(took[k]/1000, "ms-"+g.name)
		if k != base {
			b.ReportMetric(took[k]/took[base], g.name+"/core")
		}
	}
}

const helloApp = `---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: NAME}
spec: {source: {wasm: x.wasm}, http: {routes: [/NAME/...]}}
`

// BenchmarkComponentHTTP is BenchmarkComponentRequest with the reset policy through the whole host, 16 connections at a
// time: requests a second, and their ratio to the core module's.
func BenchmarkComponentHTTP(b *testing.B) {
	all := greeters(b)
	text, wasm := "", guests{}
	for _, g := range all {
		text += strings.ReplaceAll(helloApp, "NAME", g.name)
		wasm[g.name] = g.wasm
	}
	front := startApps(b, text, wasm)
	const requests = 300
	for _, g := range all {
		hammer(b, front+"/"+g.name+"/", requests)
	}
	took := turns(b, len(all), 1, func(k int) error {
		hammer(b, front+"/"+all[k].name+"/", requests)
		return nil
	})
	for k, g := range all {
		b.ReportMetric(requests/took[k]*1e6, "req/s-"+g.name)
		if k != base {
			b.ReportMetric(took[base]/took[k], g.name+"/core")
		}
	}
}

// startApps runs a host with some apps and gives the URL of its front door.
func startApps(b *testing.B, text string, wasm guests) (front string) {
	b.Helper()
	dir := b.TempDir()
	for name, content := range map[string]string{"m.yaml": text, "x.wasm": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	m, err := manifest.Load(filepath.Join(dir, "m.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	drivers, err := standard.Drivers()
	if err != nil {
		b.Fatal(err)
	}
	h, err := host.New(b.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(b), Drivers: drivers,
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Loader: wasm,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := h.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	if err := h.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	front, _ = h.Addrs()
	return front
}
