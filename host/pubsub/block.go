package pubsub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Config says how the block works.
type Config struct {
	// Drivers are the brokers that this binary has.
	Drivers component.Set[Broker]
	// Decls are the components of the manifest; those of other kinds are ignored.
	Decls []component.Decl
	// Subscriptions are those of the manifest.
	Subscriptions []SubscriptionDecl
	// Receivers are further interfaces by which apps take messages; the contract's own comes first.
	Receivers []Receiver
	// Apps are the names of all apps.
	Apps []string
	// Env is what drivers get from the host.
	Env   component.Env
	Chain *chain.Chain
	// Trace carries the trace context through events; may be nil.
	Trace Trace
	// Log may be nil.
	Log *slog.Logger
	// CallerApp says on whose behalf a call of the HTTP API is made; "" is no app. Nil means always "".
	CallerApp func(r *http.Request) string
}

// Trace carries W3C trace context.
type Trace interface {
	// Inject gives the trace context of ctx; empty if there is none.
	Inject(ctx context.Context) (traceparent, tracestate string)
	// Extract gives ctx with a trace context.
	Extract(ctx context.Context, traceparent, tracestate string) context.Context
}

// SubscriptionDecl is one subscription of the manifest.
type SubscriptionDecl struct {
	Name, PubSub, Topic string
	// Rules are tried in order; Default is the route when none matches. Without both, everything has the empty route.
	Rules   []RuleDecl
	Default string
	// DeadLetterTopic gets what is dropped, and what has failed more often than metadata maxRetries says (3).
	DeadLetterTopic string
	Bulk            BulkDecl
	// Metadata goes to the broker; rawPayload and maxRetries are read here.
	Metadata map[string]string
	// Scopes are the apps that get the messages; empty means every app that handles messages.
	Scopes []string
	// Where is file:line of the declaration, for errors.
	Where string
}

// RuleDecl is one routing rule: a CEL expression over event, or empty for always.
type RuleDecl struct{ Match, Path string }

// BulkDecl asks for many messages in one call.
type BulkDecl struct {
	Enabled bool
	// MaxMessages in one call; 0 means 100.
	MaxMessages int
	// MaxAwait is how long to wait for more messages; 0 means 1 s.
	MaxAwait time.Duration
}

// fallback is the component that an app means by an empty name when it sees several.
const fallback = "pubsub"

// Block is the pubsub block of a host.
type Block struct {
	cfg     Config
	manager *component.Manager[Broker]
	log     *slog.Logger
	subs    []*subscription
	inboxes inboxes

	mu    sync.Mutex
	buses map[[2]string]*bus // by app and name
	apps  map[string]block.App
}

var (
	_ block.Triggerer = (*Block)(nil)
	_ block.Routes    = (*Block)(nil)
	_ block.Describer = (*Block)(nil)
	_ block.Checker   = (*Block)(nil)
)

// New checks all declarations and opens the components. The error has all that is wrong with the declarations, or the
// first component that does not start.
func New(ctx context.Context, cfg Config) (*Block, error) {
	b := &Block{
		cfg: cfg, log: cfg.Log,
		buses: map[[2]string]*bus{}, apps: map[string]block.App{},
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	var err error
	b.manager, err = component.NewManager(cfg.Drivers, cfg.Env, cfg.Decls)
	if err = errors.Join(err, b.checkSubscriptions()); err != nil {
		return nil, err
	}
	if err := b.manager.Open(ctx, cfg.Apps); err != nil {
		return nil, errors.Join(err, b.manager.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

// checkSubscriptions compiles the subscriptions and checks what does not need the apps.
func (b *Block) checkSubscriptions() error {
	var errs []error
	for _, d := range b.cfg.Subscriptions {
		s, err := newSubscription(d, b.cfg.Receivers)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if d.PubSub != "" && !slices.ContainsFunc(b.cfg.Decls, func(c component.Decl) bool { return c.Name == d.PubSub }) {
			errs = append(errs, fmt.Errorf("%s: subscription %s: there is no pubsub component %s", d.Where, d.Name, d.PubSub))
		}
		for _, app := range d.Scopes {
			if !slices.Contains(b.cfg.Apps, app) {
				b.log.Warn("subscription is scoped to an app that does not run here", "subscription", d.Name, "app", app, "at", d.Where)
			}
		}
		b.subs = append(b.subs, s)
	}
	return errors.Join(errs...)
}

// Name is "pubsub".
func (b *Block) Name() string { return "pubsub" }

// Imports lists the interface of apps.
func (b *Block) Imports() []string { return []string{abipubsub.PublisherModule} }

// Exports lists the handler interfaces.
func (b *Block) Exports() []string {
	out := []string{abipubsub.SubscriberModule, abipubsub.BulkSubscriberModule}
	for _, r := range b.cfg.Receivers {
		out = append(out, r.Interface)
	}
	return out
}

// Open makes the block's side of one app. It fails when a subscription is scoped to the app and the app cannot take
// its messages.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	var errs []error
	for _, s := range b.subs {
		if slices.Contains(s.decl.Scopes, app.Name()) && !s.handledBy(app) {
			errs = append(errs, fmt.Errorf("%s: subscription %s: app %s does not export %s; handle messages in it (in Go: import guest-sdk/go/pubsub and set a handler), or take it out of scopes",
				s.decl.Where, s.decl.Name, app.Name(), s.wants()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apps[app.Name()] = app
	return &session{b: b, app: app.Name()}, nil
}

// Close closes all brokers; the triggers are stopped before.
func (b *Block) Close(ctx context.Context) error {
	return errors.Join(b.inboxes.close(ctx), b.manager.Close(ctx))
}

// Ready asks every broker that can tell whether its server answers. A component that was let go on without
// (ignoreErrors) does not count.
func (b *Block) Ready(ctx context.Context) error {
	opened := b.manager.All()
	errs := make([]error, len(opened))
	var wg sync.WaitGroup
	for i, o := range opened {
		p, ok := o.Driver.(Pinger)
		if !ok || o.Err != nil {
			continue
		}
		wg.Go(func() {
			if err := p.Ping(ctx); err != nil {
				errs[i] = fmt.Errorf("pubsub %s: %w", o.Decl.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Describe gives the components and subscriptions in the form of Dapr's metadata.
func (b *Block) Describe(context.Context) map[string]any {
	components := []map[string]any{}
	seen := map[string]bool{}
	for _, o := range b.manager.All() {
		if seen[o.Decl.Name] {
			continue // open once for each app
		}
		seen[o.Decl.Name] = true
		version := o.Decl.Version
		if version == "" {
			version = "v1"
		}
		capabilities := []string{}
		if _, ok := o.Driver.(Expirer); ok {
			capabilities = append(capabilities, "MESSAGE_TTL")
		}
		components = append(components, map[string]any{
			"name": o.Decl.Name, "type": o.Type, "version": version, "capabilities": capabilities,
		})
	}
	subs := []map[string]any{}
	for _, s := range b.subs {
		subs = append(subs, s.describe())
	}
	return map[string]any{"components": components, "subscriptions": subs}
}

// bus is a component as one app sees it.
type bus struct {
	block     *Block
	app       string
	name, typ string
	broker    Broker
	scopes    topicScopes
	consumer  string // consumer group of the app
	expires   bool   // the broker drops expired messages by itself

	publish, bulk *chain.Point
	// The functions are made once: a method value would be allocated for each call.
	publishFn func(context.Context, *Request) (struct{}, error)
	bulkFn    func(context.Context, *bulkRequest) ([]error, error)
	letterFn  func(context.Context, *Message) (struct{}, error)
}

// bus gives a component as one app sees it. It is made once.
func (b *Block) bus(app, name string) (*bus, error) {
	o, err := b.manager.Find(app, name, fallback)
	if err != nil {
		return nil, err
	}
	if o.Err != nil {
		return nil, fmt.Errorf("%w: pubsub %s did not start: %w", ErrUnavailable, o.Decl.Name, o.Err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := [2]string{app, o.Decl.Name}
	if found := b.buses[key]; found != nil {
		return found, nil
	}
	op := chain.Op{Direction: chain.Outbound, Block: "pubsub", Target: o.Decl.Name, Type: o.Type}
	if slices.Contains(b.cfg.Apps, app) {
		op.App = app // a name that a program outside made up would be a label of its own in every metric
	}
	point := func(name string) *chain.Point {
		op.Name = name
		return b.cfg.Chain.Point(op)
	}
	made := &bus{
		block: b, app: app, name: o.Decl.Name, typ: o.Type, broker: o.Driver, scopes: newTopicScopes(o.Metadata, app),
		consumer: app, publish: point("publish"), bulk: point("bulk-publish"),
	}
	if id, ok := o.Metadata.Get("consumerID"); ok && id != "" {
		made.consumer = id
	}
	_, made.expires = o.Driver.(Expirer)
	made.publishFn, made.bulkFn, made.letterFn = made.doPublish, made.doBulk, made.doLetter
	const most = 10_000
	if len(b.buses) >= most {
		clear(b.buses) // programs outside may use any number of app names; keep memory bounded
	}
	b.buses[key] = made
	return made, nil
}
