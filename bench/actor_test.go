package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

const actorSetUp = `apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: actors}
spec:
  source: {wasm: x.wasm}
  limits: {timeout: 10m}
  actors: [{type: Bench}, {type: Atomic, atomic: true}]
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: caller}
spec: {source: {wasm: x.wasm}, limits: {timeout: 10m, maxInstances: 8}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: store}
spec: {type: DRIVER, version: v1, metadata: [{name: actorStateStore, value: "true"}]}
`

// actorHost runs a host with actors whose state is in a store of the driver, and gives the URL of its API.
func actorHost(b *testing.B, driver string) string {
	b.Helper()
	dir := b.TempDir()
	for name, content := range map[string]string{"m.yaml": strings.Replace(actorSetUp, "DRIVER", driver, 1), "x.wasm": ""} {
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
	guest := enginetest.Build(b, "testdata/actor")
	h, err := host.New(b.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(b), Drivers: drivers,
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Loader: guests{"actors": guest, "caller": guest},
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
	_, api := h.Addrs()
	return api
}

var stores = []struct{ name, driver string }{{"memory", "state.in-memory"}, {"sqlite", "state.sqlite"}}

// actorCases are the methods of the benchmarks, each with a type.
var actorCases = []struct{ name, typ, method string }{{"echo", "Bench", "echo"}, {"set", "Bench", "set"}, {"set-atomic", "Atomic", "set"}}

// BenchmarkActorTurn is one turn after the other, of one actor: the median as a guest of another app sees it, and as a
// caller in the host's process does. An echo writes no state; a set writes 100 bytes.
func BenchmarkActorTurn(b *testing.B) {
	for _, store := range stores {
		api, r := actorHost(b, store.driver), newRig(b, store.driver, b.TempDir())
		for _, c := range actorCases {
			if c.method == "echo" && store.name != "memory" {
				continue
			}
			b.Run(c.name+"/"+store.name+"/guest", func(b *testing.B) {
				fromGuest(b, api, c.typ, c.method, 2000, 1)
				b.ResetTimer()
				median, _ := fromGuest(b, api, c.typ, c.method, b.N, 1)
				b.ReportMetric(median/1000, "µs-p50")
			})
			b.Run(c.name+"/"+store.name+"/host", func(b *testing.B) {
				data := make([]byte, 100)
				r.must(b, c.typ, "a0", c.method, data)
				took := make([]time.Duration, b.N)
				b.ResetTimer()
				for i := range took {
					began := time.Now()
					r.must(b, c.typ, "a0", c.method, data)
					took[i] = time.Since(began)
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2])/1000, "µs-p50")
			})
		}
	}
}

// fromGuest has a guest of another app call actors, and gives the median and the mean in nanoseconds.
func fromGuest(b *testing.B, api, typ, method string, n, ids int) (median, mean float64) {
	b.Helper()
	text := call(b, api, "caller", "calls", fmt.Sprint(typ, " ", method, " ", n, " ", ids))
	if _, err := fmt.Sscan(text, &median, &mean); err != nil {
		b.Fatalf("%s: %v", text, err)
	}
	return median, mean
}

// BenchmarkActorCalls is how many turns a second there are with many callers at a time: of one actor and of a thousand,
// by callers in the host's process, by guests, and by clients of the HTTP API.
func BenchmarkActorCalls(b *testing.B) {
	for _, store := range stores {
		api, r := actorHost(b, store.driver), newRig(b, store.driver, b.TempDir())
		for _, c := range actorCases {
			if c.method == "echo" && store.name != "memory" {
				continue
			}
			for _, ids := range []int{1, 1000} {
				at := fmt.Sprint(c.name, "/", store.name, "/", ids)
				data := make([]byte, 100)
				rate := func(name string, callers int, one func(b *testing.B, i int)) {
					b.Run(at+"/"+name, func(b *testing.B) {
						for i := range ids {
							r.must(b, c.typ, "a"+strconv.Itoa(i), c.method, data)
						}
						share(b, 2*ids, callers, one)
						b.ResetTimer()
						share(b, b.N, callers, one)
						b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "turns/s")
					})
				}
				rate("host", 8, func(b *testing.B, i int) { r.must(b, c.typ, "a"+strconv.Itoa(i%ids), c.method, data) })
				rate("http", clients, func(b *testing.B, i int) {
					send(b, http.MethodPut, fmt.Sprint(api, "/v1.0/actors/", c.typ, "/a", i%ids, "/method/", c.method), string(data))
				})
				b.Run(at+"/guests", func(b *testing.B) {
					fromGuest(b, api, c.typ, c.method, 2*ids, ids)
					b.ResetTimer()
					const guests = 4
					var wg sync.WaitGroup
					for range guests {
						wg.Go(func() { fromGuest(b, api, c.typ, c.method, b.N/guests+1, ids) })
					}
					wg.Wait()
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "turns/s")
				})
			}
		}
	}
}

// share has callers do one for each of n.
func share(b *testing.B, n, callers int, one func(b *testing.B, i int)) {
	var at atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := int(at.Add(1)) - 1; i < n && !b.Failed(); i = int(at.Add(1)) - 1 {
				one(b, i)
			}
		})
	}
	wg.Wait()
}

// BenchmarkActorReminders is how many reminders a second are registered, by 64 callers at a time, and how many of those
// that are due at one time are fired in a second, each as a turn of one of a thousand actors, up to the note in the
// store that it is done.
func BenchmarkActorReminders(b *testing.B) {
	r := newRig(b, "state.sqlite", b.TempDir())
	const ids = 1000
	data := make([]byte, 100)
	for i := range ids {
		r.must(b, "Bench", "a"+strconv.Itoa(i), "echo", data)
	}
	register := func(b *testing.B, n int, due time.Time) {
		share(b, n, 64, func(b *testing.B, i int) {
			err := r.SetReminder(b.Context(), actor.ID{Type: "Bench", ID: "a" + strconv.Itoa(i%ids)}, actor.Reminder{
				Name: "r" + strconv.Itoa(i/ids), DueTime: due.Format(time.RFC3339Nano), Overwrite: true, Data: data,
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	b.Run("register", func(b *testing.B) {
		register(b, b.N, time.Now().Add(100*time.Hour))
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "registered/s")
	})
	if _, err := r.DeleteReminders(b.Context(), actor.ID{Type: "Bench"}); err != nil {
		b.Fatal(err)
	}
	b.Run("fire", func(b *testing.B) {
		fired := func() uint64 { return r.Stats()[1].RemindersFired }
		before := fired()
		due := time.Now().Add(2*time.Second + time.Duration(b.N)*200*time.Microsecond)
		register(b, b.N, due)
		if late := time.Since(due); late > 0 {
			b.Fatalf("the registration took %v longer than the time until they are due", late)
		}
		time.Sleep(time.Until(due))
		b.ResetTimer()
		for end := time.Now().Add(5 * time.Minute); fired()-before < uint64(b.N); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				b.Fatalf("%d of %d were fired", fired()-before, b.N)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fired/s")
	})
}

// BenchmarkActorSleep puts an actor to sleep and wakes it again, after so many echo turns of its instance since it was
// made: what Go's heap has of them is part of what is saved.
func BenchmarkActorSleep(b *testing.B) {
	for _, turns := range []int{1, 100, 10_000} {
		b.Run(strconv.Itoa(turns), func(b *testing.B) {
			r := newRig(b, "state.sqlite", b.TempDir())
			data := make([]byte, 100)
			for range turns {
				r.must(b, "Bench", "a", "echo", data)
			}
			before := r.Stats()[1]
			asleep, awake := make([]time.Duration, b.N), make([]time.Duration, b.N)
			b.ResetTimer()
			for i := range b.N {
				began := time.Now()
				if r.PutAway(b.Context(), 1) != 1 {
					b.Fatal("the actor is not put away")
				}
				asleep[i] = time.Since(began)
				r.must(b, "Bench", "a", "echo", data)
				awake[i] = time.Since(began) - asleep[i]
			}
			after := r.Stats()[1]
			slices.Sort(asleep)
			slices.Sort(awake)
			b.ReportMetric(float64(after.SavedBytes-before.SavedBytes)/float64(after.Hibernations-before.Hibernations), "B/saved")
			b.ReportMetric(float64(asleep[b.N/2])/1000, "sleep-µs-p50")
			b.ReportMetric(float64(awake[b.N/2])/1000, "wake-µs-p50")
			b.ReportMetric(0, "ns/op")
		})
	}
}
