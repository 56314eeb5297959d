package actor_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor/actortest"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/schedule"
)

// fakeApp is an app whose guests are Go functions behind the ABI, for what does not depend on wasm: the order of
// turns, buffers, eviction. Tests of the real thing are in the composition.
type fakeApp struct {
	name    string
	version atomic.Int64
	room    int64 // instances at a time; 0 is any number
	live    atomic.Int64
	methods map[string]func(c *fakeCall) (string, error)
	hosts   actor.Hosts

	mu  sync.Mutex
	log []string
}

var _ block.Savable = (*fakeGuest)(nil)

// fakeGuest is one instance: its memory is fields.
type fakeGuest struct {
	app     *fakeApp
	version int64
	id      actor.ID
	fields  map[string]string
	mark    map[string]string
	mem     []byte
	top     uint32
	depth   int
	active  atomic.Int32
	broken  bool
	closed  bool
	fuel    uint64
}

// fakeCall is one call in a guest.
type fakeCall struct {
	ctx   context.Context //nolint:containedctx // it is what the guest's host functions get
	g     *fakeGuest
	input string
}

func (c *fakeCall) get(key string) string {
	v, err := c.g.app.hosts.State.Get(c.ctx, key)
	if err != nil {
		panic(err.Error())
	}
	if v == nil {
		return ""
	}
	return string(*v)
}

func (c *fakeCall) set(key, value string) {
	if err := c.g.app.hosts.State.Set(c.ctx, key, []byte(value), nil); err != nil {
		panic(err.Error())
	}
}

func (c *fakeCall) call(to actor.ID, method, input string) (string, error) {
	out, err := c.g.app.hosts.Client.Invoke(c.ctx, abiactor.ActorID{ActorType: to.Type, ID: to.ID}, method, actor.Payload{Data: []byte(input)})
	if err != nil {
		return "", err
	}
	return string(out.Data), nil
}

func (a *fakeApp) Name() string        { return a.name }
func (a *fakeApp) Handles(string) bool { return true }
func (a *fakeApp) Do(context.Context, func(context.Context, abi.Guest) error) error {
	return errors.New("not used")
}

func (a *fakeApp) Keep(_ context.Context, saved []byte) (block.Kept, error) {
	g := &fakeGuest{app: a, version: a.version.Load(), fields: map[string]string{}, mem: make([]byte, 1<<16)}
	if len(saved) > 0 {
		var s fakeSaved
		if err := json.Unmarshal(saved, &s); err != nil {
			return nil, err
		}
		if s.Version != g.version {
			return nil, block.ErrChanged
		}
		g.fields, g.id = s.Fields, s.ID
	}
	if n := a.live.Add(1); a.room > 0 && n > a.room {
		a.live.Add(-1)
		return nil, block.ErrNoRoom
	}
	return g, nil
}

type fakeSaved struct {
	Version int64
	ID      actor.ID
	Fields  map[string]string
}

func (g *fakeGuest) Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error {
	if g.broken {
		return &abi.Trap{Kind: abi.TrapGuest, Reason: "broken"}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.depth == 0 && !g.active.CompareAndSwap(0, 1) {
		panic("two turns at a time in " + g.id.String())
	}
	g.depth++
	defer func() {
		if g.depth--; g.depth == 0 {
			g.top = 0
			g.active.Store(0)
		}
	}()
	err := fn(ctx, g)
	if _, ok := errors.AsType[*abi.Trap](err); ok {
		g.broken = true
	}
	return err
}

func (g *fakeGuest) Mark() error {
	if err := g.Savable(); err != nil {
		return err
	}
	g.mark = maps.Clone(g.fields)
	return nil
}

func (g *fakeGuest) Rollback() error {
	g.fields, g.broken = maps.Clone(g.mark), false
	return nil
}

// Savable fails while the guest has an open file: the field file.
func (g *fakeGuest) Savable() error {
	if g.fields["file"] != "" {
		return fmt.Errorf("%w: a file", block.ErrHeld)
	}
	return nil
}

func (g *fakeGuest) Save() ([]byte, error) {
	if err := g.Savable(); err != nil {
		return nil, err
	}
	return json.Marshal(fakeSaved{Version: g.version, ID: g.id, Fields: g.fields})
}

func (g *fakeGuest) Fuel() uint64 { return g.fuel }

func (g *fakeGuest) Close(context.Context) {
	if g.closed {
		panic("closed twice")
	}
	g.closed = true
	g.app.live.Add(-1)
}

func (g *fakeGuest) Memory() []byte { return g.mem }

func (g *fakeGuest) Realloc(_ context.Context, _, _, align, size uint32) uint32 {
	at := (g.top + align - 1) / align * align
	g.top = at + size
	return at
}

func (g *fakeGuest) Has(name string) bool { return !strings.HasPrefix(name, "cabi_post") }

func (g *fakeGuest) text(ptr, size uint64) string { return string(g.mem[ptr : ptr+size]) }

func (g *fakeGuest) place(ctx context.Context, s string) (ptr, size uint32) {
	at := g.Realloc(ctx, 0, 0, 1, uint32(len(s)))
	copy(g.mem[at:], s)
	return at, uint32(len(s))
}

// Call is the guest's side of the ABI.
func (g *fakeGuest) Call(ctx context.Context, name string, stack []uint64) error {
	g.fuel += 10
	_, fn, _ := strings.Cut(name, "#")
	c := &fakeCall{ctx: ctx, g: g}
	var method string
	switch fn {
	case "activate":
		g.id = actor.ID{Type: g.text(stack[0], stack[1]), ID: g.text(stack[2], stack[3])}
		method = "activate"
	case "invoke":
		method, c.input = g.text(stack[0], stack[1]), g.text(stack[4], stack[5])
	case "timer":
		method, c.input = g.text(stack[2], stack[3]), g.text(stack[4], stack[5])
	case "reminder":
		method, c.input = g.text(stack[0], stack[1]), g.text(stack[2], stack[3])
	case "deactivate":
		method = "deactivate"
	}
	at := g.Realloc(ctx, 0, 0, 4, 20)
	clear(g.mem[at : at+20])
	stack[0] = uint64(at)
	run := g.app.methods[method]
	if run == nil && (method == "activate" || method == "deactivate") {
		return nil
	}
	put := binary.LittleEndian.PutUint32
	if run == nil {
		g.mem[at] = 1
		return nil
	}
	out, err := run(c)
	if trap, ok := errors.AsType[*abi.Trap](err); ok {
		g.broken = true
		return trap
	}
	if g.broken {
		return &abi.Trap{Kind: abi.TrapGuest, Reason: "a nested call broke it"}
	}
	if err != nil {
		p, n := g.place(ctx, err.Error())
		g.mem[at] = 1
		if fn == "activate" || fn == "deactivate" {
			put(g.mem[at+4:], p)
			put(g.mem[at+8:], n)
			return nil
		}
		g.mem[at+4] = 1
		put(g.mem[at+8:], p)
		put(g.mem[at+12:], n)
		return nil
	}
	if fn == "invoke" {
		p, n := g.place(ctx, out)
		put(g.mem[at+12:], p)
		put(g.mem[at+16:], n)
	}
	return nil
}

func (a *fakeApp) note(s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = append(a.log, s)
}

func (a *fakeApp) noted() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.log)
}

var errTrap = &abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable"}

// newFake gives an app with methods that most tests need, and its block with one type "T" unless given.
func newFake(t *testing.T, store *actortest.Store, types ...actor.Settings) (*fakeApp, *actor.Block) {
	t.Helper()
	return newFakeOn(t, store, types...)
}

func newFakeOn(t *testing.T, store actor.Store, types ...actor.Settings) (*fakeApp, *actor.Block) {
	t.Helper()
	a := &fakeApp{name: "app", methods: map[string]func(c *fakeCall) (string, error){
		"echo": func(c *fakeCall) (string, error) { return c.input, nil },
		"get":  func(c *fakeCall) (string, error) { return c.get(c.input), nil },
		"set": func(c *fakeCall) (string, error) {
			k, v, _ := strings.Cut(c.input, "=")
			c.set(k, v)
			c.g.fields[k] = v
			return "", nil
		},
		"field": func(c *fakeCall) (string, error) { return c.g.fields[c.input], nil },
		"setfail": func(c *fakeCall) (string, error) {
			k, v, _ := strings.Cut(c.input, "=")
			c.set(k, v)
			c.g.fields[k] = v
			return "", errors.New("it is not to be")
		},
		"settrap": func(c *fakeCall) (string, error) {
			k, v, _ := strings.Cut(c.input, "=")
			c.set(k, v)
			c.g.fields[k] = v
			return "", errTrap
		},
		// call "type/id/method/input"
		"call": func(c *fakeCall) (string, error) {
			p := strings.SplitN(c.input, "/", 4)
			return c.call(actor.ID{Type: p[0], ID: p[1]}, p[2], p[3])
		},
	}}
	if len(types) == 0 {
		types = []actor.Settings{{Type: "T"}}
	}
	for i := range types {
		types[i].App = a.name
	}
	sched, err := schedule.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := actor.New(t.Context(), actor.Config{
		Types: types, Store: func(string) (actor.Store, error) { return store, nil }, Reminders: sched, Chain: chain.New(nil, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Open(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	a.hosts = actor.HostsOf(s)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := sched.Close(); err != nil {
			t.Errorf("close the schedule: %v", err)
		}
		if n := a.live.Load(); n != 0 {
			t.Errorf("instances left at the end: %d, want 0", n)
		}
	})
	return a, b
}

func invoke(t *testing.T, b *actor.Block, id actor.ID, method, input string) (string, error) {
	t.Helper()
	out, err := b.Invoke(t.Context(), id, method, actor.Payload{Data: []byte(input)})
	return string(out.Data), err
}

func mustInvoke(t *testing.T, b *actor.Block, id actor.ID, method, input string) string {
	t.Helper()
	out, err := invoke(t, b, id, method, input)
	if err != nil {
		t.Fatalf("%s.%s(%q): %v", id, method, input, err)
	}
	return out
}

func wantErr(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error: got %v, want %v", err, kind)
	}
	if _, ok := errors.AsType[*actor.Error](err); !ok {
		t.Errorf("error is a %T, want *Error", err)
	}
	for _, s := range texts {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q: want it to have %q", err, s)
		}
	}
}

// eventually waits for an event.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 20_000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("it did not come to pass: %s", what)
}
