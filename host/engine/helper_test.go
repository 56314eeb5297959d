package engine_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

const (
	hostIface  = "mrt:test/host@0.1.0"
	guestIface = "mrt:test/guest@0.1.0"
)

// images is how the engines of the tests make their instances: TestMain runs all tests in each way, and
// under the race detector, which is slow, in the first one.
var images engine.Images

// onlyImages makes TestMain run the tests in that way only.
var onlyImages = flag.Int("images", -1, "run the tests with this engine.Images only")

func TestMain(m *testing.M) {
	flag.Parse()
	modes := map[engine.Images]string{
		engine.ImagesAuto: "images", engine.ImagesRead: "images without PAGEMAP_SCAN",
		engine.ImagesCopied: "copied images", engine.ImagesOff: "no images",
	}
	for images = range engine.Images(len(modes)) {
		if *onlyImages >= 0 && images != engine.Images(*onlyImages) {
			continue
		}
		if code := m.Run(); code != 0 {
			fmt.Println("FAIL with", modes[images])
			os.Exit(code)
		}
		if bench := flag.Lookup("test.bench"); bench != nil && bench.Value.String() != "" {
			break // benchmarks choose for themselves
		}
		if raceEnabled {
			break
		}
	}
}

// newEngine starts an engine that ends with the test.
func newEngine(t testing.TB, change ...func(*engine.Config)) *engine.Engine {
	t.Helper()
	mode := func(c *engine.Config) { c.Images = images }
	return enginetest.New(t, append([]func(*engine.Config){mode}, change...)...)
}

// export is the core name of a function of the guest.
func export(name string) string { return guestIface + "#" + name }

// host is the host's side of the test guest.
type host struct {
	// entered gets the id of each call to block, which then waits for release or the call's end.
	entered chan uint32
	release chan struct{}
	// onTrap runs for each call to trap.
	onTrap func(ctx context.Context, g abi.Guest, kind uint32)
	text   string
	adds   atomic.Int64
}

func newHost() *host {
	return &host{entered: make(chan uint32, 4096), release: make(chan struct{}), text: "hello"}
}

func (h *host) funcs() []abi.Func {
	one, two := []abi.ValType{abi.I32}, []abi.ValType{abi.I32, abi.I32}
	return []abi.Func{
		{Module: hostIface, Name: "add", Params: two, Results: one, Call: h.add},
		{Module: hostIface, Name: "block", Params: one, Results: one, Call: h.block},
		{Module: hostIface, Name: "trap", Params: one, Call: h.trap},
		{Module: hostIface, Name: "text", Params: one, Call: h.giveText},
	}
}

func (h *host) add(_ context.Context, _ abi.Guest, stack []uint64) {
	h.adds.Add(1)
	stack[0] = uint64(uint32(stack[0]) + uint32(stack[1]))
}

func (h *host) block(ctx context.Context, _ abi.Guest, stack []uint64) {
	h.entered <- uint32(stack[0])
	select {
	case <-h.release:
	case <-ctx.Done():
	}
}

func (h *host) trap(ctx context.Context, g abi.Guest, stack []uint64) {
	h.onTrap(ctx, g, uint32(stack[0]))
}

// giveText lowers a string as generated glue does.
func (h *host) giveText(ctx context.Context, g abi.Guest, stack []uint64) {
	area := uint32(stack[0])
	ptr := g.Realloc(ctx, 0, 0, 1, uint32(len(h.text)))
	copy(g.Memory()[ptr:], h.text)
	put32(g.Memory()[area:], ptr)
	put32(g.Memory()[area+4:], uint32(len(h.text)))
}

func put32(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

// guest is the test guest's wasm.
func guest(t testing.TB) []byte {
	t.Helper()
	return enginetest.Build(t, "testdata/guest")
}

// start makes a pool of the test guest.
func start(t testing.TB, h *host, cfg engine.PoolConfig) *engine.Pool {
	t.Helper()
	cfg.Funcs = h.funcs()
	return enginetest.Pool(t, newEngine(t), guest(t), cfg)
}

// wantTrap asserts that err is a trap of the kind whose text contains want.
func wantTrap(t *testing.T, err error, kind abi.TrapKind, want string) {
	t.Helper()
	trap, ok := asTrap(err)
	if !ok {
		t.Fatalf("want a trap, got %v", err)
	}
	if trap.Kind != kind || !strings.Contains(trap.Error(), want) {
		t.Fatalf("want a trap of kind %s with %q, got kind %s: %v", kind, want, trap.Kind, trap)
	}
	if trap.App != "test" {
		t.Errorf("want app test, got %q", trap.App)
	}
}

// eventually waits for a state that comes about by itself.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: did not come about", what)
}

// logs is a slog.Handler that keeps what it gets.
type logs struct {
	mu      *sync.Mutex
	records *[]record
	attrs   []slog.Attr
}

type record struct {
	level slog.Level
	text  string
	attrs map[string]string
}

func newLogs() *logs { return &logs{mu: new(sync.Mutex), records: new([]record)} }

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }

func (l *logs) Handle(_ context.Context, r slog.Record) error {
	rec := record{level: r.Level, text: r.Message, attrs: map[string]string{}}
	add := func(a slog.Attr) bool { rec.attrs[a.Key] = a.Value.String(); return true }
	for _, a := range l.attrs {
		add(a)
	}
	r.Attrs(add)
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.records = append(*l.records, rec)
	return nil
}

func (l *logs) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *l
	c.attrs = append(append([]slog.Attr{}, l.attrs...), attrs...)
	return &c
}

func (l *logs) WithGroup(string) slog.Handler { return l }

// warned tells whether there was a warning.
func (l *logs) warned() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(*l.records, func(r record) bool { return r.level == slog.LevelWarn })
}

// stream gives the guest's lines of one stream.
func (l *logs) stream(name string) []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []record
	for _, r := range *l.records {
		if r.attrs["stream"] == name {
			out = append(out, r)
		}
	}
	return out
}

// exitGoroutine ends the goroutine as a failed assertion in a host function would.
func exitGoroutine() { runtime.Goexit() }
