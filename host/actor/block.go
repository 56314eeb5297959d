// Package actor is the building block for virtual actors: each (type, id) is an instance of its own, made by its first
// call, that takes one turn at a time in the order of arrival, and is hibernated or deactivated when it is idle.
//
// The table holds active actors only. A turn runs on its caller's goroutine; a sleeping actor holds no goroutine, slot,
// timer or entry. State lives in the Store and is written once per turn, at its end. The block knows neither the engine
// nor other blocks: instances come from the app (block.Keeper), the store and the scheduler from the composition.
package actor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/schedule"
)

// Payload is what is passed to a method and what it gives.
type Payload = abiactor.Payload

// Settings are those of one actor type.
type Settings struct {
	// Type is the actor type, App the app that has it, Where file:line of the declaration for errors.
	Type, App, Where string
	// IdleTimeout is how long an actor is idle before it is put away; 0 means 60 minutes. Method calls, reminders and
	// timers count as use, as in Dapr.
	IdleTimeout time.Duration
	// Reentrancy lets a chain of calls enter an actor again whose turn is part of the chain.
	Reentrancy bool
	// MaxStackDepth bounds how deep calls of one chain nest; 0 means 32.
	MaxStackDepth int
	// Hibernate keeps the memory of idle actors in the store; without, they are deactivated and dropped.
	Hibernate bool
	// Atomic brings memory back to the turn's start when a turn fails, together with state and timers.
	Atomic bool
	// Mailbox bounds how many calls wait for one actor; 0 means 256.
	Mailbox int
	// MaxActive bounds the active actors of the type; 0 leaves it to the host's room for instances.
	MaxActive int
	// DrainTimeout is how long running turns may go on at shutdown; 0 means 60 s.
	DrainTimeout time.Duration
	// TurnTimeout is the app's timeout, spec.limits.timeout: how long a call waits for its turn. 0 means 60 s.
	TurnTimeout time.Duration
}

func (s *Settings) defaults() {
	if s.IdleTimeout <= 0 {
		s.IdleTimeout = time.Hour
	}
	if s.MaxStackDepth <= 0 {
		s.MaxStackDepth = 32
	}
	if s.Mailbox <= 0 {
		s.Mailbox = 256
	}
	if s.DrainTimeout <= 0 {
		s.DrainTimeout = time.Minute
	}
	if s.TurnTimeout <= 0 {
		s.TurnTimeout = time.Minute
	}
}

// Config says how the block works.
type Config struct {
	// Types are the actor types of all apps.
	Types []Settings
	// Store gives the actor state store of an app. It is called in New, once for each app that has types.
	Store func(app string) (Store, error)
	// Reminders is where reminders are kept; nil means that there are none. The block fires them while its trigger runs;
	// whoever opened the store closes it.
	Reminders *schedule.Store
	// Pressure says how many idle actors to put away now because memory is short; 0 is none. It is asked by the idle
	// sweeper, every few seconds. May be nil.
	Pressure func() int
	Chain    *chain.Chain
	// Log may be nil.
	Log *slog.Logger
	// CallerApp says on whose behalf a call of the HTTP API is made; "" is no app. Nil means always "".
	CallerApp func(r *http.Request) string
}

// Block is the actor block of a host. All methods are safe for concurrent use.
type Block struct {
	cfg   Config
	log   *slog.Logger
	types map[string]*actorType
	names []string // of types, sorted
	// workers bounds how many actors are put away at a time.
	workers int
	closing atomic.Bool
	evict   evictions

	timers   *schedule.Timers[timerPayload]
	timerSeq atomic.Uint64

	mu       sync.RWMutex
	apps     map[string]block.Keeper
	sessions map[string]*session
}

var (
	_ block.Block     = (*Block)(nil)
	_ block.Describer = (*Block)(nil)
	_ block.Checker   = (*Block)(nil)
	_ block.Reloader  = (*Block)(nil)
	_ block.Triggerer = (*Block)(nil)
)

// New checks the settings and finds the stores; all errors are given at once. It starts nothing.
func New(_ context.Context, cfg Config) (*Block, error) {
	b := &Block{
		cfg: cfg, log: cfg.Log, types: map[string]*actorType{}, apps: map[string]block.Keeper{}, sessions: map[string]*session{},
		workers: max(4, runtime.GOMAXPROCS(0)),
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	stores := map[string]Store{}
	for _, s := range cfg.Types {
		s.defaults()
		if err := b.checkType(s); err != nil {
			errs = append(errs, err)
			continue
		}
		store, ok := stores[s.App]
		if !ok {
			var err error
			if cfg.Store == nil {
				err = errors.New("there is no actor state store")
			} else {
				store, err = cfg.Store(s.App)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: actors of app %s: %w", s.Where, s.App, err))
				continue
			}
			stores[s.App] = store
		}
		b.types[s.Type] = newType(s, store, cfg.Chain)
		b.names = append(b.names, s.Type)
	}
	slices.Sort(b.names)
	b.timers = schedule.NewTimers(b.fireTimer, timerWorkers)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Block) checkType(s Settings) error {
	if err := checkName("actor type", s.Type, maxType); err != nil {
		return fmt.Errorf("%s: app %s: %w", s.Where, s.App, err)
	}
	if strings.HasPrefix(s.Type, reservedTypes) {
		return fmt.Errorf("%s: app %s: actor type %s: names that begin with %s are reserved; choose another", s.Where, s.App, s.Type, reservedTypes)
	}
	if other := b.types[s.Type]; other != nil {
		return fmt.Errorf("%s: actor type %s: apps %s and %s both have it; a type belongs to one app", s.Where, s.Type, other.App, s.App)
	}
	return nil
}

// Name is "actor".
func (b *Block) Name() string { return "actor" }

// Imports lists the interfaces of actors and of those who call them.
func (b *Block) Imports() []string {
	return []string{
		abiactor.ContextModule, abiactor.StateModule, abiactor.TimersModule, abiactor.RemindersModule, abiactor.ClientModule,
	}
}

// Exports is the actor.
func (b *Block) Exports() []string { return []string{abiactor.ActorModule} }

// Open makes the block's side of one app. It fails when the app has actor types and cannot have actors.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	keeper, err := b.checkApp(app)
	if err != nil {
		return nil, err
	}
	if keeper != nil {
		b.mu.Lock()
		b.apps[app.Name()] = keeper
		b.mu.Unlock()
	}
	s := &session{b: b, app: app.Name(), points: map[string]*chain.Point{}}
	for _, name := range b.names {
		s.points[name] = invokePoint(b.cfg.Chain, name, s.app)
	}
	b.mu.Lock()
	b.sessions[s.app] = s
	b.mu.Unlock()
	return s, nil
}

func (b *Block) checkApp(app block.App) (block.Keeper, error) {
	handles := app.Handles(abiactor.ActorModule)
	for _, name := range b.names {
		typ := b.types[name]
		if typ.App == app.Name() && !handles {
			return nil, fmt.Errorf("%s: actor type %s: app %s does not export %s; register the type in it (in Go: import guest-sdk/go/actor), or take the type out of the manifest",
				typ.Where, name, app.Name(), abiactor.ActorModule)
		}
	}
	if !handles {
		return nil, nil //nolint:nilnil // an app without actors has no keeper, and that is no error
	}
	keeper, ok := app.(block.Keeper)
	if !ok {
		return nil, fmt.Errorf("app %s: its instances cannot be kept, so it cannot have actors", app.Name())
	}
	return keeper, b.checkReentrancy(keeper)
}

// checkReentrancy refuses types whose actors could not be entered again.
func (b *Block) checkReentrancy(app block.Keeper) error {
	if single, ok := app.(block.Single); !ok || !single.Single() {
		return nil
	}
	for _, name := range b.names {
		if typ := b.types[name]; typ.App == app.Name() && typ.Reentrancy {
			return fmt.Errorf("%s: actor type %s: reentrancy is true, and app %s is a component: the Component Model lets no instance be "+
				"called while it is in a call; take reentrancy out, or build the app as a core module", typ.Where, name, app.Name())
		}
	}
	return nil
}

func (b *Block) keeper(app string) block.Keeper {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.apps[app]
}

// Close ends the block. Actors were put away when the trigger stopped; what is left is dropped.
func (b *Block) Close(ctx context.Context) error {
	b.closing.Store(true)
	return b.putAllAway(ctx)
}

// Ready tells that no new calls are taken any more.
func (b *Block) Ready(context.Context) error {
	if b.closing.Load() {
		return errors.New("actors: the host is stopping")
	}
	return nil
}

// session is the block's side of one app.
type session struct {
	b      *Block
	app    string
	points map[string]*chain.Point // of its calls, by actor type
}

// Funcs are what the app may import, bound to the app's name.
func (s *session) Funcs() []abi.Func {
	inTurn := slices.Concat(
		abiactor.ContextFuncs((*contextHost)(s)), abiactor.StateFuncs((*stateHost)(s)),
		abiactor.TimersFuncs((*timersHost)(s)), abiactor.RemindersFuncs((*remindersHost)(s)))
	for i := range inTurn {
		inTurn[i].Call = ownTurn(inTurn[i].Call)
	}
	return append(inTurn, abiactor.ClientFuncs((*clientHost)(s))...)
}

// Close has nothing to release.
func (s *session) Close(context.Context) error { return nil }
