package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fires records when timers fire, in seconds since it was made, in a bubble of synctest.
type fires struct {
	began time.Time
	mu    sync.Mutex
	list  []string
}

func (f *fires) fire(_ context.Context, t Timer[string]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fmt.Sprintf("%s@%g", t.Name, time.Since(f.began).Seconds()))
	if d, err := time.ParseDuration(t.Payload); err == nil {
		f.mu.Unlock()
		time.Sleep(d)
		f.mu.Lock()
	}
}

func (f *fires) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.list, " ")
}

func bubble(t *testing.T, workers int, test func(t *testing.T, ts *Timers[string], f *fires)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fires{began: time.Now()}
		ts := NewTimers(f.fire, workers)
		test(t, ts, f)
		if err := ts.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestTimers(t *testing.T) {
	const s = time.Second
	every := func(d time.Duration, repeats int) Period { return Period{Every: d, Repeats: repeats} }
	for _, tc := range []struct {
		name   string
		timers []Timer[string]
		length time.Duration
		want   string
		left   int
	}{
		{"once", []Timer[string]{{Name: "a", In: 3 * s}, {Name: "b", In: s}}, 10 * s, "b@1 a@3", 0},
		{"at once", []Timer[string]{{Name: "a"}}, s, "a@0", 0},
		{"set again", []Timer[string]{{Name: "a", In: s}, {Name: "a", In: 2 * s}}, 10 * s, "a@2", 0},
		{"period", []Timer[string]{{Name: "a", In: s, Period: every(2*s, 0)}}, 8 * s, "a@1 a@3 a@5 a@7", 1},
		{"repeats", []Timer[string]{{Name: "a", In: s, Period: every(2*s, 3)}}, 20 * s, "a@1 a@3 a@5", 0},
		{"end", []Timer[string]{{Name: "a", In: s, Period: every(2*s, 0), EndsIn: 5 * s}}, 20 * s, "a@1 a@3", 0},
		{"end before due", []Timer[string]{{Name: "a", In: 2 * s, EndsIn: s}}, 20 * s, "", 0},
		{"slow: times are skipped, the phase is kept", []Timer[string]{{Name: "a", In: s, Period: every(2*s, 3), Payload: "5s"}}, 30 * s, "a@1 a@7 a@13", 0},
		{"slow does not hold up others", []Timer[string]{{Name: "a", In: s, Payload: "10s"}, {Name: "b", In: 2 * s, Period: every(s, 3)}}, 30 * s, "a@1 b@2 b@3 b@4", 0},
		{"months", []Timer[string]{{Name: "a", In: s, Period: Period{Months: 1, Repeats: 2}}}, 24 * time.Hour * 40, fmt.Sprintf("a@1 a@%g", 1+(31*24*time.Hour).Seconds()), 0},
		{"far", []Timer[string]{{Name: "a", In: 1<<63 - 1}}, s, "", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, 4, func(t *testing.T, ts *Timers[string], f *fires) {
				ts.Set(tc.timers...)
				time.Sleep(tc.length + time.Second/2)
				if got := f.String(); got != tc.want {
					t.Errorf("fired: got %s, want %s", got, tc.want)
				}
				if got := ts.Len(); got != tc.left {
					t.Errorf("left: got %d, want %d", got, tc.left)
				}
			})
		})
	}
}

// No drift: after a hundred thousand periods of slow fires the phase is what it was.
func TestTimersDoNotDrift(t *testing.T) {
	bubble(t, 1, func(t *testing.T, ts *Timers[string], f *fires) {
		ts.Set(Timer[string]{Name: "a", In: time.Millisecond, Period: Period{Every: 7 * time.Millisecond, Repeats: 100_000}, Payload: "3ms"})
		time.Sleep(701 * time.Second)
		f.mu.Lock()
		defer f.mu.Unlock()
		if got, want := len(f.list), 100_000; got != want {
			t.Fatalf("fires: got %d, want %d", got, want)
		}
		if got, want := f.list[len(f.list)-1], "a@699.994"; got != want {
			t.Errorf("last: got %s, want %s", got, want)
		}
	})
}

func TestTimersChangedWhileFired(t *testing.T) {
	const s = time.Second
	slow := Timer[string]{Owner: "o", Name: "a", Period: Period{Every: s}, Payload: "10s"}
	for _, tc := range []struct {
		name   string
		change func(ts *Timers[string])
		want   string
	}{
		{"removed", func(ts *Timers[string]) { ts.Remove("o", "a") }, "a@0"},
		{"set, due meanwhile", func(ts *Timers[string]) { ts.Set(Timer[string]{Owner: "o", Name: "a", In: s}) }, "a@0 a@10"},
		{"set, due later", func(ts *Timers[string]) { ts.Set(Timer[string]{Owner: "o", Name: "a", In: 15 * s}) }, "a@0 a@20"},
		{"removed and set, due meanwhile", func(ts *Timers[string]) {
			ts.RemoveAll("o")
			ts.Set(Timer[string]{Owner: "o", Name: "a", In: s})
		}, "a@0 a@10"},
		{"exported and set", func(ts *Timers[string]) {
			data := ts.Export("o")
			data[0].Payload = "" // fast from now on
			data[0].Period.Repeats = 2
			ts.Set(data...)
		}, "a@0 a@10 a@11"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, 4, func(t *testing.T, ts *Timers[string], f *fires) {
				ts.Set(slow)
				time.Sleep(5 * s)
				tc.change(ts)
				time.Sleep(30 * s)
				if got := f.String(); got != tc.want {
					t.Errorf("fired: got %s, want %s", got, tc.want)
				}
				if got := ts.Len(); got != 0 || len(ts.named) != 0 || len(ts.owners) != 0 {
					t.Errorf("left: %d timers, %d names, %d owners; want none", got, len(ts.named), len(ts.owners))
				}
			})
		})
	}
}

// Hibernation: an owner's timers are taken out as data, kept as JSON, and set again.
func TestTimersExport(t *testing.T) {
	bubble(t, 4, func(t *testing.T, ts *Timers[string], f *fires) {
		ts.Set(
			Timer[string]{Owner: "o", Name: "b", In: 10 * time.Second, Period: Period{Every: 4 * time.Second, Repeats: 2}},
			Timer[string]{Owner: "o", Name: "a", In: 5 * time.Second, EndsIn: 20 * time.Second},
			Timer[string]{Owner: "o", Name: "c", In: 5 * time.Second, EndsIn: 6 * time.Second},
			Timer[string]{Owner: "p", Name: "x", In: 30 * time.Second},
		)
		time.Sleep(3 * time.Second)
		text, err := json.Marshal(ts.Export("o"))
		if err != nil {
			t.Fatal(err)
		}
		if got := ts.Len(); got != 1 {
			t.Errorf("after export: got %d timers, want 1 of another owner", got)
		}
		time.Sleep(9 * time.Second)
		var data []Timer[string]
		if err := json.Unmarshal(text, &data); err != nil {
			t.Fatal(err)
		}
		if len(data) != 3 || data[0].Name != "a" || data[0].In != 2*time.Second || data[0].EndsIn != 17*time.Second {
			t.Errorf("exported: got %+v; want a, b, c, and a due in 2s and ending in 17s", data)
		}
		for i := range data {
			data[i] = data[i].Later(9 * time.Second)
		}
		ts.Set(data...)
		time.Sleep(20 * time.Second)
		if got, want := sortedWords(f.String()), sortedWords("a@12 b@12 b@14 x@30"); got != want {
			t.Errorf("fired: got %s, want %s", got, want)
		}
	})
}

func sortedWords(s string) string {
	words := strings.Fields(s)
	for i := range words {
		for j := range i {
			if words[i] < words[j] {
				words[i], words[j] = words[j], words[i]
			}
		}
	}
	return strings.Join(words, " ")
}

func TestTimersStop(t *testing.T) {
	began := make(chan struct{})
	ts := NewTimers(func(ctx context.Context, _ Timer[int]) {
		close(began)
		<-ctx.Done()
	}, 1)
	ts.Set(Timer[int]{Name: "a"}, Timer[int]{Name: "b"})
	<-began
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ts.Stop(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("stop: got %v, want Canceled", err)
	}
	ts.work.Wait()
	ts.Set(Timer[int]{Name: "c"})
	if got := ts.Len(); got != 1 {
		t.Errorf("timers after stop: got %d, want 1: b, which was not fired", got)
	}
}

// Many goroutines set, remove and export; no timer is fired twice at a time, and what is left in the end is nothing.
func TestTimersHammer(t *testing.T) {
	const owners = 50
	var busy [owners][4]atomic.Int64
	var fired atomic.Int64
	ts := NewTimers(func(_ context.Context, tm Timer[[2]int]) {
		b := &busy[tm.Payload[0]][tm.Payload[1]]
		if b.Add(1) > 1 {
			t.Errorf("%s of %s is fired twice at a time", tm.Name, tm.Owner)
		}
		runtime.Gosched()
		b.Add(-1)
		fired.Add(1)
	}, 8)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 5000 {
				o, n := (i*7+w)%owners, i%4
				owner := fmt.Sprint(o)
				switch i % 11 {
				case 0:
					ts.Remove(owner, fmt.Sprint(n))
				case 1:
					ts.RemoveAll(owner)
				case 2:
					ts.Set(ts.Export(owner)...)
				default:
					ts.Set(Timer[[2]int]{
						Owner: owner, Name: fmt.Sprint(n), In: time.Duration(i%5) * 100 * time.Microsecond,
						Period: Period{Every: time.Millisecond, Repeats: i % 3}, Payload: [2]int{o, n},
					})
				}
			}
		})
	}
	wg.Wait()
	for o := range owners {
		ts.RemoveAll(fmt.Sprint(o))
	}
	if err := ts.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(ts.named) != 0 || len(ts.owners) != 0 || ts.Len() != 0 || len(ts.heap) != 0 {
		t.Errorf("left: %d names, %d owners, %d timers, %d in the heap; want none", len(ts.named), len(ts.owners), ts.Len(), len(ts.heap))
	}
	if fired.Load() == 0 {
		t.Error("nothing was fired")
	}
}
