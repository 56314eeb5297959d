package configurationtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// patience is how long anything may take that has to happen.
const patience = 60 * time.Second

// Change is one call of an app's handler.
type Change struct {
	Store, ID string
	Items     []configuration.Item
}

// String gives the items as "key=value" and "-key", separated by blanks.
func (c Change) String() string {
	var out []string
	for _, item := range c.Items {
		if item.Deleted {
			out = append(out, "-"+item.Key)
		} else {
			out = append(out, item.Key+"="+item.Value)
		}
	}
	return strings.Join(out, " ")
}

// App is an app in native code whose guests speak the real ABI, for tests of the block with real stores.
type App struct {
	// Deaf makes it an app without a handler.
	Deaf bool
	name string
	got  chan Change

	mu     sync.Mutex
	handle func(context.Context, Change) error
	admit  func() error
}

// NewApp makes an app that takes all changes.
func NewApp(name string) *App { return &App{name: name, got: make(chan Change, 10_000)} }

// Answer makes handle the app's handler; nil takes all changes. What it takes without an error comes out of Next. An
// *abi.Trap is a trap of the guest.
func (a *App) Answer(handle func(context.Context, Change) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.handle = handle
}

// Admit has every call asked before it reaches a guest; nil admits all.
func (a *App) Admit(admit func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.admit = admit
}

// Next waits for the next change.
func (a *App) Next(t testing.TB) Change {
	t.Helper()
	select {
	case c := <-a.got:
		return c
	case <-time.After(patience):
		t.Fatalf("app %s: no change within %s", a.name, patience)
		return Change{}
	}
}

// Until waits for a change that reads want, and gives all that came, the wanted one last.
func (a *App) Until(t testing.TB, want string) []string {
	t.Helper()
	var all []string
	for timeout := time.After(patience); ; {
		select {
		case c := <-a.got:
			if all = append(all, c.String()); c.String() == want {
				return all
			}
		case <-timeout:
			t.Fatalf("app %s: no change %q within %s; got %q", a.name, want, patience, all)
		}
	}
}

// Nothing fails if a change has come.
func (a *App) Nothing(t testing.TB) {
	t.Helper()
	select {
	case c := <-a.got:
		t.Errorf("app %s: got an unexpected change: %s", a.name, c)
	default:
	}
}

// Name is the app's name.
func (a *App) Name() string { return a.name }

// Handles tells that the app exports the handler.
func (a *App) Handles(iface string) bool {
	return !a.Deaf && iface == abiconfiguration.HandlerModule
}

// Do runs fn with a new guest.
func (a *App) Do(ctx context.Context, fn func(context.Context, abi.Guest) error) error {
	a.mu.Lock()
	admit := a.admit
	a.mu.Unlock()
	if admit != nil {
		if err := admit(); err != nil {
			return err
		}
	}
	const memory, first = 4 << 20, 8
	return fn(ctx, &guest{app: a, memory: make([]byte, memory), free: first})
}

func (a *App) take(ctx context.Context, c Change) error {
	a.mu.Lock()
	handle := a.handle
	a.mu.Unlock()
	if handle != nil {
		if err := handle(ctx, c); err != nil {
			return err
		}
	}
	a.got <- c
	return nil
}

// guest is one instance: it decodes what the host's glue writes, field by field as the Canonical ABI says.
type guest struct {
	app    *App
	memory []byte
	free   uint32
}

func (g *guest) Memory() []byte { return g.memory }

func (g *guest) Has(string) bool { return false }

func (g *guest) Realloc(_ context.Context, _, _, align, size uint32) uint32 {
	at := (g.free + align - 1) / align * align
	g.free = at + size
	if int(g.free) > len(g.memory) {
		g.memory = append(g.memory, make([]byte, int(g.free))...)
	}
	return at
}

func (g *guest) Call(ctx context.Context, name string, stack []uint64) error {
	if name != abiconfiguration.HandlerModule+"#handle" {
		return &abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable: " + name}
	}
	c := Change{Store: g.text(uint32(stack[0]), uint32(stack[1])), ID: g.text(uint32(stack[2]), uint32(stack[3]))}
	const size = 36
	for i := range uint32(stack[5]) {
		c.Items = append(c.Items, g.item(uint32(stack[4])+i*size))
	}
	err := g.app.take(ctx, c)
	if trap, ok := err.(*abi.Trap); ok { //nolint:errorlint // a trap is what the handler returned itself
		return trap
	}
	const area = 12
	at := g.Realloc(ctx, 0, 0, 4, area)
	if err != nil {
		g.memory[at] = 1
		text := g.Realloc(ctx, 0, 0, 1, uint32(len(err.Error())))
		copy(g.memory[text:], err.Error())
		g.put(at+4, text)
		g.put(at+8, uint32(len(err.Error())))
	}
	stack[0] = uint64(at)
	return nil
}

func (g *guest) item(at uint32) configuration.Item {
	item := configuration.Item{
		Key: g.textAt(at), Value: g.textAt(at + 8), Version: g.textAt(at + 16), Deleted: g.memory[at+32] != 0,
	}
	list, n := g.u32(at+24), g.u32(at+28)
	for i := range n {
		if item.Metadata == nil {
			item.Metadata = map[string]string{}
		}
		item.Metadata[g.textAt(list+16*i)] = g.textAt(list + 16*i + 8)
	}
	return item
}

func (g *guest) u32(at uint32) uint32 { return binary.LittleEndian.Uint32(g.memory[at:]) }

func (g *guest) put(at, v uint32) { binary.LittleEndian.PutUint32(g.memory[at:], v) }

func (g *guest) textAt(at uint32) string { return g.text(g.u32(at), g.u32(at+4)) }

func (g *guest) text(at, n uint32) string { return string(g.memory[at : at+n]) }

// eventually waits for a condition.
func eventually(t testing.TB, what func() string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(fmt.Sprintf("not within %s: ", patience) + what())
		}
	}
}
