package plugtests

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/witgen"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/plugtests/internal/plug"
	"github.com/mrt-wasm/mrt-wasm/host/wasi"
)

// versions is what each component of the archive calls itself: a test that lost one would pass.
var versions = map[string]string{
	"assemblyscript": "as 1", "c": "c 1", "go": "go-std 1", "rust": "rust 1", "rust-wasip1": "rust 1",
	"tinygo": "tinygo 1", "tinygo-wasip1": "tinygo 1",
}

// runs is how often each component runs, so that each run but the first comes after a reset.
const runs = 3

// plugHost is the behaviour that the components expect.
type plugHost struct {
	entries map[string]plug.Entry
	order   []string
	puts    uint64
	lines   []string
	open    int // buckets that are not dropped
}

var _ plug.HostHost = (*plugHost)(nil)

func (h *plugHost) logf(format string, args ...any) {
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func (h *plugHost) Log(_ context.Context, level plug.Level, msg string) {
	h.logf("log %s %s", level, msg)
}

func (h *plugHost) Get(_ context.Context, key string) (*plug.Entry, *string) {
	e, ok := h.entries[key]
	if !ok {
		return nil, nil
	}
	return &e, nil
}

func (h *plugHost) Put(_ context.Context, e plug.Entry, c plug.Cond) (uint64, *string) {
	ttl := "none"
	if e.TTL != nil {
		ttl = fmt.Sprint(*e.TTL)
	}
	cond := c.Tag.String()
	switch c.Tag {
	case plug.CondIfVersion:
		cond += fmt.Sprintf(":%d", c.IfVersion)
	case plug.CondIfLabel:
		cond += ":" + c.IfLabel
	case plug.CondAlways:
	}
	h.logf("put %s %dB ttl=%s cond=%s", e.Key, len(e.Value), ttl, cond)
	if _, ok := h.entries[e.Key]; !ok {
		h.order = append(h.order, e.Key)
	}
	h.entries[e.Key] = e
	h.puts++
	return h.puts, nil
}

func (h *plugHost) ListKeys(_ context.Context, prefix string) []string {
	var out []string
	for _, key := range append(append([]string(nil), h.order...), "k2", "k3") {
		if strings.HasPrefix(key, prefix) {
			out = append(out, key)
		}
	}
	return out
}

func (h *plugHost) NewBucket(_ context.Context, name string) plug.Bucket {
	h.logf("bucket %s", name)
	h.open++
	return &bucket{host: h, name: name}
}

func (h *plugHost) BucketOpen(_ context.Context, name string) (plug.Bucket, *string) {
	msg := "no bucket " + name
	return nil, &msg
}

type bucket struct {
	host *plugHost
	name string
	size uint64
}

func (b *bucket) Write(_ context.Context, chunk []byte) (uint32, *string) {
	b.size += uint64(len(chunk))
	return uint32(len(chunk)), nil
}

func (b *bucket) Size(context.Context) uint64 { return b.size }

func (b *bucket) Drop(context.Context) {
	b.host.open--
	b.host.logf("drop %s", b.name)
}

// now gives host functions that are h's at the time of the call.
func now(h **plugHost) []abi.Func {
	funcs := plug.HostFuncs(*h)
	for k := range funcs {
		funcs[k].Call = func(ctx context.Context, g abi.Guest, stack []uint64) { plug.HostFuncs(*h)[k].Call(ctx, g, stack) }
	}
	return funcs
}

// Components of all toolchains give the same, merged and as a graph, in each call of an instance that is reset or kept.
func TestPlugs(t *testing.T) {
	files := archive(t)
	w, err := wasi.New(wasi.Config{
		Stdin: strings.NewReader(""), Stdout: engine.Stdout, Stderr: engine.Stderr, Exit: engine.Exit,
		Monotonic: engine.Monotonic, Wall: engine.Wall, Skip: engine.Skip, Random: engine.Random,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, mode := range []struct {
		name   string
		graph  bool
		policy engine.Policy
	}{{"merged", false, engine.Reset}, {"graph", true, engine.Reset}, {"reuse", false, engine.Reuse}} {
		t.Run(mode.name, func(t *testing.T) {
			e := enginetest.New(t, func(c *engine.Config) { c.Graph = mode.graph })
			for name, version := range versions {
				t.Run(name, func(t *testing.T) {
					h := &plugHost{}
					pool := enginetest.Pool(t, e, files[name+".wasm"], engine.PoolConfig{
						Funcs: append(now(&h), w.Funcs()...), Exports: plug.HandlerExports(), Policy: mode.policy,
						Limits: engine.Limits{MaxInstances: 1},
					})
					want := "version: " + version + "\n" + afterLine(string(files["expected.txt"]))
					for run := range runs {
						h = &plugHost{entries: map[string]plug.Entry{}}
						got, err := drive(t.Context(), pool, h)
						if err != nil {
							t.Fatalf("run %d: %v", run, err)
						}
						if got != want {
							t.Errorf("run %d: got\n%s\nwant\n%s", run, got, want)
						}
						if h.open != 0 {
							t.Errorf("run %d: want no bucket open after the call, got %d", run, h.open)
						}
					}
				})
			}
		})
	}
}

// drive makes the calls that expected.txt shows, in one call of the pool.
func drive(ctx context.Context, pool *engine.Pool, h *plugHost) (string, error) {
	var out strings.Builder
	err := pool.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		version, err := plug.CallHandlerVersion(ctx, g)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "version: %s\n", version)
		req := plug.Request{
			Method: "POST", Path: "/x", Body: []byte("body✓"),
			Headers: []canon.Tuple2[string, string]{{F0: "a", F1: "1"}, {F0: "b", F1: "zwei ✓"}},
		}
		res, err := plug.CallHandlerHandle(ctx, g, req)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s\n", res)
		req.Path = "/fail"
		_, err = plug.CallHandlerHandle(ctx, g, req)
		failed, ok := errors.AsType[*canon.Failure[string]](err)
		if !ok {
			return fmt.Errorf("the path /fail: want an error of the guest's, got %w", err)
		}
		fmt.Fprintf(&out, "err: %s\n", failed.Value)
		return nil
	})
	for _, line := range h.lines {
		fmt.Fprintln(&out, line)
	}
	return out.String(), err
}

func afterLine(text string) string {
	_, rest, _ := strings.Cut(text, "\n")
	return rest
}

func archive(t *testing.T) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join("testdata", "plug.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The glue is what witgen makes of the archive's world now.
func TestGlueIsCurrent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.wit")
	if err := os.WriteFile(file, archive(t)["world.wit"], 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := witgen.Load(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := witgen.Host(set, witgen.Options{Package: "plug"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range want {
		got, err := os.ReadFile(filepath.Join("internal", "plug", filepath.FromSlash(f.Name)))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(f.Data) {
			t.Errorf("%s is not what witgen makes; run go generate ./host/plugtests", f.Name)
		}
	}
}
