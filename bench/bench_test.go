package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// guests gives the wasm of the apps by name.
type guests map[string][]byte

func (g guests) Load(_ context.Context, app *manifest.App) ([]byte, error) { return g[app.Name()], nil }

const setUp = `apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: guest}
spec: {source: {wasm: x.wasm}, limits: {timeout: 10m}}
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: other}
spec: {source: {wasm: x.wasm}, limits: {maxInstances: 1}, instances: reuse} # it collects latencies
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: hello}
spec: {source: {wasm: x.wasm}}
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: reuse}
spec: {source: {wasm: x.wasm}, instances: reuse}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: memory}
spec: {type: state.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: sqlite}
spec: {type: state.sqlite, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: PUBSUB, version: v1}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: s}
spec: {pubsubname: pubsub, topic: t, routes: {default: /t}}
scopes: [other]
`

// start runs a host for a benchmark; broker is the type of its pubsub component.
func start(b *testing.B, broker string) (front, api string) {
	b.Helper()
	dir := b.TempDir()
	for name, text := range map[string]string{"m.yaml": strings.Replace(setUp, "PUBSUB", broker, 1), "x.wasm": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
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
	guest, hello := enginetest.Build(b, "testdata/guest"), enginetest.Build(b, "testdata/hello")
	h, err := host.New(b.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(b), Drivers: drivers,
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0",
		Loader: guests{"guest": guest, "other": guest, "hello": hello, "reuse": hello},
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
	return h.Addrs()
}

func call(b *testing.B, api, app, method, body string) string {
	b.Helper()
	return send(b, http.MethodPost, api+"/v1.0/invoke/"+app+"/method/"+method, body)
}

// client keeps a connection for each that sends at the same time.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}

func send(b *testing.B, method, url, body string) string {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		b.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		b.Fatalf("%s %s: %d %s", method, url, resp.StatusCode, text)
	}
	return string(text)
}

// loop has the guest do an operation b.N times in one call.
func loop(b *testing.B, api, operation string) {
	b.Helper()
	call(b, api, "guest", "loop", operation+" 1000")
	b.ResetTimer()
	call(b, api, "guest", "loop", operation+" "+strconv.Itoa(b.N))
}

// BenchmarkGuest measures what a guest asks of the host: one operation is one iteration.
func BenchmarkGuest(b *testing.B) {
	_, api := start(b, "pubsub.in-memory")
	for _, store := range []string{"memory", "sqlite"} {
		call(b, api, "guest", "loop", "set:"+store+" 1") // what get reads
		for _, verb := range []string{"set", "get"} {
			b.Run("state/"+verb+"/"+store, func(b *testing.B) { loop(b, api, verb+":"+store) })
		}
	}
	b.Run("invoke/1KiB", func(b *testing.B) { loop(b, api, "invoke:other") })
	b.Run("publish/in-memory", func(b *testing.B) { loop(b, api, "publish:nobody") })
}

// BenchmarkDelivery measures from publish in one guest to the handler in another, with one message under way.
func BenchmarkDelivery(b *testing.B) {
	for _, broker := range []string{"pubsub.in-memory", "pubsub.jetstream"} {
		b.Run(broker, func(b *testing.B) {
			_, api := start(b, broker)
			call(b, api, "other", "latencies", "reset")
			b.ResetTimer()
			n := min(b.N, 2000)
			for i := range n {
				call(b, api, "guest", "loop", "publish:t 1")
				for arrived := 0; arrived <= i; {
					if _, err := fmt.Sscanf(call(b, api, "other", "latencies", ""), "%d", &arrived); err != nil {
						b.Fatal(err)
					}
					if arrived <= i {
						time.Sleep(100 * time.Microsecond)
					}
				}
			}
			var arrived, median int
			if _, err := fmt.Sscanf(call(b, api, "other", "latencies", ""), "%d %d", &arrived, &median); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(median)/1000, "µs-p50")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// clients is how many connections send requests at the same time.
const clients = 16

// BenchmarkHTTPHello compares the whole path of a request with net/http answering the same bytes in this process:
// "ratio" is how many requests a second this host answers for one that net/http does, with instances reset or reused. The clients run in this
// process too and take the same share of both.
func BenchmarkHTTPHello(b *testing.B) {
	front, _ := start(b, "pubsub.in-memory")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if _, err := io.WriteString(w, "hello, world\n"); err != nil {
			b.Error(err)
		}
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	b.Cleanup(func() {
		if err := server.Close(); err != nil {
			b.Error(err)
		}
		<-done
	})
	hammer(b, front+"/hello/", 500)
	hammer(b, front+"/reuse/", 500)
	hammer(b, "http://"+l.Addr().String()+"/", 500)
	var ours, reuse, native time.Duration
	b.ResetTimer()
	// In turns, so that both see the same machine.
	for left := b.N; left > 0; left -= 2000 {
		n := min(left, 2000)
		native += hammer(b, "http://"+l.Addr().String()+"/", n)
		ours += hammer(b, front+"/hello/", n)
		reuse += hammer(b, front+"/reuse/", n)
	}
	b.ReportMetric(float64(b.N)/ours.Seconds(), "req/s-ours")
	b.ReportMetric(float64(b.N)/native.Seconds(), "req/s-native")
	b.ReportMetric(float64(native)/float64(ours), "ratio-reset")
	b.ReportMetric(float64(native)/float64(reuse), "ratio-reuse")
	b.ReportMetric(0, "ns/op")
}

// hammer sends n requests over all connections and gives the time that it took.
func hammer(b *testing.B, url string, n int) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	began := time.Now()
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if got := send(b, http.MethodGet, url, ""); got != "hello, world\n" {
					b.Errorf("got %q", got)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}
