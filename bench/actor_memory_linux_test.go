package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/actor"
)

// crowdOf says to a process that it is the one whose memory is measured, and how many actors it has.
const crowdOf = "MRT_BENCH_ACTORS"

// crowd is what many actors cost; times are in seconds, memory in bytes.
type crowd struct {
	Activation, Hibernation, Wake   float64
	Before, Active, Hibernated      float64
	BeforeRSS, ActiveRSS, AsleepRSS float64
	Instances, SavedBytes, FileSize float64
}

// BenchmarkActorMemory activates 10,000 and 100,000 actors with 1 KiB of their own in a process of its own, puts them
// all to sleep in SQLite, and wakes some. MiB are those of resident; MiB-rss are VmRSS, which counts a page of the
// image once for each actor that has read it. Where the system has room for fewer instances than that, the
// rest of them sleep already when all are activated: "active" is how many do not.
func BenchmarkActorMemory(b *testing.B) {
	if text := os.Getenv(crowdOf); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		out, err := json.Marshal(gather(b, n))
		if err != nil {
			b.Fatal(err)
		}
		fmt.Printf("\ncrowd %s\n", out)
		return
	}
	for _, n := range []int{10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for range b.N {
				c := crowdOfAnother(b, n)
				for _, m := range []struct {
					value float64
					unit  string
				}{
					{float64(n) / c.Activation, "activated/s"},
					{float64(n) / c.Hibernation, "hibernated/s"},
					{c.Wake * 1e6, "wake-µs-p50"},
					{c.Instances, "active"},
					{c.Before / (1 << 20), "MiB-before"},
					{c.Active / (1 << 20), "MiB-active"},
					{c.Hibernated / (1 << 20), "MiB-hibernated"},
					{c.BeforeRSS / (1 << 20), "MiB-rss-before"},
					{c.ActiveRSS / (1 << 20), "MiB-rss-active"},
					{c.AsleepRSS / (1 << 20), "MiB-rss-hibernated"},
					{(c.Active - c.Before) / c.Instances / 1024, "KiB/active"},
					{c.SavedBytes, "B/saved"},
					{c.FileSize / float64(n), "B-file/actor"},
				} {
					b.ReportMetric(m.value, m.unit)
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// crowdOfAnother measures in another process.
func crowdOfAnother(b *testing.B, n int) (c crowd) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self, "-test.run=^$", "-test.bench=^BenchmarkActorMemory$", "-test.benchtime=1x", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), crowdOf+"="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	_, text, ok := strings.Cut(string(out), "\ncrowd ")
	text, _, _ = strings.Cut(text, "\n")
	if err == nil && !ok {
		err = errors.New("it tells nothing")
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &c)
	}
	if err != nil {
		b.Fatalf("the process that is measured: %v\n%s", err, out)
	}
	return c
}

// gather makes n actors in this process and tells what they cost.
func gather(b *testing.B, n int) (c crowd) {
	dir := b.TempDir()
	r := newRig(b, "state.sqlite", dir)
	fill := func(b *testing.B, i int) {
		data := make([]byte, 1024)
		for j := 0; j < len(data); j += 8 {
			copy(data[j:], strconv.Itoa(i*131+j))
		}
		r.must(b, "Bench", strconv.Itoa(i), "fill", data)
	}
	fill(b, n) // so that what is made once is made
	c.Before, c.BeforeRSS = resident(b), statusRSS(b)
	began := time.Now()
	share(b, n, 8, fill)
	c.Activation = time.Since(began).Seconds()
	c.Active, c.ActiveRSS, c.Instances = resident(b), statusRSS(b), float64(r.Stats()[1].Active)
	began = time.Now()
	awake := r.PutAway(b.Context(), n+1)
	c.Hibernation = time.Since(began).Seconds() * float64(n) / float64(max(awake, 1))
	c.Hibernated, c.AsleepRSS = resident(b), statusRSS(b)
	stats := r.Stats()[1]
	if stats.Active != 0 {
		b.Fatalf("%d actors are not put away", stats.Active)
	}
	c.SavedBytes = float64(stats.SavedBytes) / float64(stats.Hibernations)
	c.FileSize = sizeOf(b, dir)
	took := make([]time.Duration, min(n, 500))
	for i := range took {
		id := actor.ID{Type: "Bench", ID: strconv.Itoa(rand.IntN(n))}
		began := time.Now()
		r.must(b, id.Type, id.ID, "echo", nil)
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	c.Wake = took[len(took)/2].Seconds()
	return c
}

// statusRSS is the resident memory of this process in bytes.
func statusRSS(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatalf("this benchmark needs a system that tells how much memory a process has: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		b.Fatalf("VmRSS: %v", err)
	}
	return kib * 1024
}

// sizeOf is what the files of a folder take.
func sizeOf(b *testing.B, dir string) (sum float64) {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() {
			sum += float64(info.Size())
		}
	}
	return sum
}
